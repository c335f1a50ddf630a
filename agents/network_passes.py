"""The passes of :mod:`agents.task_network` in tensor operations, on any device, in any dtype.

Lists have an entry for each layer: what it reads (tasks, rows, width), weights (tasks, width, next
width), biases (tasks, 1, next width). :mod:`agents.compiled_passes` has the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["backward", "backward_change", "tangent"]


def backward(
    read: Sequence[Tensor], weights: Sequence[Tensor], delta: Tensor
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """From the gradient by the last layer's sums to those by all, by weights and by biases.

    Of the gradients by sums that of the last hidden layer is left out: the outputs are few, and to
    find it again takes less than to read it.
    """
    deltas = [delta]
    for layer in reversed(range(1, len(weights))):
        through = _times_slope(deltas[0] @ weights[layer].mT, read[layer])
        deltas.insert(0, through)
    of_weights = [_products(rows, delta) for rows, delta in zip(read, deltas, strict=True)]
    of_biases = [delta.sum(1, keepdim=True) for delta in deltas]
    return [*deltas[:-2], deltas[-1]], of_weights, of_biases


def tangent(
    read: Sequence[Tensor],
    weights: Sequence[Tensor],
    change: Sequence[Tensor],
    change_of_biases: Sequence[Tensor],
) -> list[Tensor]:
    """How the sums of all layers change along a direction of weights."""
    sums: list[Tensor] = []
    for layer, rows in enumerate(read):
        sums.append(torch.baddbmm(change_of_biases[layer], rows, change[layer]))
        if layer > 0:
            units = torch.ops.aten.sigmoid_backward(sums[layer - 1], rows)
            sums[layer].baddbmm_(units, weights[layer])
    return sums


def backward_change(
    read: Sequence[Tensor],
    weights: Sequence[Tensor],
    change: Sequence[Tensor],
    deltas: Sequence[Tensor],
    curved: Tensor,
    sums: Sequence[Tensor],
) -> tuple[list[Tensor], list[Tensor]]:
    """How the gradients by weights and biases change along a direction of weights.

    Args:
        read: What each layer read.
        weights: Of each layer.
        change: Their direction.
        deltas: As :func:`backward` gives them.
        curved: How the gradient by the last layer's sums changes.
        sums: As :func:`tangent` gives them for this direction.
    """
    of_weights: list[Tensor] = []
    of_biases: list[Tensor] = []
    if len(weights) > 1:
        hidden = _times_slope(deltas[-1] @ weights[-1].mT, read[-1])
        deltas = [*deltas[:-1], hidden, deltas[-1]]
    now = curved
    for layer in reversed(range(len(weights))):
        of_weights.insert(0, _products(read[layer], now))
        of_biases.insert(0, now.sum(1, keepdim=True))
        if layer > 0:
            units = torch.ops.aten.sigmoid_backward(sums[layer - 1], read[layer])
            of_weights[0] += _products(units, deltas[layer])
            now = now @ weights[layer].mT
            now.baddbmm_(deltas[layer], change[layer].mT)
            now = _times_slope(now, read[layer])
            before = deltas[layer - 1]
            bend = torch.addcmul(before, before, read[layer], value=-2)
            now.addcmul_(bend, sums[layer - 1])
    return of_weights, of_biases


def _products(one: Tensor, other: Tensor) -> Tensor:
    """``one.mT @ other``, of many rows; where the second is narrow, in the order that is faster."""
    if other.shape[-1] < one.shape[-1]:
        return (other.mT @ one).mT
    return one.mT @ other


def _times_slope(gradient: Tensor, units: Tensor) -> Tensor:
    """Times the derivative of sigmoid units, in the memory of the first."""
    through: Tensor = torch.ops.aten.sigmoid_backward.grad_input(
        gradient, units, grad_input=gradient
    )
    return through
