"""The time loops of a gated recurrent unit on a CPU.

Trials come packed: sorted by length, longest first, time-major, without padding. Four trials at a
time go through the whole loop: their hidden states and the products of one step stay in the
first-level cache, and each weight that is read serves four rows. Both products run near the
processor's peak, where separate tensor operations spend most of their time being launched.
"""

from __future__ import annotations

from typing import Any

from agents.compiled import compiled
from agents.compiled_math import ONE, add_products, add_scaled, copy, sigmoid, tanh
from agents.register_tiles import BLOCK

__all__ = ["backward_scan", "forward_scan", "gru_step"]


@compiled
def gru_step(arriving: Any, product: Any, candidate: Any, hidden: Any) -> None:
    """One row's step; ``product`` becomes its gates, ``hidden`` its next state.

    Few arrays to a loop: the compiler vectorises only loops whose arrays it can tell apart.
    """
    size = hidden.size
    for j in range(2 * size):
        product[j] = sigmoid(arriving[j] + product[j])
    for j in range(size):
        candidate[j] = tanh(arriving[2 * size + j] + product[j] * product[2 * size + j])
    for j in range(size):
        hidden[j] = candidate[j] + product[size + j] * (hidden[j] - candidate[j])


@compiled
def forward_scan(
    gates: Any,
    weight: Any,
    bias: Any,
    batch_sizes: Any,
    candidates: Any,
    previous: Any,
    output: Any,
    hidden: Any,
    products: Any,
) -> None:
    """Hidden states of packed trials that start from zeros.

    Args:
        gates: (steps, 3 * size), the inputs' part of reset, update and candidate; replaced by
            reset, update, and what the reset gate multiplies.
        weight: (size, 3 * size), the transposed weight of the hidden state.
        bias: (3 * size,)
        batch_sizes: (times,) int64.
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
                copy(bias, products[i])
            add_products(hidden, weight, products)
            for i in range(alive):
                copy(hidden[i], previous[first + i])
                gru_step(gates[first + i], products[i], candidates[first + i], hidden[i])
                copy(products[i], gates[first + i])
                copy(hidden[i], output[first + i])
            first += rows


@compiled
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
        of_candidate[j] = (ONE - update[j]) * (ONE - candidate[j] * candidate[j]) * carried[j]
    for j in range(size):
        of_update[j] = update[j] * (ONE - update[j]) * (before[j] - candidate[j])
    for j in range(size):
        of_update[j] *= carried[j]
    for j in range(size):
        of_hidden[j] = of_candidate[j] * reset[j]
    for j in range(size):
        of_reset[j] = of_hidden[j] * (ONE - reset[j]) * inner[j]
    for j in range(size):
        carried[j] *= update[j]


@compiled
def backward_scan(
    output_gradient: Any,
    weight: Any,
    batch_sizes: Any,
    gates: Any,
    candidates: Any,
    previous: Any,
    gate_gradient: Any,
    bias_gradient: Any,
    scratch: Any,
) -> None:
    """Gradients of the gates, given those of the hidden states.

    Reset and update add the inputs' part to the hidden state's: their gradients are of both. Of
    the candidate, the two parts have gradients of their own.

    Args:
        output_gradient: (steps, size)
        weight: (3 * size, size), of the hidden state.
        batch_sizes: (times,) int64.
        gates: As ``forward_scan`` left them.
        candidates: The same.
        previous: The same.
        gate_gradient: Written: of reset, update, and the candidate's two parts, the inputs' first
            (steps, 4 * size).
        bias_gradient: Zeros; written: sums of these over the steps (4 * size,).
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
                written = gate_gradient[step]
                copy(of_reset[i], written[:size])
                copy(of_update[i], written[size : 2 * size])
                copy(of_candidate, written[2 * size : 3 * size])
                copy(of_hidden[i], written[3 * size :])
                add_scaled(ONE, written, bias_gradient)
            add_products(of_reset, weight[:size], carried)
            add_products(of_update, weight[size : 2 * size], carried)
            add_products(of_hidden, weight[2 * size :], carried)
