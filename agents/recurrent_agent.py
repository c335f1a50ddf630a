"""A trained recurrent policy under the adaptation protocol: it adapts by its memory alone."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.evaluation.protocol import Transition
from agents.policies import CategoricalPolicy, GaussianPolicy
from agents.rl2 import RL2Policy
from metaenvs.kernels.random import GOLDEN, fold, mix

__all__ = ["RecurrentAgent"]


class RowNoise:
    """Noise of a policy whose rows depend on their own seeds only, not on how many there are.

    Args:
        seeds: Of the rows (rows,) uint64.
        distribution: Whose noise it is.
    """

    def __init__(
        self, seeds: npt.NDArray[np.uint64], distribution: CategoricalPolicy | GaussianPolicy
    ) -> None:
        self._normal = isinstance(distribution, GaussianPolicy)
        width = distribution.mean.out_features if isinstance(distribution, GaussianPolicy) else 1
        self._keys = fold(seeds[:, None], np.arange(width, dtype=np.uint64))
        self._step = np.zeros(1, np.uint64)

    def __call__(self) -> Tensor:
        """That of the next step: (rows,) uniform, or (rows, dimensions) normal."""
        self._step += np.uint64(1)
        bits = (mix(self._keys + self._step * GOLDEN) >> np.uint64(41)).astype(np.float64)
        # Middles of 2**23 equal parts: exact in float32, and neither 0 nor 1.
        uniforms = torch.from_numpy((bits + 0.5) * 2.0**-23)
        noise: Tensor = torch.special.ndtri(uniforms) if self._normal else uniforms[:, 0]
        return noise.float()


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

    def begin(
        self,
        num_tasks: int,
        rollouts: int,
        episodes: int,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        seed: npt.NDArray[np.uint64],
        device: str,
    ) -> None:
        """Start with an empty memory in every row."""
        rows = num_tasks * rollouts
        self._discrete = isinstance(action_space, gym.spaces.Discrete)
        noise = None if self._greedy else RowNoise(seed, self._policy.action)
        self._act = self._policy.acting(noise)
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
        actions, _, _, self._memory = self._act(inputs, self._memory, self._everyone)
        return np.asarray(actions.numpy())

    def observe(self, transition: Transition) -> None:
        """Keep what the next input tells of this step."""
        self._last = {
            "previous_action": torch.as_tensor(transition.action) + int(self._discrete),
            "previous_reward": torch.as_tensor(transition.reward, dtype=torch.float32),
            "episode_end": torch.as_tensor(transition.episode_end, dtype=torch.float32),
        }
