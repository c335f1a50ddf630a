"""From raw observations on the device to what the caller sees, as on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.cuda.arrays import DeviceArrays
from metaenvs.cuda.kernels import row_kernel
from metaenvs.cuda.rows import encode_rows
from metaenvs.family import ArrayFamily
from metaenvs.kernels.one_hot import code_offsets
from metaenvs.observation_view import LAST_STEP
from metaenvs.spaces import shape_of
from metaenvs.trial_inputs import TrialInputsKind

__all__ = ["DeviceInputs"]


class DeviceInputs:
    """What :class:`metaenvs.observation_view.ObservationView` does, with arrays on the device.

    The last step is remembered in arrays that stay where they are, and nothing of it on the host:
    steps may be captured in a CUDA graph.

    Args:
        arrays: Of the device.
        family: Whose raw observations and actions they are.
        one_hot: Expand codes to one-hot vectors.
        kind: Add the previous action, reward and episode end, in this form.
        no_actions: Of the shape and dtype of all rows' actions, zeros.
    """

    def __init__(
        self,
        arrays: DeviceArrays,
        family: ArrayFamily,
        one_hot: bool,
        kind: TrialInputsKind | None,
        no_actions: Any,
    ) -> None:
        self._arrays = arrays
        self._kind = kind
        self._one_hot = one_hot
        space = family.observation_space
        self._width = int(np.prod(shape_of(space), dtype=np.int64))
        self._offsets: Any = None
        if isinstance(space, gym.spaces.MultiDiscrete) and (one_hot or kind == "flat"):
            self._offsets = arrays.upload(code_offsets(space.nvec))
            self._width = int(np.sum(space.nvec, dtype=np.int64))
        action_space = family.action_space
        self._num_actions = 0
        if isinstance(action_space, gym.spaces.Discrete):
            self._num_actions = int(action_space.n)
        self._action_width = self._num_actions or int(
            np.prod(shape_of(action_space), dtype=np.int64)
        )
        self._codes = arrays.upload(np.arange(1, self._num_actions + 1))
        rows = (len(no_actions),)
        self._last = (
            arrays.copy(no_actions),
            arrays.zeros(rows, np.float64),
            arrays.zeros(rows, np.bool_),
            arrays.zeros(rows, np.bool_),
        )
        """In the order of LAST_STEP. Where ``fresh``, a row has just begun a trial."""
        self._forget()

    def encode(self, observation: Any) -> Any:
        """Observations (n, ...) without trial inputs."""
        if not self._one_hot:
            return observation
        output = self._arrays.zeros((len(observation), self._width), np.uint8)
        self._write_codes(observation, output)
        return output

    def after_reset(self, observation: Any, mask: npt.NDArray[np.bool_]) -> Any:
        """What is seen when the rows of ``mask`` have begun a trial and the others go on."""
        if self._kind is None:
            return self.encode(observation)
        if mask.all():
            self._forget()
        else:
            fresh = self._last[-1]
            fresh[:] = fresh | self._arrays.upload(mask)
        return self._assemble(observation, *self._last)

    def after_step(
        self, observation: Any, action: Any, reward: Any, episode_end: Any, fresh: Any
    ) -> Any:
        """What is seen after a step; rows of ``fresh`` have just begun a trial."""
        if self._kind is None:
            return self.encode(observation)
        for last, now in zip(self._last, (action, reward, episode_end, fresh), strict=True):
            last[:] = now
        return self._assemble(observation, action, reward, episode_end, fresh)

    def at_end(self, observation: Any, action: Any, reward: Any, ended: Any) -> Any:
        """What was seen last in the trials that have ``ended``; other rows hold nothing."""
        if self._kind is None:
            return self.encode(observation)
        return self._assemble(observation, action, reward, ended, ~ended)

    def get_state(self) -> dict[str, npt.NDArray[Any]]:
        """The last step, if trial inputs tell of it; before the first one all rows are fresh."""
        if self._kind is None:
            return {}
        return dict(zip(LAST_STEP, map(self._arrays.download, self._last), strict=True))

    def set_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restore the last step, or that there was none."""
        self._forget()
        if LAST_STEP[0] in state:
            for last, name in zip(self._last, LAST_STEP, strict=True):
                last[:] = self._arrays.upload(np.asarray(state[name]))

    def _forget(self) -> None:
        """Let all rows have just begun a trial."""
        for last in self._last:
            last[:] = 0
        self._last[-1][:] = 1

    def _assemble(
        self, observation: Any, action: Any, reward: Any, episode_end: Any, fresh: Any
    ) -> Any:
        arrays, rows = self._arrays, len(observation)
        no_action = fresh.reshape((rows,) + (1,) * (action.ndim - 1))
        previous = arrays.where(no_action, 0, action + 1 if self._num_actions else action)
        reward = arrays.where(fresh, 0.0, reward)
        episode_end = arrays.where(fresh, 0, arrays.cast(episode_end, np.int64))
        if self._kind == "dict":
            return {
                "observation": self.encode(observation),
                "previous_action": previous,
                "previous_reward": arrays.cast(reward, np.float32)[:, None],
                "episode_end": episode_end,
            }
        flat = arrays.zeros((rows, self._width + self._action_width + 2), np.float32)
        if self._offsets is not None:
            self._write_codes(observation, flat)
        else:
            flat[:, : self._width] = observation.reshape(rows, -1)
        one_hot = previous[:, None] == self._codes if self._num_actions else previous
        flat[:, self._width : -2] = one_hot.reshape(rows, -1)
        flat[:, -2] = reward
        flat[:, -1] = episode_end
        return flat

    def _write_codes(self, codes: Any, output: Any) -> None:
        """Write ones into ``output`` (n, width), which arrives zeroed."""
        arrays = self._arrays
        row_kernel(encode_rows).launch(
            len(codes), arrays.stream(),
            *(arrays.argument(array) for array in (codes, self._offsets, output)),
        )  # fmt: skip
