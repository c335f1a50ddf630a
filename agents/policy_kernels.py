"""One step of a recurrent policy on a CPU: encoder, memory, categorical action and value."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.compiled import compiled
from agents.compiled_math import (
    ONE,
    TWO,
    ZERO,
    add_products,
    add_scaled,
    copy,
    dot,
    exp,
)
from agents.recurrent_kernels import gru_step
from agents.register_tiles import BLOCK

__all__ = ["categorical_loss", "choose", "policy_step"]


@compiled
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
    copy(bias, out)
    add_scaled(np.float32(reward), value_weight[0], out)
    add_scaled(np.float32(episode_end), value_weight[1], out)
    for k in range(observation.size):
        if observes_codes:
            add_scaled(ONE, table[offsets[k] + np.int64(observation[k])], out)
        else:
            add_scaled(np.float32(observation[k]) * scale, value_weight[2 + k], out)
    add_scaled(ONE, table[offsets[-1] + action], out)
    for j in range(out.size):
        out[j] = ZERO if out[j] < ZERO else out[j]


@compiled
def _normaliser(logits: Any) -> tuple[Any, Any]:
    """The most probable category, and the sum of all their probabilities relative to its own."""
    best = 0
    for a in range(1, logits.size):
        if logits[a] > logits[best]:
            best = a
    total = ZERO
    for a in range(logits.size):
        total += exp(logits[a] - logits[best])
    return best, total


@compiled
def choose(logits: Any, uniform: Any) -> tuple[Any, Any]:
    """The action where the cumulated probability passes ``uniform``, and its log-probability.

    A negative ``uniform`` asks for the most probable action.
    """
    best, total = _normaliser(logits)
    action = best
    if uniform >= 0:
        passed = ZERO
        for a in range(logits.size):
            passed += exp(logits[a] - logits[best])
            action = a
            if uniform * total < passed:
                break
    return action, logits[action] - logits[best] - np.log(total)


@compiled
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
            copy(hidden[row], states[held])
            rows[held] = row
            held += 1
        if held == 0 or (held < BLOCK and row < last):
            continue
        for i in range(BLOCK):
            copy(input_bias, arriving[i])
            copy(hidden_bias, gates[i])
        # Beyond the rows held, what a former block left is multiplied in vain.
        add_products(encoded, input_weight, arriving)
        add_products(states, hidden_weight, gates)
        for i in range(held):
            gru_step(arriving[i], gates[i], candidate, states[i])
            at = rows[i]
            copy(states[i], output[at])
            for a in range(heads.size):
                heads[a] = head_bias[a] + dot(head_weight[a], states[i])
            actions[at], log_probabilities[at] = choose(heads[:-1], uniforms[at])
            predictions[at] = heads[-1]
        held = 0


@compiled
def categorical_loss(
    features: Any,
    weight: Any,
    bias: Any,
    actions: Any,
    old_log_probabilities: Any,
    advantages: Any,
    returns: Any,
    of_features: Any,
    of_weight: Any,
    of_bias: Any,
    outputs: Any,
    clip: Any,
    value_weight: Any,
    entropy_weight: Any,
    terms: Any,
) -> None:
    """PPO's loss of a categorical policy and of its values, and the gradient.

    Args:
        features: (steps, width)
        weight: Of the heads (actions + 1, width), value last.
        bias: (actions + 1,)
        actions: (steps,) int64; the next three are (steps,) as well.
        old_log_probabilities: Of the actions, when they were taken.
        advantages: Of the actions.
        returns: What the values should be.
        of_features: Written: the gradient (steps, width).
        of_weight: Zeros; written: the gradient (actions + 1, width).
        of_bias: Zeros; written: the gradient (actions + 1,).
        outputs: Scratch (actions + 1,).
        clip: Of the probability ratio.
        value_weight: Of the squared errors of the values.
        entropy_weight: Of the entropies.
        terms: Zeros; written: sums of the losses of policy and value, of the entropies and of the
            divergences (4,) float64.
    """
    logits = outputs[:-1]
    for step in range(features.shape[0]):
        for a in range(outputs.size):
            outputs[a] = bias[a] + dot(weight[a], features[step])
        error = outputs[-1] - returns[step]
        outputs[-1] = TWO * value_weight * error

        best, total = _normaliser(logits)
        log_total = logits[best] + np.log(total)
        entropy = ZERO
        for a in range(logits.size):
            logits[a] -= log_total
            entropy -= exp(logits[a]) * logits[a]
        log_ratio = logits[actions[step]] - old_log_probabilities[step]
        ratio = exp(log_ratio)
        advantage = advantages[step]
        bounded = min(max(ratio, ONE - clip), ONE + clip)
        # Where the bound is the lesser, the step has no gradient. A NaN is not bounded.
        surrogate = ratio * advantage
        slope = -surrogate
        if bounded * advantage < surrogate:
            surrogate, slope = bounded * advantage, ZERO
        for a in range(logits.size):
            probability = exp(logits[a])
            logits[a] = probability * (entropy_weight * (logits[a] + entropy) - slope)
        logits[actions[step]] += slope

        of_features[step, :] = 0
        for a in range(outputs.size):
            add_scaled(outputs[a], weight[a], of_features[step])
            add_scaled(outputs[a], features[step], of_weight[a])
            of_bias[a] += outputs[a]
        terms[0] -= surrogate
        terms[1] += error * error
        terms[2] += entropy
        terms[3] -= log_ratio
