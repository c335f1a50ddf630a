"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` beside ``path`` first, then put it in its place.

    Raises:
        OSError: The folder is missing, full or may not be written; ``path`` is as it was.
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
