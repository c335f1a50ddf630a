"""Row functions: the scalar Python functions a family is written in.

A row function acts on one row of a batch: one task, one episode, one counter of random numbers.
It is plain Python, callable as it stands (for debugging, coverage and tests); the engine
compiles it, together with the row functions that it names, for the device at hand.

Inside a row function, other row functions are called by their bare global name, integers that
take part in 64-bit arithmetic are wrapped in ``np.uint64``, and nothing is allocated.
"""

from __future__ import annotations

import dis
import hashlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, overload

__all__ = ["RowFunction", "bind", "digest", "row_function"]


class RowFunction:
    """A Python function over one row, still uncompiled.

    Args:
        python: The function. Its global names may refer to other row functions.
        inline: Whether compiled callers contain its code; otherwise they call it.
    """

    def __init__(self, python: FunctionType, inline: bool) -> None:
        self.python = python
        self.inline = inline
        self.__name__ = python.__name__
        self.__doc__ = python.__doc__
        self.__module__ = python.__module__

    def __call__(self, *arguments: Any) -> Any:
        """Run the Python body, uncompiled."""
        return self.python(*arguments)

    def __repr__(self) -> str:
        return f"<row function {self.__module__}.{self.__name__}>"

    def __reduce__(self) -> str:
        # Pickled by name, as a plain function is.
        return self.__name__


@overload
def row_function(python: Callable[..., Any]) -> RowFunction: ...
@overload
def row_function(*, inline: bool) -> Callable[[Callable[..., Any]], RowFunction]: ...
def row_function(python: Callable[..., Any] | None = None, *, inline: bool = True) -> Any:
    """Declare a function to be a row function (a decorator).

    Args:
        python: The function.
        inline: False for what few rows do in a step: the code is compiled once and called.
    """
    if python is None:
        return partial(row_function, inline=inline)
    assert isinstance(python, FunctionType)
    return RowFunction(python, inline)


def _callees(
    python: FunctionType, replacements: Mapping[str, RowFunction]
) -> dict[str, RowFunction]:
    """Row functions that ``python`` names, after replacement, by global name."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(python)
        if instruction.opname == "LOAD_GLOBAL"
    }
    found = {name: python.__globals__.get(name) for name in sorted(names)}
    found.update({name: replacements[name] for name in names if name in replacements})
    return {name: value for name, value in found.items() if isinstance(value, RowFunction)}


def bind(
    python: FunctionType,
    compile_function: Callable[[FunctionType, bool], Any],
    replacements: Mapping[str, RowFunction],
    *,
    code: CodeType | None = None,
    _memo: dict[RowFunction, Any] | None = None,
) -> FunctionType:
    """Rebuild ``python`` over compiled versions of the row functions that it calls.

    Args:
        python: The caller: a kernel template or a row function's body.
        compile_function: Compiles one Python function for the target device, inlined or not.
        replacements: Row functions to put in place of global names: how the engine's own row
            functions reach those of the family at hand.
        code: A code object to use instead of the function's own.

    Returns:
        A new function with the same code and its own globals; the original is untouched.
    """
    memo: dict[RowFunction, Any] = {} if _memo is None else _memo
    namespace = dict(python.__globals__)
    for name, callee in _callees(python, replacements).items():
        if callee not in memo:
            memo[callee] = compile_function(
                bind(callee.python, compile_function, replacements, _memo=memo), callee.inline
            )
        namespace[name] = memo[callee]
    rebuilt = FunctionType(code or python.__code__, namespace, python.__name__)
    rebuilt.__module__ = python.__module__
    return rebuilt


def _told(value: Any) -> str | None:
    """What a global's value adds to a digest; None for one that does not count."""
    python = getattr(value, "py_func", value)  # Of what Numba has compiled, or is told to.
    if isinstance(python, FunctionType):
        # What it calls in other files does not count, unless its name changes with them.
        return python.__qualname__ + Path(inspect.getfile(python)).read_text()
    counts = isinstance(value, int | float | tuple) or type(value).__module__ == "numpy"
    return repr(value) if counts else None


def digest(
    python: FunctionType, replacements: Mapping[str, RowFunction], options: Mapping[str, Any]
) -> str:
    """Hash the sources and constants of ``python`` and of every row function below it.

    Of other functions that they name, the name and the whole file count, and nothing that these
    call elsewhere.

    Numba's disk cache looks at one file only; with this in the kernel's name an edit anywhere in
    the sources involved gives a new name, hence new machine code.
    """
    seen: dict[str, str] = {"": repr(sorted(options.items()))}
    waiting = [("", python)]
    while waiting:
        name, function = waiting.pop()
        label = f"{name}={function.__module__}.{function.__qualname__}"
        if label in seen:
            continue
        constants = {
            global_name: told
            for global_name in function.__code__.co_names
            if (told := _told(function.__globals__.get(global_name))) is not None
        }
        seen[label] = inspect.getsource(function) + repr(sorted(constants.items()))
        callees = _callees(function, replacements)
        waiting.extend((callee_name, callee.python) for callee_name, callee in callees.items())
    text = "\n".join(f"{label}\n{seen[label]}" for label in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
