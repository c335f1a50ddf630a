"""A trained recurrent policy under the adaptation protocol: it adapts by its memory alone."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.evaluation.protocol import Transition, Trials
from agents.rl2 import RL2Policy
from agents.row_noise import RowNoise

__all__ = ["RecurrentAgent"]


class RecurrentAgent:
    """Feeds a policy of RL² what it was trained to read.

    Args:
        policy: The trained policy.
        name: What the evaluation table calls it.
        greedy: Take the most probable action instead of drawing one.
    """

    def __init__(self, policy: RL2Policy, name: str, *, greedy: bool = False) -> None:
        self.name = name
        self._policy = policy
        self._greedy = greedy

    def begin(self, trials: Trials) -> None:
        """Start with an empty memory in every row."""
        rows, action_space = trials.num_rows, trials.action_space
        self._discrete = isinstance(action_space, gym.spaces.Discrete)
        num_normals = self._policy.action.distribution.num_normals
        self._noise = None if self._greedy else RowNoise(trials.seeds, num_normals)
        self._act = self._policy.acting()
        self._everyone = np.ones(rows, np.bool_)
        self._memory = self._policy.memory.start(rows)
        action_shape = action_space.shape or ()
        kind = torch.int64 if self._discrete else torch.float32
        self._last: dict[str, Tensor] = {
            "previous_action": torch.zeros((rows, *action_shape), dtype=kind),
            "previous_reward": torch.zeros(rows),
            "episode_end": torch.zeros(rows),
        }

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One step of the policy in every row."""
        inputs = {"observation": torch.as_tensor(observation), **self._last}
        noise = None if self._noise is None else self._noise()
        actions, _, _, self._memory = self._act(inputs, self._memory, self._everyone, noise)
        return np.asarray(actions.numpy())

    def observe(self, transition: Transition) -> None:
        """Keep what the next input tells of this step."""
        self._last = {
            "previous_action": torch.as_tensor(transition.action) + int(self._discrete),
            "previous_reward": torch.as_tensor(transition.reward, dtype=torch.float32),
            "episode_end": torch.as_tensor(transition.episode_end, dtype=torch.float32),
        }
