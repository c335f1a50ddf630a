"""Checks that samplers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["at_least_one", "normalised_weights"]


def at_least_one(name: str, value: Any) -> int:
    """The integer ``value``; ValueError unless it is at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def normalised_weights(weights: npt.ArrayLike, length: int) -> npt.NDArray[np.float64]:
    """Weights (length,) that sum to 1; ValueError unless finite, at least 0 and not all 0."""
    array = np.asarray(weights, np.float64)
    if array.shape != (length,):
        raise ValueError(f"weights must have shape ({length},), got {array.shape}.")
    if not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise ValueError(f"weights must be finite, at least 0 and not all 0, got {array.tolist()}.")
    normalised: npt.NDArray[np.float64] = array / array.sum()
    return normalised
