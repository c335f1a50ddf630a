"""Reading the ``options`` of ``reset`` without changing the caller's dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["read_reset_mask", "refuse_unknown_options"]


def refuse_unknown_options(
    options: Mapping[str, Any] | None, known: tuple[str, ...] = ("task", "reset_mask")
) -> None:
    """ValueError for an option that would have no effect."""
    unknown = sorted(set(options or {}) - set(known))
    if unknown:
        raise ValueError(f"reset knows the options {list(known)}, got {unknown}.")


def read_reset_mask(options: Mapping[str, Any] | None, num_envs: int) -> npt.NDArray[np.bool_]:
    """The rows to reset (num_envs,), all of them where no mask is given.

    Raises:
        TypeError: Not a Boolean NumPy array.
        ValueError: A wrong shape, or no row at all.
    """
    if options is None or "reset_mask" not in options:
        return np.ones(num_envs, np.bool_)
    mask = options["reset_mask"]
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        kind = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(f"options['reset_mask'] must be a Boolean NumPy array, got {kind}.")
    if mask.shape != (num_envs,):
        raise ValueError(f"options['reset_mask'] must have shape ({num_envs},), got {mask.shape}.")
    if not mask.any():
        raise ValueError("options['reset_mask'] must name at least one row, got none.")
    return mask.copy()
