"""Passes through the networks of many tasks on a CPU, compiled: one loop over blocks of rows.

A block goes through all layers before the next one begins: what a layer leaves is in the
first-level cache when it is read again, and each weight that is read serves four rows. What the
passes are is said in :mod:`agents.task_network`. Here tuples have an entry for each layer; weights
are (tasks, width, next width), biases and their gradients (tasks, next width), and what belongs to
rows has them before the last axis.
"""

from __future__ import annotations

from typing import Any

from agents.compiled import compiled
from agents.compiled_math import (
    ONE,
    TWO,
    add_combination,
    add_products,
    add_scaled,
    begin_sums,
    copy,
    dot,
)
from agents.register_tiles import BLOCK

__all__ = [
    "ROWS",
    "backward",
    "backward_change",
    "tangent",
]

ROWS = 48
"""Of a block that gradients of weights are summed over; some blocks have a few more."""


@compiled
def _times_slope(values: Any, units: Any, out: Any) -> None:
    """Times the derivative of sigmoid units."""
    for j in range(values.size):
        out[j] = values[j] * units[j] * (ONE - units[j])


@compiled
def _multiply_by_slope(units: Any, out: Any) -> None:
    """The same in place: a loop whose arrays overlap is not vectorised."""
    for j in range(out.size):
        out[j] = out[j] * units[j] * (ONE - units[j])


@compiled
def _add_bend(delta: Any, units: Any, sums: Any, out: Any) -> None:
    """Add what changes of the units' sums make of the gradient by them."""
    for j in range(out.size):
        out[j] += delta[j] * (ONE - TWO * units[j]) * sums[j]


@compiled
def _add_outer(left: Any, right: Any, out: Any) -> None:
    """Add the transposed left (rows, n) times right (rows, m) to ``out`` (n, m)."""
    columns = left.T
    fours = left.shape[1] - left.shape[1] % BLOCK
    for i in range(0, fours, BLOCK):
        add_products(columns[i : i + BLOCK], right, out[i : i + BLOCK])
    for i in range(fours, left.shape[1]):
        add_combination(columns[i], right, out[i])


@compiled
def _add_weight_gradient(rows: Any, delta: Any, out: Any) -> None:
    """Of a layer; where that narrows, ``out`` is transposed: the inner loop is the long one."""
    if delta.shape[1] < rows.shape[1]:
        _add_outer(delta, rows, out)
    else:
        _add_outer(rows, delta, out)


@compiled
def _add_sum(rows: Any, out: Any) -> None:
    fours = rows.shape[0] - rows.shape[0] % 4
    for k in range(0, fours, 4):
        r0, r1, r2, r3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for j in range(out.size):
            out[j] += (r0[j] + r1[j]) + (r2[j] + r3[j])
    for k in range(fours, rows.shape[0]):
        add_scaled(ONE, rows[k], out)


@compiled
def _end_of_block(first: Any, num_rows: Any) -> Any:
    """Where it ends; as many rows as four together need are never left over."""
    return first + ROWS if num_rows - first >= ROWS + BLOCK else num_rows


@compiled
def _through_layer(delta: Any, transposed: Any, units: Any, before: Any) -> None:
    """The gradient by the sums of the layer before, from that by those of a layer."""
    for block in range(0, delta.shape[0], BLOCK):
        at = min(block, delta.shape[0] - BLOCK)  # some rows twice, if need be
        out = before[at : at + BLOCK]
        out[:] = 0
        add_products(delta[at : at + BLOCK], transposed, out)
        for i in range(BLOCK):
            _multiply_by_slope(units[at + i], out[i])


@compiled
def backward(
    read: Any, transposed: Any, outgoing: Any, deltas: Any, of_weights: Any, of_biases: Any
) -> None:
    """The gradient by weights and biases, from that by the outputs.

    Args:
        read: What each layer read (tasks, rows, width), at least four rows; two layers at least.
        transposed: Weights (tasks, next width, width).
        outgoing: The gradient by the outputs (tasks, rows, outputs).
        deltas: Written: the gradient by each hidden layer's sums (tasks, rows, next width). The
            last of them is scratch (1, ROWS + 4, next width): the outputs are few, and to find it
            again takes less than to read it.
        of_weights: Zeros; written: of a layer that narrows transposed.
        of_biases: Zeros; written.
    """
    (num_tasks, num_rows), last = outgoing.shape[:2], len(read) - 1
    for task in range(num_tasks):
        first = 0
        while first < num_rows:
            end = _end_of_block(first, num_rows)
            delta = outgoing[task, first:end]
            for layer in range(last, -1, -1):
                rows = read[layer][task, first:end]
                _add_weight_gradient(rows, delta, of_weights[layer][task])
                _add_sum(delta, of_biases[layer][task])
                if layer > 0:
                    own, at = (task, first) if layer < last else (0, 0)
                    before = deltas[layer - 1][own, at : at + end - first]
                    _through_layer(delta, transposed[layer][task], rows, before)
                    delta = before
            first = end


