"""Seeds of the rows of an evaluation: functions of the task and the rollout, not of their place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.random import fold

__all__ = ["AGENT_STREAM", "ENVIRONMENT_STREAM", "check_seed", "number_rollouts", "row_seeds"]

ENVIRONMENT_STREAM, AGENT_STREAM = 0, 1
WORD_RANGE = 2**64


def number_rollouts(task_ids: npt.NDArray[np.int64], rollouts: int) -> npt.NDArray[np.int64]:
    """Rollout numbers (n, rollouts) of tasks (n,); a task listed again has further rollouts.

    A small finite family drawn with replacement repeats its tasks; were their numbers to begin
    anew, the same episodes would be counted twice.
    """
    order = np.argsort(task_ids, kind="stable")
    ordered = task_ids[order]
    first = np.searchsorted(ordered, ordered)
    earlier = np.empty(len(task_ids), np.int64)
    earlier[order] = np.arange(len(task_ids)) - first
    return earlier[:, None] * rollouts + np.arange(rollouts)


def check_seed(seed: int) -> None:
    """ValueError for a seed below 0 or beyond 64 bits."""
    if not 0 <= seed < WORD_RANGE:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, got {seed}.")


def row_seeds(
    seed: int, stream: int, task_ids: npt.NDArray[np.int64], rollouts: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """One seed for each row, from the evaluation's seed, the row's task and its rollout.

    Args:
        seed: The evaluation's seed, at least 0.
        stream: ``ENVIRONMENT_STREAM`` or ``AGENT_STREAM``, which share nothing.
        task_ids: Of the rows (rows,).
        rollouts: Their numbers (rows,).

    Raises:
        ValueError: A seed below 0 or beyond 64 bits.
    """
    check_seed(seed)
    keys = np.full(len(task_ids), seed, np.uint64)
    for numbers in (np.full(len(task_ids), stream), task_ids, rollouts):
        keys = fold(keys, np.ascontiguousarray(numbers, np.int64).view(np.uint64))
    return keys
