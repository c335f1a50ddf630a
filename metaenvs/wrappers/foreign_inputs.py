"""Trial inputs for foreign spaces, which may count from another number than 0."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.trial_inputs import TrialInputs, TrialInputsKind

__all__ = ["ForeignInputs"]

Array = npt.NDArray[Any]


class ForeignInputs:
    """:class:`metaenvs.trial_inputs.TrialInputs` over the spaces of any environment.

    Categories may start anywhere; in the flat vector a ``Discrete`` observation is one-hot, as
    the codes of a ``MultiDiscrete`` are.

    Args:
        kind: ``"dict"`` or ``"flat"``.
        observation_space, action_space: Spaces of one row.

    Raises:
        ValueError: A space that cannot be laid out.
    """

    def __init__(
        self, kind: TrialInputsKind, observation_space: gym.Space[Any], action_space: gym.Space[Any]
    ) -> None:
        arrays = (gym.spaces.Box, gym.spaces.Discrete, gym.spaces.MultiDiscrete)
        if not isinstance(observation_space, (*arrays, gym.spaces.MultiBinary)):
            raise ValueError(
                "trial_inputs needs an observation that is one array, this one is "
                f"{observation_space}; flatten it first (gymnasium.wrappers.FlattenObservation)."
            )
        if not isinstance(action_space, gym.spaces.Discrete | gym.spaces.Box):
            raise ValueError(
                f"trial_inputs needs a Discrete or Box action space, this one is {action_space}."
            )
        self._first_action = 0
        self._action_dtype = action_space.dtype
        if isinstance(action_space, gym.spaces.Discrete):
            self._first_action = int(action_space.start)
            action_space = gym.spaces.Discrete(int(action_space.n))
        self._first_code: Any = None
        if kind == "flat" and isinstance(observation_space, gym.spaces.Discrete):
            self._first_code = int(observation_space.start)
            observation_space = gym.spaces.MultiDiscrete([int(observation_space.n)])
        elif kind == "flat" and isinstance(observation_space, gym.spaces.MultiDiscrete):
            self._first_code = observation_space.start
            observation_space = gym.spaces.MultiDiscrete(observation_space.nvec)
        self._base_space = observation_space
        self._inputs = TrialInputs(kind, observation_space, action_space)
        self.space = self._inputs.space

    def start(self, observation: Array) -> Any:
        """Inputs at the start of a trial, for observations (n, ...)."""
        return self._inputs.start(self._codes(observation))

    def after(
        self,
        observation: Array,
        action: Array,
        reward: Array,
        episode_end: npt.NDArray[np.bool_],
        fresh: npt.NDArray[np.bool_] | None,
    ) -> Any:
        """Inputs after a step (n rows); rows of ``fresh`` have just begun a trial."""
        action = np.asarray(action, self._action_dtype) - self._first_action
        return self._inputs.after(
            self._codes(observation), action, np.asarray(reward), episode_end, fresh
        )

    def _codes(self, observation: Array) -> Array:
        if self._first_code is None:
            return observation
        assert isinstance(self._base_space, gym.spaces.MultiDiscrete)
        sizes = self._base_space.nvec
        codes = np.asarray(observation, np.int64).reshape(len(observation), *sizes.shape)
        codes = np.ascontiguousarray(codes - self._first_code)
        # The kernel that writes the one-hot vector trusts its codes.
        if ((codes < 0) | (codes >= sizes)).any():
            raise ValueError(
                f"The environment observed {np.asarray(observation).tolist()}, which is outside "
                "its observation space."
            )
        return codes
