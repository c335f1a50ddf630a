"""The vector environment of array families: many rows, each with its own hidden task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from metaenvs.actions import ActionReader
from metaenvs.arguments import at_least_one, autoreset_mode_of, check_flags, make_family
from metaenvs.batch import Batch
from metaenvs.batch_state import check_alike, read_batch, write_batch
from metaenvs.episode_path import EpisodePaths
from metaenvs.family import ArrayFamily
from metaenvs.lean_row import LeanRow
from metaenvs.observation_view import LAST_STEP, ObservationView
from metaenvs.options import read_reset_mask, refuse_unknown_options
from metaenvs.seeding import derive_key, row_keys
from metaenvs.step_info import StepInfo
from metaenvs.task_pool import normalised_weights, pool_of_split
from metaenvs.task_space import as_tasks
from metaenvs.tasks import Tasks
from metaenvs.trial_inputs import TrialInputsKind

__all__ = ["ArrayVectorEnv"]

Array = npt.NDArray[Any]

SAMPLE_KEY_STREAM = 2


class ArrayVectorEnv(gym.vector.VectorEnv[Any, Any, Any]):
    """A batch of rows of one family behind Gymnasium's vector API.

    Subclasses name their :attr:`family`; ``gymnasium.make_vec`` builds them. NumPy arrays go in
    and out; every array that :meth:`step` returns is fresh.

    Args:
        num_envs: Number of rows.
        split: Which tasks are met, one of the family's splits; None is the family's first.
        split_seed: Decides which tasks belong to "train" and to "test", and which are the first.
        n_tasks: Meet only the first ``n_tasks`` tasks of the split; None is an unlimited stream
            unless the family says otherwise for this split.
        tasks: Meet these tasks instead, drawn with replacement.
        task_weights: Their weights (n,), uniform if None.
        task_visible: Append the task's description to the observation (the oracle baseline).
        task_in_info: Add the whole task to ``info["task"]``.
        one_hot: Expand categories to one-hot vectors (uint8).
        episodes_per_trial: Episodes of one task in a trial; None is the family's default.
        episode_steps: Limit of an episode in steps; None is the family's default.
        max_episode_steps: Limit of a trial in steps; None is no limit.
        trial_inputs: "dict" or "flat" to observe the previous action, reward and episode end as
            well (see :class:`metaenvs.trial_inputs.TrialInputs`).
        autoreset_mode: When a finished row begins its next trial.
        render_mode: "rgb_array", "ansi" or None.
        device: "cpu"; or "cuda", which makes a
            :class:`metaenvs.cuda.vector_env.CudaVectorEnv` of this family.
        family_arguments: The family's own arguments.

    Raises:
        ValueError: An argument out of its range, with what was expected.
        TypeError: An argument that the family does not have.
    """

    family: ClassVar[Callable[..., ArrayFamily]]
    batch_type: ClassVar[Callable[..., Any]] = Batch
    shared_state: ClassVar = frozenset({"pool", "pool_cumulative", "sample_key", "num_sampled"})
    """Names in :meth:`get_state` of what belongs to no row; other arrays have the row first."""
    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}

    def __new__(cls, *arguments: Any, device: str = "cpu", **named: Any) -> ArrayVectorEnv:
        """An environment on ``device``, of this class or one derived from it."""
        if device == "cpu":
            return super().__new__(cls)
        from metaenvs.cuda.vector_env import on_device

        return super().__new__(on_device(cls, device))

    def __init__(
        self,
        num_envs: int = 1,
        *,
        split: str | None = None,
        split_seed: int = 0,
        n_tasks: int | None = None,
        tasks: Tasks | Mapping[str, Any] | None = None,
        task_weights: npt.ArrayLike | None = None,
        task_visible: bool = False,
        task_in_info: bool = False,
        one_hot: bool = False,
        episodes_per_trial: int | None = None,
        episode_steps: int | None = None,
        max_episode_steps: int | None = None,
        trial_inputs: TrialInputsKind | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        device: str = "cpu",
        **family_arguments: Any,
    ) -> None:
        self._arguments = {
            "num_envs": num_envs, "split": split, "split_seed": split_seed, "n_tasks": n_tasks,
            "task_visible": task_visible, "task_in_info": task_in_info, "one_hot": one_hot,
            "episodes_per_trial": episodes_per_trial, "episode_steps": episode_steps,
            "max_episode_steps": max_episode_steps, "trial_inputs": trial_inputs,
            "autoreset_mode": autoreset_mode, "render_mode": render_mode, **family_arguments,
        }  # fmt: skip
        check_flags(task_visible=task_visible, task_in_info=task_in_info, one_hot=one_hot)
        family = make_family(type(self).family, task_visible, family_arguments)
        self._family = family
        self.num_envs = at_least_one("num_envs", num_envs)
        split = family.splits[0] if split is None else split
        if split not in family.splits:
            raise ValueError(f"split must be one of {family.splits}, got {split!r}.")
        if not isinstance(split_seed, int | np.integer) or not 0 <= split_seed < 2**64:
            raise ValueError(
                f"split_seed must be an integer from 0 to 2**64 - 1, got {split_seed!r}."
            )
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"render_mode must be None or one of {self.metadata['render_modes']}, "
                f"got {render_mode!r}."
            )
        self.render_mode = render_mode
        self.autoreset_mode = autoreset_mode_of(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.task_space = family.task_space
        self.splits = family.splits
        self.splits_by_hash = family.splits_by_hash
        if episodes_per_trial is None:
            episodes_per_trial = family.episodes_per_trial
        self.episodes_per_trial = at_least_one("episodes_per_trial", episodes_per_trial)
        episode_steps = family.episode_steps if episode_steps is None else episode_steps
        self.episode_steps = at_least_one("episode_steps", episode_steps)
        if max_episode_steps is not None:
            at_least_one("max_episode_steps", max_episode_steps)
        self._same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        self._in_trials = self.episodes_per_trial > 1

        self.single_action_space = family.action_space
        self._view = ObservationView(family, one_hot, trial_inputs)
        self.single_observation_space = self._view.single_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

        self._task_in_info = task_in_info
        self._batch: Batch = self.batch_type(
            family,
            self.num_envs,
            split=split,
            split_seed=split_seed,
            episodes_per_trial=self.episodes_per_trial,
            episode_steps=self.episode_steps,
            max_episode_steps=max_episode_steps,
            autoreset_mode=self.autoreset_mode,
            final_observations=self._same_step or self._in_trials,
        )
        self._sample_key = derive_key(0, SAMPLE_KEY_STREAM)
        self._num_sampled = 0
        self._everywhere = np.ones(self.num_envs, np.bool_)
        self._everywhere.flags.writeable = False
        self._paths = EpisodePaths(self.num_envs)
        self._begun = False
        self._info = StepInfo(self._batch.report_dtype)
        self._actions = ActionReader(family.action_space, self.num_envs)
        self._choose_pool(tasks, task_weights, split, split_seed, n_tasks)

    # ------------------------------------------------------------------ Gymnasium's vector API

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new trial, hence a new task unless one is pinned, in all rows or in some.

        Args:
            seed: An integer gives row ``r`` the seed ``seed + r``; a list gives one each, where
                None continues that row's stream; None continues all (or starts from the
                operating system's entropy, the first time).
            options: ``"task"``: pin this task (or :class:`Tasks`, one a row) and reset.
                ``"reset_mask"``: a Boolean array (num_envs,), the rows to reset; the others go on.

        Returns:
            Observations and ``info`` of all rows; masks in ``info`` mark the rows reset.
        """
        refuse_unknown_options(options)
        mask = read_reset_mask(options, self.num_envs)
        keys, given = row_keys(seed, self.num_envs, first_time=self._batch.rows["trial"] < 0)
        if not mask.all() and (self._batch.rows["trial"][~mask] < 0).any():
            raise ValueError("options['reset_mask'] leaves out rows that were never reset.")
        if options is not None and "task" in options:
            self.set_task(options["task"], mask=mask)
        seeded = given & mask
        if seeded.any():
            self._batch.rows["key"][seeded] = keys[seeded]
            self._batch.rows["trial"][seeded] = -1
            if seeded.all():
                self._sample_key = derive_key(keys[0], SAMPLE_KEY_STREAM)
                self._num_sampled = 0
        observation, reports = self._batch.begin(mask)
        if self.render_mode is not None:
            self._paths.follow(self._batch.rows, self._batch.states)
        inputs = self._view.after_reset(observation, mask)
        mask = self._everywhere if mask.all() else mask
        return inputs, self._info.of(reports, mask, self._told_tasks())

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Act in every row.

        Args:
            actions: (num_envs,) integers, or (num_envs, ...) floats for a Box.

        Returns:
            Observation, reward (float64), terminated, truncated (bool), ``info``.

        Raises:
            ValueError: Actions of a wrong shape, kind or range; nothing has been stepped then.
            gymnasium.error.ResetNeeded: Before the first reset, or a finished row in DISABLED
                mode.
        """
        self.require_reset()
        legal = self._actions.read(actions)
        batch = self._batch
        fresh: Any = None
        if self._view.has_inputs and not self._same_step:
            fresh = batch.rows["finished"].copy()
        tasks = self._told_tasks() if self._same_step else None
        result = batch.allocate()
        refused = batch.step(legal, result)
        if refused >= 0:
            self.refuse(refused, legal)
        terminated, truncated = result.terminated, result.truncated
        info = self._info.of(result.report, self._everywhere, self._told_tasks())
        if self._same_step:
            fresh = terminated | truncated
        observation = self._view.after_step(
            result.observation, legal, result.reward, info["episode_end"], fresh
        )
        if self._in_trials:
            info["episode_final_obs"] = self._view.encode(result.final_observation)
            ended = info["episode_end"]
            info["_episode_final_obs"] = ended | fresh if self._same_step else ended
        if self._same_step and fresh.any():
            seen = self._view.at_end(
                result.final_observation[fresh], legal[fresh], result.reward[fresh]
            )
            self._info.add_final(info, result.final_report, fresh, seen, tasks)
        if self.render_mode is not None:
            self._paths.follow(self._batch.rows, self._batch.states)
        return observation, result.reward, terminated, truncated, info

    def render(self) -> tuple[Any, ...] | None:
        """Pictures (or texts) of all rows; see :meth:`render_row`."""
        if self.render_mode is None:
            gym.logger.warn("render() needs a render_mode; pass one to make_vec.")
            return None
        return tuple(self.render_row(row) for row in range(self.num_envs))

    def render_row(self, row: int) -> Any:
        """The picture (H, W, 3) uint8, or the text, of one row."""
        draw = self._family.render_text if self.render_mode == "ansi" else self._family.render
        if self.render_mode is None or draw is None:
            raise ValueError("render_row needs render_mode='rgb_array' or 'ansi'.")
        self.require_reset()
        return draw(self._family.parameters[0], self._batch.tasks[row], self._paths[row])

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method by name; one answer, repeated per row as Gymnasium's API has it."""
        attribute = getattr(self, name)
        value = attribute(*args, **kwargs) if callable(attribute) else attribute
        return (value,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute, repeated per row."""
        return (getattr(self, name),) * self.num_envs

    # ------------------------------------------------------------------ for the single environment

    def lean_row(self) -> LeanRow | None:
        """How to step and reset a batch of one with little work.

        None where that takes more, and before the first trial.
        """
        more = self._in_trials or self._same_step or self._task_in_info
        if more or not self._view.is_raw or not self._has_begun():
            return None
        return LeanRow(self._batch, np.zeros(self._actions.shape, self._actions.dtype))

    def require_reset(self) -> None:
        """Raise ``gymnasium.error.ResetNeeded`` unless every row has begun a trial."""
        if not self._has_begun():
            raise gym.error.ResetNeeded("Call reset() first: no trial has begun.")

    def _has_begun(self) -> bool:
        if not self._begun:
            self._begun = bool((self._batch.rows["trial"] >= 0).all())
        return self._begun

    # ------------------------------------------------------------------ the task contract

    def sample_tasks(self, n_tasks: int) -> Tasks:
        """Draw tasks of the split (from the pool, where there is one) without entering them.

        Successive calls give further tasks; a seeded reset of all rows starts the stream anew.
        """
        at_least_one("n_tasks", n_tasks)
        key = derive_key(self._sample_key, self._num_sampled)
        self._num_sampled += 1
        if len(self._batch.pool):
            rng = np.random.Generator(np.random.Philox(key=int(key)))
            weights = np.diff(self._batch.pool_cumulative, prepend=0.0)
            chosen = rng.choice(len(weights), n_tasks, p=weights / weights.sum())
            return self.pool[chosen]
        return self._batch.draw(n_tasks, key)

    def set_task(
        self,
        task: Tasks | Mapping[str, Any] | None,
        *,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Pin a task from the next trial on; None unpins.

        Args:
            task: One task (a mapping, or ``Tasks`` of length 1), or ``Tasks`` of length
                ``num_envs``.
            mask: Rows concerned (num_envs,), all if None.

        Raises:
            ValueError: A task that is not whole, out of bounds or of a wrong shape.
        """
        chosen = self._everywhere if mask is None else np.asarray(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_:
            raise ValueError(
                f"mask must be a Boolean array of shape ({self.num_envs},), "
                f"got {chosen.dtype} of shape {chosen.shape}."
            )
        if task is None:
            self._batch.pin(None, chosen)
            return
        tasks = self.check_tasks(task)
        if len(tasks) not in (1, self.num_envs):
            raise ValueError(
                f"set_task needs 1 or num_envs={self.num_envs} tasks, got {len(tasks)}; "
                "to draw from many, pass tasks= to make_vec or call set_pool."
            )
        self._batch.pin(tasks, chosen)

    def get_task(self) -> Tasks:
        """The task of each row's current trial, ``Tasks`` of length ``num_envs``."""
        self.require_reset()
        return Tasks.from_records(self._batch.tasks)

    def check_tasks(self, tasks: Tasks | Mapping[str, Any]) -> Tasks:
        """Validate one task or ``Tasks`` against the family; ValueError or TypeError if wrong."""
        checked = as_tasks(tasks, self.task_space)
        self._family.check_tasks(checked)
        return checked

    @property
    def pool(self) -> Tasks:
        """The finite list of tasks that trials draw from (ValueError for a stream)."""
        if not len(self._batch.pool):
            raise ValueError("This environment draws an unlimited stream of tasks; no pool.")
        return Tasks.from_records(self._batch.pool.view(self._family.task_dtype)[:, 0])

    def set_pool(
        self, tasks: Tasks | Mapping[str, Any] | None, weights: npt.ArrayLike | None = None
    ) -> None:
        """Exchange the pool, from the next trial on; None goes back to the family's stream."""
        if tasks is None:
            self._batch.set_pool(None, None)
            return
        checked = self.check_tasks(tasks)
        if len(checked) == 0:
            raise ValueError("A pool needs at least one task, got none.")
        normalised = None if weights is None else normalised_weights(weights, len(checked))
        self._batch.set_pool(checked, normalised)

    # ------------------------------------------------------------------ exact state

    def get_state(self) -> dict[str, Array]:
        """The whole state as plain named arrays, exact in the middle of an episode."""
        state = read_batch(self._batch)
        state["sample_key"] = np.array([self._sample_key], np.uint64)
        state["num_sampled"] = np.array([self._num_sampled], np.int64)
        state.update(self._view.get_state())
        return state

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Restore what :meth:`get_state` gave, of an environment made alike.

        Raises:
            ValueError: Arrays missing, unknown, or of other shapes or dtypes; nothing is changed.
        """
        check_alike(self.get_state(), state, optional=LAST_STEP)
        write_batch(self._batch, state)
        self._sample_key = np.uint64(state["sample_key"][0])
        self._num_sampled = int(state["num_sampled"][0])
        self._begun = False
        self._view.set_state(state)
        self._paths = EpisodePaths(self.num_envs)
        self._paths.follow(self._batch.rows, self._batch.states)

    def __getstate__(self) -> dict[str, Any]:
        return {"arguments": self._arguments, "state": self.get_state(), "spec": self.spec}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        type(self).__init__(self, **pickled["arguments"])
        self.spec = pickled["spec"]
        self.set_state(pickled["state"])

    # ------------------------------------------------------------------ the inside

    def _told_tasks(self) -> Tasks | None:
        return self.get_task() if self._task_in_info else None

    def _choose_pool(
        self, tasks: Any, weights: Any, split: str, split_seed: int, n_tasks: int | None
    ) -> None:
        """Set the pool from ``tasks``, or from the split where that is a finite list."""
        if tasks is not None:
            if n_tasks is not None:
                raise ValueError("Pass either tasks or n_tasks, got both.")
            self.set_pool(tasks, weights)
            return
        if weights is not None:
            raise ValueError("task_weights needs tasks, got none.")
        pool = pool_of_split(self._batch, split, split_seed, n_tasks)
        if pool is not None:
            self._batch.set_pool(pool, None)

    def refuse(self, row: int, actions: Array) -> NoReturn:
        """Say why ``row`` may not be stepped."""
        if self._batch.rows["finished"][row] and self.autoreset_mode != AutoresetMode.NEXT_STEP:
            finished = np.flatnonzero(self._batch.rows["finished"]).tolist()
            raise gym.error.ResetNeeded(
                f"Rows {finished[:8]} have finished their trial; reset them "
                "(options={'reset_mask': mask} for some of a batch) before the next step."
            )
        raise ValueError(
            f"actions must lie in {self.single_action_space}, got {actions[row].tolist()} "
            f"in row {row}."
        )
