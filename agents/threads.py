"""Work on parts of a batch in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

__all__ = ["in_threads"]

Part = TypeVar("Part")
Result = TypeVar("Result")


def in_threads(function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Results of ``function`` on each part, in their order, each computed in its own thread.

    Divides what is too small for threads within each operation; with several parts, PyTorch is
    told for the whole process to use none of these.
    """
    if len(parts) == 1:
        return [function(parts[0])]
    return list(_pool(len(parts)).map(function, parts))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
