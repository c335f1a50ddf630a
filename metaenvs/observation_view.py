"""From raw observations to what the caller sees: one-hot vectors and trial inputs, if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.family import ArrayFamily
from metaenvs.kernels.one_hot import code_offsets, write_one_hot
from metaenvs.trial_inputs import TrialInputs, TrialInputsKind

__all__ = ["LAST_STEP", "ObservationView"]

Array = npt.NDArray[Any]

LAST_STEP = ("last/action", "last/reward", "last/episode_end", "last/fresh")
"""Names of the arrays that remember the last step; absent before the first."""


class ObservationView:
    """Encodes observations of a batch, and remembers the last step where trial inputs need it.

    Args:
        family: Whose raw observations and actions they are.
        one_hot: Expand codes to one-hot vectors.
        trial_inputs: Add the previous action, reward and episode end.

    Raises:
        ValueError: ``one_hot`` of an observation that is not made of codes.
    """

    def __init__(
        self, family: ArrayFamily, one_hot: bool, trial_inputs: TrialInputsKind | None
    ) -> None:
        space = family.observation_space
        self.single_space: gym.Space[Any] = space
        self._offsets: npt.NDArray[np.int64] | None = None
        if one_hot:
            if not isinstance(space, gym.spaces.MultiDiscrete):
                raise ValueError(f"one_hot needs an observation of codes, this one is {space}.")
            self._offsets = code_offsets(space.nvec)
            self._width = int(np.sum(space.nvec, dtype=np.int64))
            self.single_space = gym.spaces.Box(0, 1, (self._width,), np.uint8)
        self._inputs: TrialInputs | None = None
        if trial_inputs is not None:
            self._inputs = TrialInputs(trial_inputs, self.single_space, family.action_space)
            self.single_space = self._inputs.space
        self._last: tuple[Array, ...] | None = None

    @property
    def is_raw(self) -> bool:
        """Whether raw observations are what the caller sees."""
        return self._offsets is None and self._inputs is None

    @property
    def has_inputs(self) -> bool:
        """Whether the caller sees trial inputs."""
        return self._inputs is not None

    def encode(self, observation: Array) -> Array:
        """Observations (n, ...) without trial inputs."""
        if self._offsets is None:
            return observation
        output = np.zeros((len(observation), self._width), np.uint8)
        if len(observation):
            write_one_hot(observation, self._offsets, output)
        return output

    def after_reset(self, observation: Array, mask: npt.NDArray[np.bool_]) -> Any:
        """What is seen when the rows of ``mask`` have begun a trial and the others go on."""
        encoded = self.encode(observation)
        if self._inputs is None:
            return encoded
        if mask.all() or self._last is None:
            self._last = None
            return self._inputs.start(encoded)
        action, reward, episode_end, fresh = self._last
        self._last = (action, reward, episode_end, fresh | mask)
        return self._inputs.after(encoded, *self._last)

    def after_step(
        self, observation: Array, action: Array, reward: Array, episode_end: Array, fresh: Any
    ) -> Any:
        """What is seen after a step; rows of ``fresh`` have just begun a trial."""
        encoded = self.encode(observation)
        if self._inputs is None:
            return encoded
        self._last = (action.copy(), reward.copy(), episode_end.copy(), fresh.copy())
        return self._inputs.after(encoded, action, reward, episode_end, fresh)

    def at_end(self, observation: Array, action: Array, reward: Array) -> list[Any]:
        """What was seen last in trials that have ended, one entry per row."""
        seen: Any = self.encode(observation)
        if self._inputs is not None:
            always = np.ones(len(observation), np.bool_)
            seen = self._inputs.after(seen, action, reward, always, None)
        if isinstance(seen, dict):
            return [
                {name: part[row] for name, part in seen.items()} for row in range(len(observation))
            ]
        return list(seen)

    def get_state(self) -> dict[str, Array]:
        """The last step, where it is remembered."""
        if self._last is None:
            return {}
        return {name: part.copy() for name, part in zip(LAST_STEP, self._last, strict=True)}

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Restore the last step, or that there was none."""
        self._last = None
        if LAST_STEP[0] in state:
            self._last = tuple(np.array(state[name]) for name in LAST_STEP)
