"""Recurrent networks on a CPU: the time loops of a GRU, and one step of a policy.

Trials come packed: sorted by length, longest first, time-major, without padding. Four trials at a
time go through the whole loop: their hidden states and the products of one step stay in the
first-level cache, and each weight that is read serves four rows. Both products run near the
processor's peak, where separate tensor operations spend most of their time being launched.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import overload

__all__ = ["BLOCK", "backward_scan", "forward_scan", "policy_step"]

FloatArray = npt.NDArray[np.floating[Any]]
BLOCK = 4
"""Trials that share the reading of a weight."""

# Without Numba's runtime, views of arrays cost no counting of references; nothing is allocated.
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
# Fused multiply-add only: no other liberty, so that a NaN stays one.
_FUSED: dict[str, Any] = {**_OPTIONS, "fastmath": {"contract"}}

_TAYLOR = [np.float32(math.log(2.0) ** n / math.factorial(n)) for n in range(8)]
_C1, _C2, _C3, _C4, _C5, _C6, _C7 = _TAYLOR[1:]
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_LOG2_E = np.float32(1.0 / math.log(2.0))
_LOWEST, _HIGHEST = np.float32(-87.0), np.float32(88.0)
_BIAS, _EXPONENT = np.int32(127), np.int32(1 << 23)


def _exp(x: Any) -> Any:
    """Exponential; of a float32 to 2e-7 relative, in operations that vectorise."""
    raise NotImplementedError


@overload(_exp, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _(x: Any) -> Any:
    if x != numba.float32:

        def exp(x: Any) -> Any:
            return math.exp(x)

        return exp

    def exp_float32(x: Any) -> Any:
        x = _LOWEST if x < _LOWEST else x
        x = _HIGHEST if x > _HIGHEST else x
        powers = x * _LOG2_E
        whole = np.floor(powers + _HALF)
        # ln(2)^n / n! of the remainder, at most a half: the next term is below 1e-8.
        f = powers - whole
        series = _ONE + f * (
            _C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * (_C6 + f * _C7)))))
        )
        return series * np.int32((np.int32(whole) + _BIAS) * _EXPONENT).view(np.float32)

    return exp_float32


@numba.njit(**_FUSED)
def _sigmoid(x: Any) -> Any:
    return _ONE / (_ONE + _exp(-x))


@numba.njit(**_FUSED)
def _tanh(x: Any) -> Any:
    return _ONE - _TWO / (_ONE + _exp(x + x))


@numba.njit(**_FUSED)
def _add_products(rows: Any, weight: Any, out: Any) -> None:
    """Add rows (4, n) times weight (n, m) to ``out`` (4, m)."""
    inputs, outputs = weight.shape
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    o0, o1, o2, o3 = out[0], out[1], out[2], out[3]
    fours = inputs - inputs % 4
    for k in range(0, fours, 4):
        w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        a0, a1, a2, a3 = r0[k], r0[k + 1], r0[k + 2], r0[k + 3]
        b0, b1, b2, b3 = r1[k], r1[k + 1], r1[k + 2], r1[k + 3]
        c0, c1, c2, c3 = r2[k], r2[k + 1], r2[k + 2], r2[k + 3]
        d0, d1, d2, d3 = r3[k], r3[k + 1], r3[k + 2], r3[k + 3]
        for j in range(outputs):
            v0, v1, v2, v3 = w0[j], w1[j], w2[j], w3[j]
            o0[j] = o0[j] + a0 * v0 + a1 * v1 + a2 * v2 + a3 * v3
            o1[j] = o1[j] + b0 * v0 + b1 * v1 + b2 * v2 + b3 * v3
            o2[j] = o2[j] + c0 * v0 + c1 * v1 + c2 * v2 + c3 * v3
            o3[j] = o3[j] + d0 * v0 + d1 * v1 + d2 * v2 + d3 * v3
    for k in range(fours, inputs):
        w0 = weight[k]
        for j in range(outputs):
            o0[j] += r0[k] * w0[j]
            o1[j] += r1[k] * w0[j]
            o2[j] += r2[k] * w0[j]
            o3[j] += r3[k] * w0[j]


@numba.njit(**_FUSED)
def _step(arriving: Any, product: Any, candidate: Any, hidden: Any) -> None:
    """One row's step; ``product`` becomes its gates, ``hidden`` its next state.

    Few arrays to a loop: the compiler vectorises only loops whose arrays it can tell apart.
    """
    size = hidden.size
    for j in range(2 * size):
        product[j] = _sigmoid(arriving[j] + product[j])
    for j in range(size):
        candidate[j] = _tanh(arriving[2 * size + j] + product[j] * product[2 * size + j])
    for j in range(size):
        hidden[j] = candidate[j] + product[size + j] * (hidden[j] - candidate[j])


@numba.njit(**_FUSED)
def _copy(source: Any, target: Any) -> None:
    for j in range(target.size):
        target[j] = source[j]


@numba.njit(**_FUSED)
def forward_scan(
    input_gates: Any,
    weight: Any,
    bias: Any,
    batch_sizes: Any,
    gates: Any,
    candidates: Any,
    previous: Any,
    output: Any,
    hidden: Any,
    products: Any,
) -> None:
    """Hidden states of packed trials that start from zeros.

    Args:
        input_gates: (steps, 3 * size), the inputs' part of reset, update and candidate.
        weight: (size, 3 * size), the transposed weight of the hidden state.
        bias: (3 * size,)
        batch_sizes: (times,) int64.
        gates: Written: reset, update, and what the reset gate multiplies (steps, 3 * size).
        candidates: Written (steps, size).
        previous: Written: hidden states before each step (steps, size).
        output: Written: hidden states after each step (steps, size).
        hidden: Scratch (4, size).
        products: Scratch (4, 3 * size).
    """
    for block in range(0, batch_sizes[0], BLOCK):
        hidden[:] = 0
        first = block
        for rows in batch_sizes:
            alive = min(rows - block, BLOCK)
            if alive <= 0:
                break
            for i in range(BLOCK):
                _copy(bias, products[i])
            _add_products(hidden, weight, products)
            for i in range(alive):
                _copy(hidden[i], previous[first + i])
                _step(input_gates[first + i], products[i], candidates[first + i], hidden[i])
                _copy(products[i], gates[first + i])
                _copy(hidden[i], output[first + i])
            first += rows


@numba.njit(**_FUSED)
def _step_gradient(
    gradient: Any,
    gates: Any,
    candidate: Any,
    before: Any,
    carried: Any,
    of_reset: Any,
    of_update: Any,
    of_candidate: Any,
    of_hidden: Any,
) -> None:
    """One row's step backwards; ``carried`` is what later steps ask of its state."""
    size = carried.size
    reset, update, inner = gates[:size], gates[size : 2 * size], gates[2 * size :]
    for j in range(size):
        carried[j] += gradient[j]
    for j in range(size):
        of_candidate[j] = (_ONE - update[j]) * (_ONE - candidate[j] * candidate[j]) * carried[j]
    for j in range(size):
        of_update[j] = update[j] * (_ONE - update[j]) * (before[j] - candidate[j])
    for j in range(size):
        of_update[j] *= carried[j]
    for j in range(size):
        of_hidden[j] = of_candidate[j] * reset[j]
    for j in range(size):
        of_reset[j] = of_hidden[j] * (_ONE - reset[j]) * inner[j]
    for j in range(size):
        carried[j] *= update[j]


