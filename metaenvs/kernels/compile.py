"""Compiling kernels with Numba, cached on disk, for one thread or several."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from metaenvs.kernels.row_function import RowFunction, bind, digest

__all__ = ["build_callee", "build_kernel", "jit_options"]

logger = logging.getLogger("metaenvs")

CALLEE_OPTIONS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Row functions are called by kernels only; leaving out their wrappers saves compile time."""


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
) -> Callable[..., Any]:
    """Compile ``template`` over row functions, or load it from the disk cache.

    Args:
        template: What is compiled, such as a function of :mod:`metaenvs.kernels.batch`.
        row_functions: What stands for global names of it, and of the row functions that it calls:
            a family's own for those of :mod:`metaenvs.kernels.trial`.
        home: The source file beside which Numba keeps the cache.
        arguments: Example arguments, whose types the kernel is compiled for.

    Returns:
        The compiled function without Numba's dispatch on argument types (half a microsecond):
        callers must pass arguments of exactly the examples' types: arrays by dtype, dimensions
        and layout, named tuples by class.
    """
    numba = _numba()
    kernel = _bound(template, row_functions, home, arguments)
    dispatcher = numba.njit(kernel, cache=True, **jit_options())
    _tell_of_compiling(dispatcher._cache, kernel.__name__)
    dispatcher.compile(tuple(numba.typeof(argument) for argument in arguments))
    (compiled,) = dispatcher.overloads.values()
    entry_point: Callable[..., Any] = compiled.entry_point
    return entry_point


def build_callee(
    template: Callable[..., Any],
    row_functions: Mapping[str, RowFunction],
    *,
    home: str,
    arguments: tuple[Any, ...],
) -> Any:
    """The same for what other threads call.

    ``template(address, worker)`` finds a tuple of values like ``arguments``, of Numba's type
    ``ARGUMENTS``, at ``address``.

    Returns:
        An object whose ``address`` is that of a C function (uint64, uint64), as long as it lives.
    """
    numba = _numba()
    kernel = _bound(template, row_functions, home, arguments)
    types = tuple(numba.typeof(argument) for argument in arguments)
    kernel.__globals__["ARGUMENTS"] = numba.types.TypeRef(numba.types.Tuple(types))
    signature = numba.void(numba.uint64, numba.uint64)
    return numba.cfunc(signature, cache=True, **jit_options())(kernel)


def _numba() -> Any:
    """The package, untyped: its stubs do not know all the options that it has."""
    return importlib.import_module("numba")


def _bound(
    template: Callable[..., Any],
    row_functions: Mapping[str, RowFunction],
    home: str,
    arguments: tuple[Any, ...],
) -> FunctionType:
    """``template`` over compiled row functions, by a name of its own."""
    assert isinstance(template, FunctionType)
    numba, options = _numba(), jit_options()
    # Argument types in the name, too: one file per kernel, which concurrent processes may write.
    tag = digest(template, row_functions, {**options, "arguments": _told_of(arguments)})
    name = f"{template.__name__}_{tag}"

    def compile_row_function(python: FunctionType, inline: bool) -> Any:
        # Cached kernels of several processes may meet in one: were callees of the same name and
        # types in two of them, the linker would take the first for both.
        python.__name__ = python.__qualname__ = f"{python.__name__}_{tag}"
        return numba.njit(python, forceinline=inline, **CALLEE_OPTIONS, **options)

    code = template.__code__.replace(co_filename=home, co_name=name, co_qualname=name)
    kernel = bind(template, compile_row_function, row_functions, code=code)
    kernel.__name__ = kernel.__qualname__ = name
    return kernel


def _told_of(argument: Any) -> Any:
    """Type of an argument; of a record also which class it is: Numba finds that again by name."""
    if not isinstance(argument, tuple):
        return str(_numba().typeof(argument))
    kind = type(argument)
    fields = getattr(kind, "_fields", None)
    return kind.__module__, kind.__qualname__, fields, [_told_of(part) for part in argument]


def _tell_of_compiling(cache: Any, name: str) -> None:
    folder = Path(cache.cache_path)
    if not any(folder.glob(f"*{name}*.nbc")):
        logger.info("Compiling %s for the first time (seconds; kept in %s).", name, folder)
