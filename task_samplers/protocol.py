"""What every sampler of tasks offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from metaenvs.tasks import Tasks

__all__ = ["TaskSampler"]


@runtime_checkable
class TaskSampler(Protocol):
    """Answers with tasks; environments hold no sampler.

    What it returns becomes a pool (``tasks=`` of ``gymnasium.make_vec``, or ``set_pool``) or
    pinned tasks (``set_task``). Anything with these three members is a sampler; a class that
    inherits from this one needs no :meth:`update` of its own.
    """

    @property
    def n_tasks(self) -> int | None:
        """Number of different draws; None if unlimited or not counted."""
        ...

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Tasks:
        """Draw tasks.

        Args:
            n_tasks: How many, at least 1 (ValueError otherwise).
            rng: The only source of randomness.

        Returns:
            ``Tasks`` of length ``n_tasks``.
        """
        ...

    def update(
        self, task_ids: npt.NDArray[np.int64], statistics: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        """Learn from results between rollouts; by default nothing is learnt.

        Args:
            task_ids: Ids (n,) of the tasks met, as in ``info["task_id"]``.
            statistics: Names to arrays (n, ...), for example ``{"return": returns}``.
        """