@numba.njit(**_FUSED)
def backward_scan(
    output_gradient: Any,
    weight: Any,
    batch_sizes: Any,
    gates: Any,
    candidates: Any,
    previous: Any,
    input_gradient: Any,
    hidden_gradient: Any,
    scratch: Any,
) -> None:
    """Gradients of the gates, given those of the hidden states.

    Args:
        output_gradient: (steps, size)
        weight: (3 * size, size), of the hidden state.
        batch_sizes: (times,) int64.
        gates: As ``forward_scan`` left them.
        candidates: The same.
        previous: The same.
        input_gradient: Written: of the inputs' part of the gates (steps, 3 * size).
        hidden_gradient: Written: of the hidden state's part (steps, 3 * size).
        scratch: (5, 4, size)
    """
    steps, size = previous.shape
    carried, of_reset, of_update, of_hidden = scratch[0], scratch[1], scratch[2], scratch[3]
    of_candidate = scratch[4, 0]
    for block in range(0, batch_sizes[0], BLOCK):
        carried[:] = 0
        of_reset[:], of_update[:], of_hidden[:] = 0, 0, 0
        first = steps
        for time in range(batch_sizes.size - 1, -1, -1):
            first -= batch_sizes[time]
            alive = min(batch_sizes[time] - block, BLOCK)
            if alive <= 0:
                continue
            for i in range(alive):
                step = first + block + i
                _step_gradient(
                    output_gradient[step], gates[step], candidates[step], previous[step],
                    carried[i], of_reset[i], of_update[i], of_candidate, of_hidden[i],
                )  # fmt: skip
                to_inputs, to_hidden = input_gradient[step], hidden_gradient[step]
                _copy(of_reset[i], to_inputs[:size])
                _copy(of_update[i], to_inputs[size : 2 * size])
                _copy(of_candidate, to_inputs[2 * size :])
                _copy(of_reset[i], to_hidden[:size])
                _copy(of_update[i], to_hidden[size : 2 * size])
                _copy(of_hidden[i], to_hidden[2 * size :])
            _add_products(of_reset, weight[:size], carried)
            _add_products(of_update, weight[size : 2 * size], carried)
            _add_products(of_hidden, weight[2 * size :], carried)


@numba.njit(**{**_OPTIONS, "fastmath": {"contract", "reassoc"}})
def _dot(left: Any, right: Any) -> Any:
    total = left[0] * right[0]
    for j in range(1, left.size):
        total += left[j] * right[j]
    return total


