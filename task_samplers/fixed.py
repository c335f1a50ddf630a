"""Drawing from a given list of tasks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaenvs.tasks import Tasks
from task_samplers.checks import check_draw, normalised_weights
from task_samplers.protocol import TaskSampler

__all__ = ["FixedSampler"]


class FixedSampler(TaskSampler):
    """Draws from a list with replacement, as environments draw from a pool.

    Args:
        tasks: The list. For ids that equal ``info["task_id"]`` it must have the dtypes of the
            task space: pass it through ``env.unwrapped.check_tasks`` where it was made by hand.
        weights: Weights (n,), uniform if None.

    Raises:
        ValueError: No task, or weights of a wrong shape or value.
    """

    def __init__(self, tasks: Tasks, weights: npt.ArrayLike | None = None) -> None:
        if len(tasks) == 0:
            raise ValueError("FixedSampler needs at least one task, got none.")
        self._tasks = tasks
        self._weights = None if weights is None else normalised_weights(weights, len(tasks))

    @property
    def tasks(self) -> Tasks:
        """The whole list, in its order: for meeting every task once."""
        return self._tasks

    @property
    def n_tasks(self) -> int:
        """Length of the list."""
        return len(self._tasks)

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Tasks:
        """Draw ``n_tasks`` tasks with replacement."""
        check_draw(n_tasks, rng)
        return self._tasks[rng.choice(len(self._tasks), n_tasks, p=self._weights)]
