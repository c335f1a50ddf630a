"""The functions of :mod:`agents.network_passes` on a CPU, compiled, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents import task_kernels
from agents.recycled_memory import recycled
from agents.register_tiles import BLOCK
from agents.tensor_arrays import arrays, arrays_to_write

__all__ = ["backward", "backward_change", "serves", "tangent"]


def serves(rows: Tensor, num_layers: int) -> bool:
    """Whether these functions are for networks that read this (tasks, rows, width)."""
    fits = rows.device.type == "cpu" and rows.dtype == torch.float32
    return fits and rows.shape[1] >= BLOCK and num_layers > 1


def backward(
    read: Sequence[Tensor], weights: Sequence[Tensor], delta: Tensor
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """As :func:`agents.network_passes.backward`."""
    deltas = [*_like_rows(read[0], weights[:-2]), delta.contiguous()]
    of_weights, of_biases = _zeros(weights)
    task_kernels.backward(
        arrays(*read), _transposed(weights), *_with_scratch(deltas, weights),
        arrays_to_write(*of_weights), arrays_to_write(*of_biases),
    )  # fmt: skip
    return deltas, _upright(of_weights, weights), [part[:, None] for part in of_biases]


def tangent(
    read: Sequence[Tensor],
    weights: Sequence[Tensor],
    change: Sequence[Tensor],
    change_of_biases: Sequence[Tensor],
) -> list[Tensor]:
    """As :func:`agents.network_passes.tangent`."""
    sums = _like_rows(read[0], weights)
    weights, change = ([*parts[:-1], parts[-1].mT] for parts in (weights, change))
    task_kernels.tangent(
        arrays(*read), arrays(*weights), arrays(*change),
        arrays(*(part[:, 0] for part in change_of_biases)), arrays_to_write(*sums),
        _scratch(BLOCK, weights[:-1]),
    )  # fmt: skip
    return sums


def backward_change(
    read: Sequence[Tensor],
    weights: Sequence[Tensor],
    change: Sequence[Tensor],
    deltas: Sequence[Tensor],
    curved: Tensor,
    sums: Sequence[Tensor],
) -> tuple[list[Tensor], list[Tensor]]:
    """As :func:`agents.network_passes.backward_change`."""
    of_weights, of_biases = _zeros(weights)
    scratch, units = (
        _scratch(task_kernels.ROWS + BLOCK, parts) for parts in (weights, weights[:-1])
    )
    task_kernels.backward_change(
        arrays(*read), _transposed(weights), _transposed(change),
        *_with_scratch(deltas, weights), *arrays(curved), arrays(*sums[:-1]),
        arrays_to_write(*of_weights), arrays_to_write(*of_biases), scratch, units,
    )  # fmt: skip
    return _upright(of_weights, weights), [part[:, None] for part in of_biases]


def _transposed(weights: Sequence[Tensor]) -> tuple[Any, ...]:
    return arrays(*(weight.mT for weight in weights))


def _like_rows(rows: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Memory for what layers give."""
    return [recycled(*rows.shape[:2], weight.shape[2]) for weight in weights]


def _with_scratch(
    deltas: Sequence[Tensor], weights: Sequence[Tensor]
) -> tuple[Any, tuple[Any, ...]]:
    """The gradient by the outputs, and those by all hidden layers' sums as the kernels have it."""
    *hidden, outgoing = arrays_to_write(*deltas)
    block = np.empty((1, task_kernels.ROWS + BLOCK, weights[-1].shape[1]), np.float32)
    return outgoing, (*hidden, block)


def _scratch(rows: int, weights: Sequence[Tensor]) -> tuple[Any, ...]:
    return tuple(np.empty((rows, weight.shape[2]), np.float32) for weight in weights)


def _zeros(weights: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Memory for gradients by weights and by biases (tasks, next width)."""
    of_weights = [
        torch.zeros(weight.mT.shape if _narrows(weight) else weight.shape) for weight in weights
    ]
    return of_weights, [weight.new_zeros(len(weight), weight.shape[2]) for weight in weights]


def _upright(of_weights: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """From the kernels' layout to that of the weights."""
    return [
        part.mT if _narrows(weight) else part
        for part, weight in zip(of_weights, weights, strict=True)
    ]


def _narrows(weight: Tensor) -> bool:
    return weight.shape[2] < weight.shape[1]
