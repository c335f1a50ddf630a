"""NumPy arrays as row functions see arrays when nothing is compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Record", "RowArray"]


class Record:
    """One record of a structured array, whose fields are attributes, as in a kernel.

    ``np.recarray`` would not do, nor would the simulator's own arrays: a field named like one of
    NumPy's attributes (``size``) is out of their reach.
    """

    def __init__(self, void: np.void) -> None:
        object.__setattr__(self, "void", void)

    def __getattr__(self, name: str) -> Any:
        return self.void[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self.void[name] = value


class RowArray:
    """An array (n, ...); elements of a structured one are :class:`Record`.

    Numba's simulator hands plain arrays to a kernel as copies, which it copies back: of two that
    share memory one would undo what was written to the other.
    """

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array
        self.shape = array.shape

    def __getitem__(self, index: Any) -> Any:
        element = self.array[index]
        return Record(element) if isinstance(element, np.void) else element

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value.void if isinstance(value, Record) else value
