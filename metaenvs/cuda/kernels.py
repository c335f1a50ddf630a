"""Compiling and launching kernels of which every thread has one row."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any

from metaenvs.kernels.row_function import RowFunction, bind

__all__ = ["THREADS", "RowKernel", "bind_for_device", "row_kernel"]

THREADS = 128
"""Threads of a block at most."""


def bind_for_device(
    template: Callable[..., Any], row_functions: Mapping[str, RowFunction]
) -> FunctionType:
    """A template of :mod:`metaenvs.cuda.rows` over row functions compiled for the device."""
    assert isinstance(template, FunctionType)
    cuda: Any = importlib.import_module("numba.cuda")
    kernel = bind(template, lambda python, inline: cuda.jit(python, device=True), row_functions)
    kernel.__globals__["cuda"] = cuda
    return kernel


class RowKernel:
    """A kernel, compiled at its first launch.

    Args:
        template: A function of :mod:`metaenvs.cuda.rows`.
        row_functions: What it calls, by the names used in :mod:`metaenvs.kernels.trial`.
    """

    def __init__(
        self, template: Callable[..., Any], row_functions: Mapping[str, RowFunction]
    ) -> None:
        cuda: Any = importlib.import_module("numba.cuda")
        self._kernel = cuda.jit(bind_for_device(template, row_functions))
        self._known: set[Any] = set()

    def launch(self, num_rows: int, stream: Any, *arguments: Any) -> None:
        """Run the kernel for ``num_rows`` rows, without waiting for it."""
        threads = min(THREADS, num_rows)
        shape = (-(-num_rows // threads), threads, stream)
        if shape not in self._known:
            with warnings.catch_warnings():
                # Of grids too small for a GPU: how many rows there are is the caller's to say.
                warnings.simplefilter("ignore")
                self._kernel[shape]
            self._known.add(shape)
        self._kernel[shape](*arguments)


@lru_cache(maxsize=256)
def row_kernel(
    template: Callable[..., Any], row_functions: tuple[tuple[str, RowFunction], ...] = ()
) -> RowKernel:
    """The kernel of a template and a family's row functions, compiled once in a process."""
    return RowKernel(template, dict(row_functions))
