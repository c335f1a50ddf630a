"""Stepping a batch of one without the work that only a batch needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.batch import Batch

__all__ = ["LeanStep"]

Step = tuple[Any, float, bool, bool, dict[str, Any]]


class LeanStep:
    """One step of a batch of one, for raw observations.

    Numbers that leave as Python scalars need no fresh arrays, and the kernel's arguments are put
    together once. The observation is fresh.

    Args:
        batch: A batch of one row.
        actions: Its actions (1, ...), to write into.
    """

    def __init__(self, batch: Batch, actions: npt.NDArray[Any]) -> None:
        self.actions = actions
        self._batch = batch
        self._result = batch.allocate()
        self._names = batch.report_dtype.names or ()
        self._pins: Any = None
        self._pool: Any = None

    def __call__(self, action: int | np.integer[Any] | npt.NDArray[Any]) -> Step | None:
        """The answer of ``gymnasium.Env.step``; None where the row may not be stepped.

        Raises:
            OverflowError: An action beyond 64 bits.
        """
        batch, result = self._batch, self._result
        if self._pins is not batch.pins or self._pool is not batch.pool:
            self._pins, self._pool = batch.pins, batch.pool
            self._run = batch.bind_step(self.actions, result)
        self.actions[0] = action
        if self._run() >= 0:
            return None
        return (
            result.observation[0].copy(),
            result.reward.item(),
            result.terminated.item(),
            result.truncated.item(),
            dict(zip(self._names, result.report.item(), strict=True)),
        )
