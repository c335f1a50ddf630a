"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["remove_partial", "write_whole"]


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write ``content`` beside ``path`` first, then put it in its place; text as UTF-8.

    Raises:
        OSError: The folder is missing, full or may not be written; ``path`` is as it was.
    """
    target = Path(path)
    # Not tempfile.mkstemp, whose files nobody else may read: reports are made to be handed on.
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(temporary, "xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            # Else a machine that loses power may keep the new name and not the content.
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        error.filename = str(target)  # Not the file beside it, whose name nobody has heard of.
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(path: Path) -> None:
    """Remove what writers of ``path`` left that were killed; none may be at work."""
    for temporary in path.parent.glob(f"{path.name}.*.partial"):
        temporary.unlink(missing_ok=True)
