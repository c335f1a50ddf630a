"""Finding the task contract under wrappers, and keeping tasks for whole trials with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import VectorWrapper

from metaenvs.tasks import Task, Tasks

__all__ = ["FORWARDED", "TaskKeeper", "VectorTaskKeeper", "find_contract", "refuse_nested_trials"]

FORWARDED = (
    "task_space", "sample_tasks", "get_task", "check_tasks", "set_pool", "pool", "splits",
)  # fmt: skip
"""Attributes that a trial wrapper answers with those of the environment with the contract."""

Mask = npt.NDArray[np.bool_]


def _layers(env: Any) -> Iterator[Any]:
    yield env
    while isinstance(env, gym.Wrapper | VectorWrapper):
        env = env.env
        yield env


def find_contract(env: Any) -> Any:
    """The outermost layer of ``env`` with ``set_task`` and ``get_task``; None if there is none."""
    for layer in _layers(env):
        if hasattr(layer, "set_task") and hasattr(layer, "get_task"):
            return layer
    return None


def refuse_nested_trials(env: Any) -> None:
    """ValueError for an environment whose episodes are trials of several episodes already."""
    for layer in _layers(env):
        episodes = getattr(layer, "episodes_per_trial", 1)
        if episodes != 1:
            raise ValueError(
                f"{env} has trials of {episodes} episodes already: make it with "
                "episodes_per_trial=1, or use it without this wrapper."
            )


class TaskKeeper:
    """Keeps the task of a trial while its episodes are restarted, in a single environment.

    There, every reset begins a new trial, hence a new task unless one is pinned. So each trial's
    task is pinned while the trial lasts, and what callers pin is remembered here and handed on
    at the start of the next trial.

    Args:
        env: The layer that keeps the task contract.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        self._pinned: Tasks | Task | None = None
        self._in_trial = False

    def set_task(self, task: Tasks | Mapping[str, Any] | None) -> None:
        """Pin a task from the next trial on; None unpins."""
        if task is not None:
            self._env.set_task(task)
        if self._in_trial:
            self.hold()
        self._pinned = _copied(task)

    def release(self) -> None:
        """Before a trial's first reset: pin what callers pinned, or nothing."""
        self._env.set_task(self._pinned)

    def hold(self) -> None:
        """After it: keep the task that the trial has begun with."""
        self._env.set_task(self._env.get_task())
        self._in_trial = True


class VectorTaskKeeper:
    """The same for the rows of a vector environment.

    Args:
        env: The layer that keeps the task contract.
        num_envs: Number of rows.
    """

    def __init__(self, env: Any, num_envs: int) -> None:
        self._env = env
        self._pinned: list[Task | None] = [None] * num_envs
        self._in_trial = np.zeros(num_envs, np.bool_)

    def set_task(self, task: Tasks | Mapping[str, Any] | None, *, mask: Mask | None = None) -> None:
        """Pin a task (or ``Tasks``, one a row) from the next trial on; None unpins.

        Args:
            task: One task, or ``Tasks`` of length 1 or ``num_envs``.
            mask: Rows concerned (num_envs,), all if None.
        """
        rows = np.ones_like(self._in_trial) if mask is None else mask
        if task is not None:
            self._env.set_task(task, mask=rows)
        if (rows & self._in_trial).any():
            self.hold(rows & self._in_trial)
        copied = _copied(task)
        for row in np.flatnonzero(rows):
            self._pinned[row] = copied[row % len(copied)] if isinstance(copied, Tasks) else copied

    def release(self, rows: Mask) -> None:
        """Before the first reset of a trial in ``rows``: pin what callers pinned, or nothing."""
        pinned = rows & np.array([task is not None for task in self._pinned])
        if (rows & ~pinned).any():
            self._env.set_task(None, mask=rows & ~pinned)
        if pinned.any():
            any_task = next(task for task in self._pinned if task is not None)
            tasks = Tasks.stack([any_task if task is None else task for task in self._pinned])
            self._env.set_task(tasks, mask=pinned)

    def hold(self, rows: Mask) -> None:
        """After it: keep the tasks that the trials of ``rows`` have begun with."""
        self._env.set_task(self._env.get_task(), mask=rows)
        self._in_trial |= rows


def _copied(task: Tasks | Mapping[str, Any] | None) -> Tasks | Task | None:
    if task is None or isinstance(task, Tasks):
        return task
    return {name: np.array(value) for name, value in task.items()}
