"""Large tensors on a CPU in memory that earlier ones have left."""

from __future__ import annotations

import math
import threading
import weakref

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["recycled"]

Block = npt.NDArray[np.float32]

MOST_KEPT = 2**28
"""Numbers in blocks that wait for use, at most: a gigabyte."""

_waiting: list[Block] = []
_lock = threading.RLock()  # garbage may be collected, and blocks left, while it is held


def recycled(*shape: int) -> Tensor:
    """An uninitialised float32 tensor, whose memory is used again when it is gone.

    The C library cuts what is freed into pieces for smaller requests, and asks the system for more
    when the next large one comes: clearing its pages takes as long as the arithmetic on them.
    """
    size = math.prod(shape)
    block = _take(size)
    part = block[:size]
    # The tensor and all that shares its memory hold this very array, and no other.
    weakref.finalize(part, _leave, block).atexit = False
    return torch.from_numpy(part).view(shape)


def _take(size: int) -> Block:
    """The smallest block that waits and is not twice too large, or a new one."""
    with _lock:
        fitting = [at for at, block in enumerate(_waiting) if size <= block.size <= 2 * size]
        if fitting:
            return _waiting.pop(min(fitting, key=lambda at: _waiting[at].size))
    return np.empty(size, np.float32)


def _leave(block: Block) -> None:
    with _lock:
        if sum(other.size for other in _waiting) + block.size <= MOST_KEPT:
            _waiting.append(block)
