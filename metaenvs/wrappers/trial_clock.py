"""Where the episodes and trials of rows end: the rule of the engine, over NumPy arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["TrialClock", "TrialFlags"]

Mask = npt.NDArray[np.bool_]


class TrialFlags(NamedTuple):
    """What a step ended, for each row (num_rows,)."""

    terminated: Mask
    truncated: Mask
    episode_end: Mask


class TrialClock:
    """Counts episodes and steps of rows (the same rule as in :mod:`metaenvs.kernels.trial`).

    Args:
        num_rows: Number of rows.
        episodes_per_trial: Episodes in a trial.
        episode_steps: Limit of an episode in steps; None is no limit but the environment's own.
        max_episode_steps: Limit of a trial in steps; None is no limit.

    Raises:
        ValueError: A number that is no integer of at least 1.
    """

    episode: npt.NDArray[np.int32]
    """Index of each row's episode in its trial (num_rows,)."""

    def __init__(
        self,
        num_rows: int,
        *,
        episodes_per_trial: int,
        episode_steps: int | None,
        max_episode_steps: int | None,
    ) -> None:
        _at_least_one("episodes_per_trial", episodes_per_trial)
        for name, limit in (
            ("episode_steps", episode_steps),
            ("max_episode_steps", max_episode_steps),
        ):
            if limit is not None:
                _at_least_one(name, limit)
        self._episodes_per_trial = episodes_per_trial
        self._episode_steps = np.inf if episode_steps is None else episode_steps
        self._max_episode_steps = np.inf if max_episode_steps is None else max_episode_steps
        self.episode = np.zeros(num_rows, np.int32)
        self._episode_step = np.zeros(num_rows, np.int64)
        self._trial_step = np.zeros(num_rows, np.int64)

    def begin_trial(self, rows: Mask) -> None:
        """Rows (num_rows,) start episode 0 of a new trial."""
        self.episode[rows] = 0
        self._episode_step[rows] = 0
        self._trial_step[rows] = 0

    def begin_episode(self, rows: Mask) -> None:
        """Rows (num_rows,) start the next episode of their trial."""
        self.episode[rows] += 1
        self._episode_step[rows] = 0

    def step(self, terminated: Mask, truncated: Mask, stepped: Mask) -> TrialFlags:
        """Count one step of the rows ``stepped``, whose episodes gave these flags."""
        self._episode_step += stepped
        self._trial_step += stepped
        terminated = terminated & stepped
        truncated = truncated & stepped
        out_of_time = stepped & (self._trial_step >= self._max_episode_steps)
        over_limit = stepped & (self._episode_step >= self._episode_steps)
        episode_end = terminated | truncated | over_limit
        if self._episodes_per_trial == 1:
            truncated = truncated | (~terminated & (over_limit | out_of_time))
        else:
            terminated = episode_end & (self.episode + 1 >= self._episodes_per_trial)
            truncated = ~terminated & out_of_time
        return TrialFlags(terminated, truncated, episode_end | truncated)


def _at_least_one(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