@numba.njit(**_FUSED)
def _add_scaled(value: Any, weight: Any, out: Any) -> None:
    for j in range(out.size):
        out[j] += value * weight[j]


@numba.njit(**_FUSED)
def _encode(
    observation: Any,
    action: Any,
    reward: Any,
    episode_end: Any,
    observes_codes: Any,
    offsets: Any,
    scale: Any,
    table: Any,
    value_weight: Any,
    bias: Any,
    out: Any,
) -> None:
    """One row of ``TrialEncoder``, for an action that is a code."""
    _copy(bias, out)
    _add_scaled(np.float32(reward), value_weight[0], out)
    _add_scaled(np.float32(episode_end), value_weight[1], out)
    for k in range(observation.size):
        if observes_codes:
            _add_scaled(_ONE, table[offsets[k] + np.int64(observation[k])], out)
        else:
            _add_scaled(np.float32(observation[k]) * scale, value_weight[2 + k], out)
    _add_scaled(_ONE, table[offsets[-1] + action], out)
    for j in range(out.size):
        out[j] = _ZERO if out[j] < _ZERO else out[j]


@numba.njit(**_FUSED)
def _choose(logits: Any, uniform: Any) -> tuple[Any, Any]:
    """The action where the cumulated probability passes ``uniform``, and its log-probability.

    A negative ``uniform`` asks for the most probable action.
    """
    best = 0
    for a in range(1, logits.size):
        if logits[a] > logits[best]:
            best = a
    total = _ZERO
    for a in range(logits.size):
        total += _exp(logits[a] - logits[best])
    action = best
    if uniform >= 0:
        passed = _ZERO
        for a in range(logits.size):
            passed += _exp(logits[a] - logits[best])
            action = a
            if uniform * total < passed:
                break
    return action, logits[action] - logits[best] - np.log(total)


@numba.njit(**_FUSED)
def policy_step(
    active: Any,
    observation: Any,
    previous_action: Any,
    previous_reward: Any,
    episode_end: Any,
    observes_codes: Any,
    offsets: Any,
    scale: Any,
    hidden: Any,
    uniforms: Any,
    weights: Any,
    actions: Any,
    log_probabilities: Any,
    predictions: Any,
    output: Any,
    scratch: Any,
) -> None:
    """One step of a recurrent policy: encoder, memory, categorical action and value.

    Args:
        active: (rows,) bool; the others' results are left as they are.
        observation: (rows, n), codes or numbers.
        previous_action: (rows, 1) int64; so are the next two, as numbers.
        previous_reward: What followed it.
        episode_end: Whether an episode ended there.
        observes_codes: Whether the observation is made of codes.
        offsets: Where each code's rows begin in the encoder's table, the action's last.
        scale: What observed numbers are multiplied with.
        hidden: (rows, size)
        uniforms: (rows,) from [0, 1), or negative for the most probable action.
        weights: The encoder's table, weight of values and bias; the memory's transposed input
            weight, input bias, transposed hidden weight and hidden bias; the heads' weight
            (actions + 1, size), value last, and bias.
        actions: Written (rows,) int64.
        log_probabilities: Written (rows,).
        predictions: Written: values (rows,).
        output: Written: the next hidden states (rows, size).
        scratch: Encoded inputs (4, width), states (4, size), gates of the inputs and of the
            hidden state (4, 3 * size) each, a candidate (size,), the heads' outputs
            (actions + 1,) and rows (4,) int64.
    """
    table, value_weight, encoder_bias, input_weight, input_bias = weights[:5]
    hidden_weight, hidden_bias, head_weight, head_bias = weights[5:]
    encoded, states, arriving, gates, candidate, heads, rows = scratch
    last = active.size - 1
    held = 0
    for row in range(active.size):
        if active[row]:
            _encode(
                observation[row], previous_action[row, 0], previous_reward[row, 0],
                episode_end[row, 0], observes_codes, offsets, scale, table, value_weight,
                encoder_bias, encoded[held],
            )  # fmt: skip
            _copy(hidden[row], states[held])
            rows[held] = row
            held += 1
        if held == 0 or (held < BLOCK and row < last):
            continue
        for i in range(BLOCK):
            _copy(input_bias, arriving[i])
            _copy(hidden_bias, gates[i])
        # Beyond the rows held, what a former block left is multiplied in vain.
        _add_products(encoded, input_weight, arriving)
        _add_products(states, hidden_weight, gates)
        for i in range(held):
            _step(arriving[i], gates[i], candidate, states[i])
            at = rows[i]
            _copy(states[i], output[at])
            for a in range(heads.size):
                heads[a] = head_bias[a] + _dot(head_weight[a], states[i])
            actions[at], log_probabilities[at] = _choose(heads[:-1], uniforms[at])
            predictions[at] = heads[-1]
        held = 0
