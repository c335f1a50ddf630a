"""Tensors on a CPU as the arrays that compiled functions take."""

from __future__ import annotations

from typing import Any

from torch import Tensor

__all__ = ["arrays", "arrays_to_write"]


def arrays(*tensors: Tensor) -> tuple[Any, ...]:
    """Arrays in row-major order, without gradients, for reading: they may be copies."""
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def arrays_to_write(*tensors: Tensor) -> tuple[Any, ...]:
    """The tensors' own memory.

    Raises:
        ValueError: A tensor that is not contiguous.
    """
    for tensor in tensors:
        if not tensor.is_contiguous():
            raise ValueError(
                f"Expected contiguous tensors to write to, got one of shape {tuple(tensor.shape)} "
                f"and strides {tensor.stride()}: make them with torch.empty."
            )
    return tuple(tensor.detach().numpy() for tensor in tensors)
