"""Compiling the agents' functions with Numba, kept on disk until anything changes that they need.

Numba looks at the file of a function alone, and would keep machine code whose callees, written
elsewhere, are others by now. Names here end in a digest of all files that have such functions: the
code of former versions is not found.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["compiled", "compiled_in_any_order"]

FILES = ("compiled*.py", "register_tiles.py", "table_sum.py", "*_kernels.py")


def _digest(folder: Path) -> str:
    texts = [path.read_bytes() for pattern in FILES for path in sorted(folder.glob(pattern))]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


_VERSION = _digest(Path(__file__).parent)


def compiled(python: Callable[..., Any]) -> Any:
    """Compile a function, products and sums fused where the processor can (a decorator).

    There is no other liberty in it, so that a NaN stays one. Without Numba's runtime, views of
    arrays cost no counting of references; nothing may be allocated.
    """
    return _compile(python, {"contract"})


def compiled_in_any_order(python: Callable[..., Any]) -> Any:
    """The same for sums that may be taken in any order."""
    return _compile(python, {"contract", "reassoc"})


def _compile(python: Callable[..., Any], liberties: set[str]) -> Any:
    python.__qualname__ = f"{python.__qualname__}_{_VERSION}"
    numba: Any = importlib.import_module("numba")  # Its types do not know all options.
    options = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    return numba.njit(python, fastmath=liberties, **options)
