"""Expanding compact codes to one-hot vectors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.compile import build_kernel

__all__ = ["code_offsets", "write_one_hot"]


def expand_codes(codes: Any, offsets: Any, output: Any) -> None:
    """Kernel template: set ``output[row, offsets[k] + codes[row, k]]`` to one for every k."""
    for row in range(codes.shape[0]):
        for position in range(codes.shape[1]):
            output[row, offsets[position] + codes[row, position]] = 1


def code_offsets(sizes: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Where each code's block begins in the one-hot vector, given the sizes of the blocks."""
    flat = np.asarray(sizes, np.int64).ravel()
    return np.concatenate([[0], np.cumsum(flat)[:-1]]).astype(np.int64)


@lru_cache(maxsize=64)
def _kernel(code_dtype: np.dtype[Any], output_dtype: np.dtype[Any]) -> Any:
    examples = (
        np.zeros((1, 1), code_dtype),
        np.zeros(1, np.int64),
        np.zeros((1, 1), output_dtype),
    )
    return build_kernel(expand_codes, {}, home=__file__, arguments=examples)


def write_one_hot(
    codes: npt.NDArray[Any], offsets: npt.NDArray[np.int64], output: npt.NDArray[Any]
) -> None:
    """Write ones into ``output`` (n, width), which arrives zeroed.

    Args:
        codes: (n, k) integers, C-contiguous, each below the size of its block.
        offsets: (k,) beginnings of the blocks, from :func:`code_offsets`.
        output: (n, width) of any numeric dtype, C-contiguous.
    """
    _kernel(codes.dtype, output.dtype)(codes, offsets, output)
