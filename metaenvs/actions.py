"""Reading the actions that callers give."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.spaces import shape_of

__all__ = ["ActionReader"]


class ActionReader:
    """Brings actions into the kernels' shape and dtype; ranges are the kernels' to check.

    Args:
        space: Actions of one row.
        num_rows: Rows of the batch.
    """

    def __init__(self, space: gym.spaces.Discrete | gym.spaces.Box, num_rows: int) -> None:
        discrete = isinstance(space, gym.spaces.Discrete)
        self.shape = (num_rows, *shape_of(space))
        self.dtype = np.dtype(np.int64) if discrete else np.dtype(space.dtype)
        self._kinds = "iu" if discrete else "iuf"

    def read(self, actions: Any) -> npt.NDArray[Any]:
        """The actions (num_rows, ...) as a C-contiguous array; not copied where they are one.

        Raises:
            ValueError: A wrong shape or kind of numbers.
        """
        array: npt.NDArray[Any] = np.asarray(actions)
        if array.shape != self.shape:
            raise ValueError(f"actions must have shape {self.shape}, got {array.shape}.")
        if array.dtype != self.dtype or not array.flags.c_contiguous:
            if array.dtype.kind not in self._kinds:
                raise ValueError(f"actions must be {self.dtype} numbers, got dtype {array.dtype}.")
            array = np.ascontiguousarray(array, self.dtype)
        return array
