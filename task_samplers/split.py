"""Drawing from a family's split, and dividing a list of tasks into splits of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from metaenvs.tasks import Tasks
from task_samplers.checks import check_draw, check_generator
from task_samplers.protocol import TaskSampler

__all__ = ["SplitSampler", "split_tasks"]

SEED_RANGE = 2**63


class SplitSampler(TaskSampler):
    """Draws from one split of a family, with the family's own distribution.

    Args:
        env_id: A registered id, or ``"module:id"`` to import ``module`` first.
        split: Name of the split.
        split_seed: Decides which tasks belong to which split.
        n_tasks: Draw from the first ``n_tasks`` tasks of the split; None draws from all of it.
        env_arguments: Further arguments of the environment.

    Raises:
        ValueError: An unknown split, or an argument out of its range; says what was expected.
        TypeError: An environment without ``sample_tasks``.
    """

    def __init__(
        self,
        env_id: str,
        split: str,
        split_seed: int = 0,
        n_tasks: int | None = None,
        **env_arguments: Any,
    ) -> None:
        if n_tasks is not None:
            env_arguments["n_tasks"] = n_tasks
        self._env = gym.make(
            env_id, split=split, split_seed=split_seed, disable_env_checker=True, **env_arguments
        )
        self._family: Any = self._env.unwrapped
        if not hasattr(self._family, "sample_tasks"):
            raise TypeError(f"{env_id} does not keep the task contract: it has no sample_tasks.")

    @property
    def tasks(self) -> Tasks:
        """The whole split in its order, where it is a finite list (ValueError otherwise)."""
        tasks: Tasks = self._family.pool
        return tasks

    @property
    def n_tasks(self) -> int | None:
        """Length of the split where it is a finite list; None for an unlimited stream."""
        try:
            return len(self.tasks)
        except (AttributeError, ValueError):
            return None

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Tasks:
        """Draw ``n_tasks`` tasks of the split (with replacement where it is a finite list)."""
        check_draw(n_tasks, rng)
        # By the contract, a seeded reset starts the stream of sample_tasks anew.
        self._env.reset(seed=int(rng.integers(SEED_RANGE)))
        tasks: Tasks = self._family.sample_tasks(n_tasks)
        return tasks


def split_tasks(
    tasks: Tasks, shares: Sequence[float], rng: np.random.Generator
) -> tuple[Tasks, ...]:
    """Divide a list of tasks at random into parts that have no task in common.

    Args:
        tasks: The list. Equal tasks go to the same part, so shares are of the distinct tasks.
        shares: Share of each part; they sum to 1.
        rng: The only source of randomness.

    Returns:
        The parts, each in the order of ``tasks``; together they are ``tasks``.

    Raises:
        ValueError: Shares that are negative or do not sum to 1, or too few tasks for a part.

    Example:
        >>> import numpy as np
        >>> from metaenvs import Tasks
        >>> from task_samplers import split_tasks
        >>> train, test = split_tasks(
        ...     Tasks({"goal": np.arange(10)}), (0.8, 0.2), np.random.default_rng(0)
        ... )
        >>> len(train), len(test)
        (8, 2)
    """
    check_generator(rng)
    portions = np.asarray(shares, np.float64)
    if portions.ndim != 1 or not (portions > 0).all() or not np.isclose(portions.sum(), 1.0):
        raise ValueError(f"shares must be numbers above 0 that sum to 1, got {list(shares)}.")
    distinct, members = np.unique(tasks.ids, return_inverse=True)
    # Halves go up, all of them: a part whose exact size is at least 1 is never empty.
    ends = np.floor(np.cumsum(portions) * len(distinct) + 0.5 + 1e-9).astype(np.int64)
    sizes = np.diff(ends, prepend=0)
    if (sizes == 0).any():
        raise ValueError(
            f"{len(distinct)} different tasks are too few for parts of the shares {list(shares)}: "
            f"they would have {sizes.tolist()} tasks."
        )
    part_of_distinct = np.repeat(np.arange(len(portions)), sizes)
    part_of_task = rng.permutation(part_of_distinct)[members]
    return tuple(tasks[part_of_task == part] for part in range(len(portions)))
