"""Noise of a policy whose rows depend on their own seeds only, not on how many there are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metaenvs.kernels.random import GOLDEN, fold, mix

__all__ = ["RowNoise"]


class RowNoise:
    """Draws that of all rows, step by step.

    Args:
        seeds: Of the rows (rows,) uint64.
        num_normals: Normal numbers that a row draws in a step; None for one uniform number.
    """

    def __init__(self, seeds: npt.NDArray[np.uint64], num_normals: int | None) -> None:
        self._normal = num_normals is not None
        width = 1 if num_normals is None else num_normals
        self._keys = fold(seeds[:, None], np.arange(width, dtype=np.uint64))
        self._step = np.zeros(1, np.uint64)

    def __call__(self) -> Tensor:
        """That of the next step: (rows,) uniform, or (rows, num_normals) normal; float32."""
        self._step += np.uint64(1)
        bits = (mix(self._keys + self._step * GOLDEN) >> np.uint64(41)).astype(np.float64)
        # Middles of 2**23 equal parts: exact in float32, and neither 0 nor 1.
        uniforms = torch.from_numpy((bits + 0.5) * 2.0**-23)
        noise: Tensor = torch.special.ndtri(uniforms) if self._normal else uniforms[:, 0]
        return noise.float()
