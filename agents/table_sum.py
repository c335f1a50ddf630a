"""Rectified sums of rows of a table: a layer on one-hot vectors that are never made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from agents.compiled import compiled
from agents.compiled_math import ONE, ZERO, add_scaled, copy
from agents.tensor_arrays import arrays, arrays_to_write

__all__ = ["rectified_table_sum"]


def rectified_table_sum(base: Tensor, indices: Tensor, table: Tensor) -> Tensor:
    """Add to each row of ``base`` the rows of ``table`` that ``indices`` names; negatives to zero.

    Args:
        base: (n, width)
        indices: (n, codes) int64
        table: (categories, width)

    Returns:
        (n, width)
    """
    if table.device.type != "cpu":
        if not indices.shape[1]:
            return torch.relu(base)
        return torch.relu(base + functional.embedding_bag(indices, table, mode="sum"))
    total: Tensor = _RectifiedTableSum.apply(  # type: ignore[no-untyped-call]
        base, indices, table
    )
    return total


class _RectifiedTableSum(torch.autograd.Function):
    """The sum by compiled loops: PyTorch's backward pass sorts the indices, ten times slower."""

    @staticmethod
    def forward(ctx: Any, base: Tensor, indices: Tensor, table: Tensor) -> Tensor:
        total = torch.empty_like(base)
        _gather(*arrays(base, indices, table), *arrays_to_write(total))
        ctx.save_for_backward(indices, total)
        ctx.shape = table.shape
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        indices, total = ctx.saved_tensors
        of_base, of_table = torch.empty_like(total), total.new_zeros(ctx.shape)
        _scatter(*arrays(gradient, indices, total), *arrays_to_write(of_base, of_table))
        return of_base, None, of_table


@compiled
def _gather(base: Any, indices: Any, table: Any, total: Any) -> None:
    for row in range(indices.shape[0]):
        target = total[row]
        copy(base[row], target)
        for code in range(indices.shape[1]):
            add_scaled(ONE, table[indices[row, code]], target)
        for j in range(target.size):
            target[j] = ZERO if target[j] < ZERO else target[j]


@compiled
def _scatter(gradient: Any, indices: Any, total: Any, of_base: Any, of_table: Any) -> None:
    for row in range(indices.shape[0]):
        source = of_base[row]
        for j in range(source.size):
            source[j] = gradient[row, j] if total[row, j] > ZERO else ZERO
        for code in range(indices.shape[1]):
            add_scaled(ONE, source, of_table[indices[row, code]])
