"""Sums of rows of a table: a linear layer on one-hot vectors that are never made."""

from __future__ import annotations

from typing import Any

import numba
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["table_sum"]


def table_sum(indices: Tensor, table: Tensor) -> Tensor:
    """Sum the rows of ``table`` that each row of ``indices`` names.

    Args:
        indices: (n, codes) int64
        table: (categories, width)

    Returns:
        (n, width)
    """
    if table.device.type != "cpu":
        return functional.embedding_bag(indices, table, mode="sum")
    total: Tensor = _TableSum.apply(indices, table)  # type: ignore[no-untyped-call]
    return total


class _TableSum(torch.autograd.Function):
    """The sum by compiled loops: PyTorch's backward pass sorts the indices, ten times slower."""

    @staticmethod
    def forward(ctx: Any, indices: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.shape = table.shape
        total = table.new_empty(len(indices), table.shape[1])
        _gather(indices.contiguous().numpy(), table.detach().contiguous().numpy(), total.numpy())
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (indices,) = ctx.saved_tensors
        of_table = gradient.new_zeros(ctx.shape)
        _scatter(indices.contiguous().numpy(), gradient.contiguous().numpy(), of_table.numpy())
        return None, of_table


_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


@numba.njit(**_OPTIONS)
def _gather(indices: Any, table: Any, total: Any) -> None:
    for row in range(indices.shape[0]):
        target = total[row]
        for j in range(target.size):
            target[j] = 0
        for code in range(indices.shape[1]):
            source = table[indices[row, code]]
            for j in range(target.size):
                target[j] += source[j]


@numba.njit(**_OPTIONS)
def _scatter(indices: Any, gradient: Any, of_table: Any) -> None:
    for row in range(indices.shape[0]):
        source = gradient[row]
        for code in range(indices.shape[1]):
            target = of_table[indices[row, code]]
            for j in range(target.size):
                target[j] += source[j]
