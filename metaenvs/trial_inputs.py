"""What a learner with a memory reads: the observation and what led to it.

Duan et al. 2016 (RL²): observation, previous action, previous reward, episode-end flag, in this
order; all but the observation are zero at the trial's start.
"""

from __future__ import annotations

from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.kernels.one_hot import code_offsets, write_one_hot
from metaenvs.spaces import shape_of

__all__ = ["TrialInputs", "TrialInputsKind"]

TrialInputsKind = Literal["dict", "flat"]

Array = npt.NDArray[Any]


class TrialInputs:
    """Puts the inputs together, as a ``Dict`` one level deep or one float32 vector.

    In the ``Dict``, a discrete previous action is a code of ``n + 1`` values: 0 before the first
    action of the trial, ``a + 1`` after action ``a``. In the vector, categories are one-hot, and
    "no action yet" is all zeros.

    Args:
        kind: ``"dict"`` or ``"flat"``.
        observation_space, action_space: Spaces of one row.
    """

    def __init__(
        self,
        kind: TrialInputsKind,
        observation_space: gym.Space[Any],
        action_space: gym.spaces.Discrete | gym.spaces.Box,
    ) -> None:
        if kind not in ("dict", "flat"):
            raise ValueError(f"trial_inputs must be None, 'dict' or 'flat', got {kind!r}.")
        self.kind = kind
        self._action_space = action_space
        self._codes = isinstance(observation_space, gym.spaces.MultiDiscrete)
        if isinstance(observation_space, gym.spaces.MultiDiscrete):
            self._offsets = code_offsets(observation_space.nvec)
            self._observation_width = int(np.sum(observation_space.nvec, dtype=np.int64))
        else:
            self._observation_width = int(np.prod(shape_of(observation_space), dtype=np.int64))
        self._num_actions = 0
        if isinstance(action_space, gym.spaces.Discrete):
            self._num_actions = int(action_space.n)
        self.space: gym.spaces.Dict | gym.spaces.Box
        if kind == "dict":
            previous: gym.Space[Any] = action_space
            if isinstance(action_space, gym.spaces.Discrete):
                previous = gym.spaces.Discrete(int(action_space.n) + 1)
            elif not bool((action_space.low <= 0).all() and (action_space.high >= 0).all()):
                previous = gym.spaces.Box(
                    np.minimum(action_space.low, 0), np.maximum(action_space.high, 0)
                )
            self.space = gym.spaces.Dict(
                {
                    "observation": observation_space,
                    "previous_action": previous,
                    "previous_reward": gym.spaces.Box(-np.inf, np.inf, (1,), np.float32),
                    "episode_end": gym.spaces.Discrete(2),
                }
            )
        else:
            action_width = int(self._num_actions or np.prod(shape_of(action_space), dtype=np.int64))
            width = self._observation_width + action_width + 2
            self.space = gym.spaces.Box(-np.inf, np.inf, (width,), np.float32)

    def start(self, observation: Array) -> Any:
        """Inputs at the start of a trial, for observations (n, ...)."""
        num_rows = len(observation)
        action: Array = np.zeros(num_rows, np.int64)
        if not self._num_actions:
            action = np.zeros((num_rows, *shape_of(self._action_space)), self._action_space.dtype)
        return self._assemble(
            observation, action, np.zeros(num_rows, np.float32), np.zeros(num_rows, np.int64)
        )

    def after(
        self,
        observation: Array,
        action: Array,
        reward: Array,
        episode_end: Array,
        fresh: npt.NDArray[np.bool_] | None,
    ) -> Any:
        """Inputs after a step (n rows); rows of ``fresh`` have just begun a trial."""
        action = action + 1 if self._num_actions else action.copy()
        reward = reward.astype(np.float32)
        episode_end = episode_end.astype(np.int64)
        if fresh is not None:
            action[fresh] = 0
            reward[fresh] = 0.0
            episode_end[fresh] = 0
        return self._assemble(observation, action, reward, episode_end)

    def _assemble(self, observation: Array, action: Array, reward: Array, end: Array) -> Any:
        """``action`` is 0 for none and a + 1 for discrete actions, the action itself else."""
        if self.kind == "dict":
            return {
                "observation": observation,
                "previous_action": action,
                "previous_reward": reward[:, None],
                "episode_end": end,
            }
        num_rows = len(observation)
        flat = np.zeros((num_rows, *shape_of(self.space)), np.float32)
        if self._codes:
            codes = observation.reshape(num_rows, -1)
            write_one_hot(codes, self._offsets, flat)
        else:
            flat[:, : self._observation_width] = observation.reshape(num_rows, -1)
        position = self._observation_width
        if self._num_actions:
            rows = np.flatnonzero(action)
            flat[rows, position + action[rows] - 1] = 1.0
            position += self._num_actions
        else:
            values = action.reshape(num_rows, -1)
            flat[:, position : position + values.shape[1]] = values
        flat[:, -2] = reward
        flat[:, -1] = end
        return flat
