"""Agents that learn nothing, between which every other one should lie."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from agents.evaluation.protocol import Transition, Trials
from metaenvs.kernels.random import GOLDEN, mix

__all__ = ["RandomAgent", "StillAgent"]

SHIFT_TO_DOUBLE, DOUBLE_STEP = np.uint64(11), 2.0**-53


class RandomAgent:
    """Acts uniformly at random: the lower reference.

    A row's actions are functions of its seed, of the step and of nothing else.
    """

    name = "random"

    def begin(self, trials: Trials) -> None:
        """Read the bounds of the actions.

        Raises:
            ValueError: An action space without bounds, in which nothing is uniform.
        """
        action_space = trials.action_space
        self._low: npt.NDArray[Any]
        if isinstance(action_space, gym.spaces.Discrete):
            self._low, self._range = np.array(action_space.start), np.array(action_space.n)
        elif isinstance(action_space, gym.spaces.MultiDiscrete):
            self._low, self._range = action_space.start, action_space.nvec
        elif isinstance(action_space, gym.spaces.MultiBinary):
            self._low = np.zeros(action_space.shape, action_space.dtype)
            self._range = np.full(action_space.shape, 2)
        elif isinstance(action_space, gym.spaces.Box) and action_space.is_bounded():
            self._low, self._range = action_space.low, action_space.high - action_space.low
        else:
            raise ValueError(
                "Acting uniformly at random needs a Discrete, MultiDiscrete, MultiBinary or "
                f"bounded Box action space, got {action_space}."
            )
        self._whole = not isinstance(action_space, gym.spaces.Box)
        self._dtype = action_space.dtype
        parts = np.arange(self._low.size, dtype=np.uint64)
        self._keys = mix(
            trials.seeds.reshape(-1, *[1] * self._low.ndim) + parts.reshape(self._low.shape)
        )
        self._step = np.zeros(1, np.uint64)

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A uniform action for each row."""
        self._step += np.uint64(1)
        uniform = (mix(self._keys + self._step * GOLDEN) >> SHIFT_TO_DOUBLE) * DOUBLE_STEP
        scaled = uniform * self._range
        return np.asarray(self._low + (np.floor(scaled) if self._whole else scaled), self._dtype)

    def observe(self, transition: Transition) -> None:
        """Learn nothing."""


class StillAgent:
    """Acts with zeros: a robot without torque, the other lower reference of continuous control."""

    name = "still"

    def begin(self, trials: Trials) -> None:
        """Read the shape of the actions.

        Raises:
            ValueError: An action space other than a Box, or one without 0.
        """
        action_space = trials.action_space
        if not isinstance(action_space, gym.spaces.Box) or not action_space.contains(
            np.zeros(action_space.shape, action_space.dtype)
        ):
            raise ValueError(
                f"Acting with zeros needs a Box action space that has them, got {action_space}."
            )
        self._actions = np.zeros((trials.num_rows, *action_space.shape), action_space.dtype)

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Zeros for each row."""
        return self._actions.copy()

    def observe(self, transition: Transition) -> None:
        """Learn nothing."""