@compiled
def tangent(
    read: Any, weights: Any, change: Any, change_of_biases: Any, sums: Any, scratch: Any
) -> None:
    """How the sums change along a direction.

    What the units make of that is not kept: to find it again takes less than to read it.

    Args:
        read: What each layer read (tasks, rows, width), at least four rows; two layers at least.
        weights: Of each layer, those of the last transposed: it has few outputs.
        change: Their direction, likewise.
        change_of_biases: That of the biases.
        sums: Written: changes of each layer's sums (tasks, rows, next width).
        scratch: Of each hidden layer (4, next width).
    """
    (num_tasks, num_rows), last = sums[0].shape[:2], len(weights) - 1
    for task in range(num_tasks):
        for block in range(0, num_rows, BLOCK):
            first = min(block, num_rows - BLOCK)
            for layer in range(last):
                out = sums[layer][task, first : first + BLOCK]
                begin_sums(change_of_biases[layer][task], out)
                add_products(read[layer][task, first : first + BLOCK], change[layer][task], out)
                if layer > 0:
                    add_products(scratch[layer - 1], weights[layer][task], out)
                for i in range(BLOCK):
                    _times_slope(out[i], read[layer + 1][task, first + i], scratch[layer][i])
            for i in range(BLOCK):
                for j in range(sums[last].shape[2]):
                    moved = dot(read[last][task, first + i], change[last][task, j])
                    moved += dot(scratch[last - 1][i], weights[last][task, j])
                    sums[last][task, first + i, j] = change_of_biases[last][task, j] + moved


@compiled
def backward_change(
    read: Any,
    transposed: Any,
    change: Any,
    outgoing: Any,
    deltas: Any,
    curved: Any,
    sums: Any,
    of_weights: Any,
    of_biases: Any,
    scratch: Any,
    units: Any,
) -> None:
    """How the gradient changes along a direction.

    Args:
        read: As in :func:`backward`.
        transposed: The same.
        change: The transposed weights' direction.
        outgoing: As in :func:`backward`.
        deltas: As it left them; the last is scratch again.
        curved: How the gradient by the outputs changes (tasks, rows, outputs).
        sums: As :func:`tangent` left those of the hidden layers.
        of_weights: Zeros; written: changes of the gradient by weights, as there.
        of_biases: The same by biases.
        scratch: Of each layer (ROWS + 4, next width).
        units: Scratch of each hidden layer, likewise.
    """
    (num_tasks, num_rows), last = curved.shape[:2], len(read) - 1
    for task in range(num_tasks):
        first = 0
        while first < num_rows:
            end = _end_of_block(first, num_rows)
            delta = outgoing[task, first:end]
            hidden = deltas[last - 1][0, : end - first]
            _through_layer(delta, transposed[last][task], read[last][task, first:end], hidden)
            for row in range(first, end):
                copy(curved[task, row], scratch[last][row - first])
            for layer in range(last, -1, -1):
                now, rows = scratch[layer][: end - first], read[layer][task, first:end]
                _add_weight_gradient(rows, now, of_weights[layer][task])
                _add_sum(now, of_biases[layer][task])
                if layer > 0:
                    moved = units[layer - 1][: end - first]
                    for i in range(end - first):
                        _times_slope(sums[layer - 1][task, first + i], rows[i], moved[i])
                    _add_weight_gradient(moved, delta, of_weights[layer][task])
                    own, at = (task, first) if layer < last else (0, 0)
                    before = deltas[layer - 1][own, at : at + end - first]
                    for block in range(0, end - first, BLOCK):
                        four = min(block, end - first - BLOCK)
                        out = scratch[layer - 1][four : four + BLOCK]
                        out[:] = 0
                        add_products(now[four : four + BLOCK], transposed[layer][task], out)
                        add_products(delta[four : four + BLOCK], change[layer][task], out)
                        for i in range(BLOCK):
                            _multiply_by_slope(rows[four + i], out[i])
                            _add_bend(
                                before[four + i], rows[four + i],
                                sums[layer - 1][task, first + four + i], out[i],
                            )  # fmt: skip
                    delta = before
            first = end
