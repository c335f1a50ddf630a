"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` beside ``path`` first, then put it in its place.

    Raises:
        OSError: The folder is missing, full or may not be written; ``path`` is as it was.
    """
    target = Path(path)
    # Not tempfile.mkstemp, whose files nobody else may read: reports are made to be handed on.
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(temporary, "x", encoding="utf-8", newline="") as file:
            file.write(text)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
