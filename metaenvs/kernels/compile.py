"""Compiling kernels with Numba, cached on disk, for one thread or several."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from metaenvs.kernels.row_function import RowFunction, bind, digest

__all__ = ["build_kernel", "jit_options", "num_threads", "run_threaded", "threads_available"]

logger = logging.getLogger("metaenvs")

_threads_alive = True
_threads_lock = threading.Lock()


CALLEE_OPTIONS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Row functions are called by kernels only; leaving out their wrappers saves compile time."""


def _forget_threads() -> None:
    global _threads_alive, _threads_lock
    _threads_alive = False
    _threads_lock = threading.Lock()


# Numba's threads do not survive a fork, and some threading layers end the child that tries.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def threads_available() -> bool:
    """Whether this process may run threaded kernels (a forked child may not)."""
    return _threads_alive


def num_threads() -> int:
    """How many threads Numba runs kernels on."""
    numba: Any = importlib.import_module("numba")
    return int(numba.get_num_threads())


def run_threaded(kernel: Callable[..., Any], *arguments: Any) -> Any:
    """Run a threaded kernel; concurrent callers wait, as some threading layers require."""
    with _threads_lock:
        return kernel(*arguments)


def jit_options() -> dict[str, Any]:
    """Options of every kernel and row function.

    ``_nrt=False`` keeps Numba from counting references to arrays inside the loops (five times
    slower otherwise); nothing in a kernel allocates, so there is nothing to count.
    """
    return {"_nrt": False, "nogil": True, "error_model": "numpy", "boundscheck": False}


def build_kernel(
    template: Callable[..., Any],
    row_functions: Mapping[str, RowFunction],
    *,
    home: str,
    arguments: tuple[Any, ...],
    threaded: bool,
) -> Callable[..., Any]:
    """Compile ``template`` over a family's row functions, or load it from the disk cache.

    Args:
        template: A function of :mod:`metaenvs.kernels.batch`.
        row_functions: The family's row functions by the names used in
            :mod:`metaenvs.kernels.trial`.
        home: The source file beside which Numba keeps the cache (a family's own).
        arguments: Example arguments, whose types the kernel is compiled for.
        threaded: Whether ``prange`` runs on Numba's threads.

    Returns:
        The compiled function without Numba's dispatch on argument types (half a microsecond):
        callers must pass arrays of exactly the example's dtypes and dimensions, C-contiguous.
    """
    # Untyped here: Numba's stubs do not know all the options that it has.
    numba: Any = importlib.import_module("numba")
    assert isinstance(template, FunctionType)
    options = jit_options()
    # Argument types in the name, too: one file per kernel, which concurrent processes may write.
    types = [(repr(argument.dtype), argument.ndim) for argument in arguments]
    tag = digest(template, row_functions, {**options, "arguments": types})
    tag = f"{'threaded' if threaded else 'serial'}_{tag}"
    name = f"{template.__name__}_{tag}"

    def compile_row_function(python: FunctionType, inline: bool) -> Any:
        # Cached kernels of several processes may meet in one: were callees of the same name and
        # types in two of them, the linker would take the first for both.
        python.__name__ = python.__qualname__ = f"{python.__name__}_{tag}"
        return numba.njit(python, forceinline=inline, **CALLEE_OPTIONS, **options)

    code = template.__code__.replace(co_filename=home, co_name=name, co_qualname=name)
    kernel = bind(template, compile_row_function, row_functions, code=code)
    kernel.__globals__["prange"] = numba.prange
    kernel.__name__ = kernel.__qualname__ = name
    dispatcher = numba.njit(kernel, cache=True, parallel=threaded, **options)
    cache = Path(dispatcher.stats.cache_path)
    if not any(cache.glob(f"*{name}*.nbc")):
        logger.info("Compiling %s for the first time (seconds; kept in %s).", name, cache)
    dispatcher.compile(tuple(numba.typeof(argument) for argument in arguments))
    (compiled,) = dispatcher.overloads.values()
    entry_point: Callable[..., Any] = compiled.entry_point
    return entry_point
