"""The C library's allocator, told to keep what is freed."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 1 << 30


def keep_freed_memory() -> None:
    """Let large blocks be reused instead of given back to the system; on glibc, else nothing.

    An update frees and takes the same tensors of some megabytes again and again. By default glibc
    asks the system for each of them, which clears every page anew: a tenth of a training's time.
    The setting is the whole process's.
    """
    if not sys.platform.startswith("linux"):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGEST)
        set_option(_M_TRIM_THRESHOLD, _LARGEST)
