"""The single environment of array families: a batch of one behind ``gymnasium.Env``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from metaenvs.lean_row import LeanRow
from metaenvs.options import refuse_unknown_options
from metaenvs.tasks import Task, Tasks
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["ArrayEnv"]

INTEGERS = (int, np.integer)


class ArrayEnv(gym.Env[Any, Any]):
    """One row of a family. With seed ``i`` it is row ``i`` of a batch with seed 0.

    Subclasses name their :attr:`vector_env`; all its arguments but ``num_envs`` and
    ``autoreset_mode`` are theirs too.

    Args:
        render_mode: "rgb_array", "ansi", "human" (a window; needs pygame) or None.
        arguments: As for :class:`metaenvs.vector_env.ArrayVectorEnv`.
    """

    vector_env: ClassVar[type[ArrayVectorEnv]]
    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi", "human"], "render_fps": 4}

    def __init__(self, *, render_mode: str | None = None, **arguments: Any) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"render_mode must be None or one of {self.metadata['render_modes']}, "
                f"got {render_mode!r}."
            )
        for name in ("num_envs", "autoreset_mode", "device"):
            if name in arguments:
                raise TypeError(f"{name} belongs to gymnasium.make_vec, not to gymnasium.make.")
        self.render_mode = render_mode
        self._batch = self.vector_env(
            num_envs=1,
            autoreset_mode=AutoresetMode.DISABLED,
            render_mode="rgb_array" if render_mode == "human" else render_mode,
            **arguments,
        )
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space
        self.task_space = self._batch.task_space
        self.splits = self._batch.splits
        self.splits_by_hash = self._batch.splits_by_hash
        self.episodes_per_trial = self._batch.episodes_per_trial
        box = isinstance(self.action_space, gym.spaces.Box)
        self._box_shape = self.action_space.shape if box else None
        self._window: Any = None
        self._lean: LeanRow | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new trial, hence a new task unless one is pinned.

        Args:
            seed: Restarts the row's streams; None continues them.
            options: ``"task"``: pin this task and reset.
        """
        if self._lean is not None and seed is None and not options:
            return self._lean.begin_trial()
        refuse_unknown_options(options, ("task",))
        super().reset(seed=seed)
        observation, info = self._batch.reset(seed=seed, options=options)
        if self._lean is None and self.render_mode is None:
            self._lean = self._batch.lean_row()
        if self.render_mode == "human":
            self.render()
        return _first(observation), self._single_info(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act; answers observation, reward, terminated, truncated, ``info``.

        Raises:
            ValueError: An action of a wrong shape, kind or range.
            gymnasium.error.ResetNeeded: Before the first reset or after the trial's end.
        """
        lean = self._lean
        if lean is not None and (
            isinstance(action, INTEGERS) if self._box_shape is None else self._fits(action)
        ):
            try:
                answer = lean.step(action)
            except OverflowError:
                raise ValueError(
                    f"actions must lie in {self.action_space}, got {action}."
                ) from None
            if answer is None:
                self._batch.refuse(0, lean.actions)
            return answer
        actions = np.asarray(action)[None]
        observation, reward, terminated, truncated, info = self._batch.step(actions)
        if self.render_mode == "human":
            self.render()
        return (
            _first(observation),
            reward.item(),
            terminated.item(),
            truncated.item(),
            self._single_info(info),
        )

    def _fits(self, action: Any) -> bool:
        """Whether an action is floats of the right shape, which need no further look."""
        is_array = isinstance(action, np.ndarray) and action.dtype.kind == "f"
        return is_array and action.shape == self._box_shape

    def render(self) -> Any:
        """The picture (H, W, 3) uint8, the text, or None after drawing to the window."""
        if self.render_mode is None:
            gym.logger.warn("render() needs a render_mode; pass one to gymnasium.make.")
            return None
        frame = self._batch.render_row(0)
        if self.render_mode != "human":
            return frame
        if self._window is None:
            from metaenvs.window import Window

            self._window = Window(type(self).__name__, self.metadata["render_fps"])
        self._window.show(frame)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def sample_tasks(self, n_tasks: int) -> Tasks:
        """Draw tasks of the split without entering them."""
        return self._batch.sample_tasks(n_tasks)

    def set_task(self, task: Tasks | Mapping[str, Any] | None) -> None:
        """Pin a task from the next trial on; None unpins."""
        self._batch.set_task(task)

    def get_task(self) -> Task:
        """The task of the current trial."""
        return self._batch.get_task()[0]

    def check_tasks(self, tasks: Tasks | Mapping[str, Any]) -> Tasks:
        """Validate one task or ``Tasks`` against the family; ValueError or TypeError if wrong."""
        return self._batch.check_tasks(tasks)

    def set_pool(self, tasks: Tasks | None, weights: Any = None) -> None:
        """Exchange the list that tasks are drawn from, from the next trial on."""
        self._batch.set_pool(tasks, weights)

    @property
    def pool(self) -> Tasks:
        """The finite list of tasks that trials draw from (ValueError for a stream)."""
        return self._batch.pool

    def get_state(self) -> dict[str, Any]:
        """The whole state as plain named arrays, exact in the middle of an episode."""
        return self._batch.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`get_state` gave, of an environment made alike."""
        self._batch.set_state(state)
        self._lean = self._batch.lean_row() if self.render_mode is None else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_window": None, "_lean": None}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        self.__dict__.update(pickled)
        self._lean = self._batch.lean_row() if self.render_mode is None else None

    def _single_info(self, info: dict[str, Any]) -> dict[str, Any]:
        """The entries of row 0 as Python scalars and arrays, without the batch's masks."""
        return {name: _first(value) for name, value in info.items() if name[0] != "_"}


def _first(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _first(part) for name, part in value.items()}
    return value[0] if value.ndim > 1 else value.item()
