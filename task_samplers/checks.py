"""Checks that samplers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["check_draw", "check_generator", "normalised_weights"]


def check_draw(n_tasks: Any, rng: Any) -> None:
    """ValueError unless ``n_tasks`` is an integer of at least 1; as :func:`check_generator`."""
    if isinstance(n_tasks, bool) or not isinstance(n_tasks, int | np.integer) or n_tasks < 1:
        raise ValueError(f"n_tasks must be an integer of at least 1, got {n_tasks!r}.")
    check_generator(rng)


def check_generator(rng: Any) -> None:
    """TypeError unless ``rng`` is a generator of NumPy's."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            "rng must be a numpy.random.Generator, such as numpy.random.default_rng(0), "
            f"got {rng!r}."
        )


def normalised_weights(weights: npt.ArrayLike, length: int) -> npt.NDArray[np.float64]:
    """Weights (length,) that sum to 1; ValueError unless finite, at least 0 and not all 0."""
    array = np.asarray(weights, np.float64)
    if array.shape != (length,):
        raise ValueError(f"weights must have shape ({length},), got {array.shape}.")
    if not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise ValueError(f"weights must be finite, at least 0 and not all 0, got {array.tolist()}.")
    normalised: npt.NDArray[np.float64] = array / array.sum()
    return normalised
