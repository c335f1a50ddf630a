"""What the host does for rows on Warp: drawing tasks, and deriving the models under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.batch import Batch
from metaenvs.family import ArrayFamily
from metaenvs.seeding import derive_key
from metaenvs.tasks import Tasks, record_words
from metaenvs.vector_env import DRAW_AT_ONCE, POOL_KEY_STREAM

__all__ = ["HostTasks"]

Words = npt.NDArray[np.uint64]
"""Tasks as the words of their records (num_tasks, width)."""

HOST_ROWS = 64
"""Rows of the batch that derives the models of tasks."""
STREAM_TASKS = 4096
"""So many tasks stand for an endless stream."""


class HostTasks:
    """A batch on the CPU, which draws tasks and whose rows enter them to derive their models.

    Args:
        family: Locomotion in one configuration.
        split_seed: As for :class:`metaenvs.batch.Batch`.
        arguments: Likewise.
    """

    def __init__(self, family: ArrayFamily, *, split_seed: int, **arguments: Any) -> None:
        self.batch = Batch(family, HOST_ROWS, split_seed=split_seed, **arguments)
        self._split_seed = split_seed

    def stream(self) -> Words:
        """The first tasks of the family's stream: on the CPU, the pool of so many ``n_tasks``."""
        key = derive_key(0, POOL_KEY_STREAM, self._split_seed)
        parts = [
            self.batch.draw(DRAW_AT_ONCE, derive_key(key, part))
            for part in range(STREAM_TASKS // DRAW_AT_ONCE)
        ]
        return record_words(Tasks.concatenate(parts).to_records())

    def blocks(self, words: Words, size: int) -> npt.NDArray[np.float32]:
        """The fields of the models under tasks (num_tasks, size)."""
        batch = self.batch
        everywhere = np.ones(HOST_ROWS, np.bool_)
        blocks = np.zeros((len(words), size), np.float32)
        batch.rows["pinned"] = True
        for start in range(0, len(words), HOST_ROWS):
            part = words[start : start + HOST_ROWS]
            batch.pins = np.resize(part, (HOST_ROWS, words.shape[1]))
            batch.begin(everywhere)
            blocks[start : start + len(part)] = batch.states["block"][: len(part), :size]
        return blocks
