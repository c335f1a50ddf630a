"""Small helpers around Gymnasium's spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

__all__ = ["codes_space", "shape_of"]


def shape_of(space: gym.Space[Any]) -> tuple[int, ...]:
    """The shape of a space's elements; TypeError for a space without one."""
    if space.shape is None:
        raise TypeError(f"Expected a space of arrays, got {space}.")
    return space.shape


def codes_space(sizes: Sequence[int]) -> gym.spaces.MultiDiscrete:
    """A ``MultiDiscrete`` of codes below ``sizes``, in the smallest dtype that holds them."""
    dtype: Any = np.uint8 if max(sizes) <= np.iinfo(np.uint8).max else np.int16
    return gym.spaces.MultiDiscrete(np.array(sizes, dtype), dtype=dtype)
