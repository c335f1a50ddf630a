"""What the host does for rows on Warp: drawing tasks, and deriving the models under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.batch import Batch
from metaenvs.family import ArrayFamily
from metaenvs.task_pool import pool_of_split
from metaenvs.tasks import record_words

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
        split: As for :class:`metaenvs.batch.Batch`.
        split_seed: Likewise.
        arguments: Likewise.
    """

    def __init__(
        self, family: ArrayFamily, *, split: str, split_seed: int, **arguments: Any
    ) -> None:
        self.batch = Batch(family, HOST_ROWS, split=split, split_seed=split_seed, **arguments)
        self._split, self._split_seed = split, split_seed

    def stream(self) -> Words:
        """The first tasks of the family's stream: on the CPU, the pool of so many ``n_tasks``."""
        tasks = pool_of_split(self.batch, self._split, self._split_seed, STREAM_TASKS)
        assert tasks is not None
        return record_words(tasks.to_records())

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
