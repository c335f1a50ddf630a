"""Tensors on a CPU as the arrays that compiled functions take."""

from __future__ import annotations

from typing import Any

from torch import Tensor

__all__ = ["arrays"]


def arrays(*tensors: Tensor) -> tuple[Any, ...]:
    """Arrays in row-major order, without gradients.

    They share the memory of tensors that are contiguous, as what is written to must be; of others
    they are copies.
    """
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)
