"""A batch of rows of one array family: the arrays, and the kernels that move them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from metaenvs.family import ArrayFamily
from metaenvs.kernels import batch as templates
from metaenvs.kernels.compile import build_callee, build_kernel
from metaenvs.kernels.helpers import ALONE, num_threads, run_with_help
from metaenvs.kernels.random import fold
from metaenvs.kernels.trial import (
    ALL_TASKS,
    REPORT_FIELDS,
    ROW_DTYPE,
    SETTINGS_DTYPE,
    TEST_SIDE,
    TRAIN_SIDE,
    RowArrays,
    StepResult,
    is_legal_continuous,
    is_legal_discrete,
)
from metaenvs.spaces import shape_of
from metaenvs.tasks import Tasks, record_words

__all__ = ["THREADED_FROM", "Batch"]

THREADED_FROM = 200
"""Rows from which asking for help costs less than it saves (measured, two cores)."""

CHUNK_ROWS = 64
"""Rows that a thread takes at once, where rows cost little."""

SPLIT_SIDES = {"all": ALL_TASKS, "train": TRAIN_SIDE, "test": TEST_SIDE}
NO_LIMIT = np.iinfo(np.int32).max

Array = npt.NDArray[Any]


def _kind_of(argument: Any) -> Any:
    """Dtype and dimensions of an array; of a record of arrays its class and those of each."""
    if isinstance(argument, tuple):
        return type(argument), tuple(_kind_of(array) for array in argument)
    return argument.dtype, argument.ndim


def _of_kind(kind: Any) -> Any:
    """A small argument of that kind."""
    first, rest = kind
    if isinstance(rest, tuple):
        return first(*(_of_kind(part) for part in rest))
    return np.zeros((1,) * rest, first)


@lru_cache(maxsize=256)
def _cached(
    build: Callable[..., Any],
    template: Callable[..., Any],
    functions: tuple[tuple[str, Any], ...],
    home: str,
    kinds: tuple[Any, ...],
) -> Any:
    """What :func:`build_kernel` or :func:`build_callee` makes."""
    arguments = tuple(_of_kind(kind) for kind in kinds)
    return build(template, dict(functions), home=home, arguments=arguments)


class Batch:
    """Rows of one family, each with its own task, trial, episode and random numbers.

    Args:
        family: The family in one configuration.
        num_rows: Number of rows.
        split, split_seed: Which tasks are drawn.
        episodes_per_trial, episode_steps, max_episode_steps: Length of a trial, of an episode
            and of a trial in steps.
        autoreset_mode: When a finished row begins its next trial.
        final_observations: Whether the observations at the ends of episodes are asked for.
    """

    def __init__(
        self,
        family: ArrayFamily,
        num_rows: int,
        *,
        split: str,
        split_seed: int,
        episodes_per_trial: int,
        episode_steps: int | None,
        max_episode_steps: int | None,
        autoreset_mode: AutoresetMode,
        final_observations: bool,
    ) -> None:
        self.family = family
        self.num_rows = num_rows
        self.settings = np.zeros(1, SETTINGS_DTYPE)
        self.settings["split_salt"] = fold(np.uint64(0), np.array([split_seed], np.uint64))
        self.settings["test_threshold"] = np.uint64(family.test_share * 2.0**64)
        self.settings["split_side"] = SPLIT_SIDES[split] if family.splits_by_hash else ALL_TASKS
        self.settings["episodes_per_trial"] = episodes_per_trial
        self.settings["episode_steps"] = NO_LIMIT if episode_steps is None else episode_steps
        self.settings["max_episode_steps"] = (
            NO_LIMIT if max_episode_steps is None else max_episode_steps
        )
        same_step = autoreset_mode == AutoresetMode.SAME_STEP
        self.settings["same_step"] = same_step
        self.settings["next_step"] = autoreset_mode == AutoresetMode.NEXT_STEP
        self._is_legal = is_legal_continuous
        discrete = isinstance(family.action_space, gym.spaces.Discrete)
        if isinstance(family.action_space, gym.spaces.Discrete):
            self.settings["num_actions"] = family.action_space.n
            self._is_legal = is_legal_discrete
        action_dtype = np.int64 if discrete else family.action_space.dtype
        self._no_actions = np.zeros((num_rows, *shape_of(family.action_space)), action_dtype)
        self._no_mask = np.zeros(0, np.bool_)
        threaded_from = family.threaded_from or THREADED_FROM
        num_workers = num_threads() if num_rows >= threaded_from else 1
        self.settings["chunk_rows"] = CHUNK_ROWS
        self._parameters, self._resources = np.repeat(family.parameters, num_workers), None
        if family.attach is not None:
            attachment = family.attach(num_workers, split)
            self._parameters, self._resources = attachment.parameters, attachment.resources
            self.settings["chunk_rows"] = 1
        self.rows = np.zeros(num_rows, ROW_DTYPE)
        self.rows["trial"] = -1
        self.tasks = np.zeros(num_rows, family.task_dtype)
        self.states = np.zeros(num_rows, family.state_dtype)
        self._words = record_words(self.tasks)
        self._seen_tasks = self._as_seen(self.tasks)
        width = self._words.shape[1]
        self.pins = np.zeros((0, width), np.uint64)
        self.pool = np.zeros((0, width), np.uint64)
        self.pool_cumulative = np.zeros(0, np.float64)
        self.report_dtype = np.dtype([*REPORT_FIELDS, *family.report_fields], align=True)
        space = family.observation_space
        self._observation_shape = (num_rows, *space.shape)
        self._observation_dtype = space.dtype
        self._no_ends = (
            None if final_observations else np.zeros((0, *space.shape), space.dtype),
            None if same_step else np.zeros(0, self.report_dtype),
        )
        self._kernel: Callable[..., int] | None = None
        self._callee: Any = None

    def allocate(self) -> StepResult:
        """Fresh arrays for the results of one step."""
        num_rows, empty = self.num_rows, np.empty
        observations, reports = self._no_ends
        if observations is None:
            observations = np.zeros(self._observation_shape, self._observation_dtype)
        if reports is None:
            reports = np.zeros(num_rows, self.report_dtype)
        return StepResult(
            observation=empty(self._observation_shape, self._observation_dtype),
            reward=empty(num_rows, np.float64),
            terminated=empty(num_rows, np.bool_),
            truncated=empty(num_rows, np.bool_),
            report=empty(num_rows, self.report_dtype),
            final_observation=observations,
            final_report=reports,
        )

    def step(self, actions: Array, result: StepResult) -> int:
        """Advance every row and write into ``result``.

        Args:
            actions: (num_rows,) int64, or (num_rows, ...) of the action space's dtype.
            result: From :meth:`allocate`.

        Returns:
            -1; or the first row that may not be stepped (its action is illegal, or it has
            finished and the mode has it wait for a reset), and then no row has been.
        """
        return self._run_rows(self._no_mask, actions, result)

    def begin(self, mask: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        """Begin a new trial in the rows of ``mask``; observations and reports of all rows."""
        result = self.allocate()
        self._run_rows(np.ascontiguousarray(mask), self._no_actions, result)
        return result.observation, result.report

    def draw(self, num_tasks: int, key: np.uint64) -> Tasks:
        """Draw ``num_tasks`` tasks of the split, functions of ``key`` and their position."""
        records = np.zeros(num_tasks, self.family.task_dtype)
        arrays = (
            self.settings,
            self._parameters,
            self._as_seen(records),
            record_words(records),
            np.zeros(num_tasks, self.family.state_dtype),
            np.array([key], np.uint64),
        )
        self._build(build_kernel, templates.draw_tasks, arrays)(*arrays)
        return Tasks.from_records(records)

    def pin(self, tasks: Tasks | None, mask: npt.NDArray[np.bool_]) -> None:
        """Pin the tasks (one, or one a row) of the rows of ``mask``, or unpin them (None)."""
        self.rows["pinned"][mask] = tasks is not None
        if tasks is None:
            return
        if len(self.pins) == 0:
            self.pins = np.zeros_like(self._words)
        words = record_words(tasks.to_records())
        self.pins[mask] = words if len(tasks) == 1 else words[mask]

    def set_pool(self, tasks: Tasks | None, weights: Array | None) -> None:
        """Draw tasks from ``tasks`` with ``weights`` (summing to one) from now on."""
        if tasks is None:
            self.pool = self.pool[:0]
            self.pool_cumulative = self.pool_cumulative[:0]
            return
        self.pool = np.ascontiguousarray(record_words(tasks.to_records()))
        uniform = np.full(len(tasks), 1.0 / len(tasks))
        self.pool_cumulative = np.cumsum(uniform if weights is None else weights)

    def _run_rows(self, mask: Array, actions: Array, result: StepResult) -> int:
        """Call the kernel that steps and begins rows."""
        arguments = self._arguments(mask, actions, result)
        kernel = self._kernel or self._build_kernel(arguments)
        if len(self._parameters) == 1:
            return kernel(ALONE, *arguments)
        refused: int = run_with_help(kernel, *arguments)
        return refused

    def _build_kernel(self, arguments: tuple[Any, ...]) -> Callable[..., int]:
        """The kernel that steps and begins rows, and what helpers call."""
        kernel: Callable[..., int]
        arguments = (ALONE, *arguments)
        self._kernel = kernel = self._build(build_kernel, templates.run_rows, arguments)
        if len(self._parameters) > 1:
            self._callee = self._build(build_callee, templates.help_with_rows, arguments)
            self.settings["help_address"] = self._callee.address
        return kernel

    def bind_step(self, actions: Array, result: StepResult) -> Callable[[], int]:
        """A serial :meth:`step` with these arrays, again and again: what a batch of one calls.

        It is good until :attr:`pins` or :attr:`pool` is another array.
        """
        return self._bind(self._no_mask, actions, result)

    def bind_begin(self, result: StepResult) -> Callable[[], int]:
        """The same for a trial's beginning in every row."""
        return self._bind(np.ones(self.num_rows, np.bool_), self._no_actions, result)

    def _bind(self, mask: Array, actions: Array, result: StepResult) -> Callable[[], int]:
        arguments = self._arguments(mask, actions, result)
        return partial(self._kernel or self._build_kernel(arguments), ALONE, *arguments)

    def _arguments(self, mask: Array, actions: Array, result: StepResult) -> tuple[Any, ...]:
        batch = RowArrays(
            rows=self.rows,
            tasks=self._seen_tasks,
            words=self._words,
            states=self.states,
            pins=self.pins,
            pool=self.pool,
            pool_cumulative=self.pool_cumulative,
        )
        return self.settings, self._parameters, batch, mask, actions, result

    def _as_seen(self, records: Array) -> Array:
        """Task records as the row functions see them, sharing memory."""
        if not self.family.tasks_as_vectors:
            return records
        return record_words(records).view(np.float64)

    def _build(
        self, build: Callable[..., Any], template: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> Any:
        """``template`` compiled for this family and arguments like these."""
        return _cached(
            build,
            template,
            (*self.family.row_functions.items(), ("is_legal", self._is_legal)),
            self.family.home,
            tuple(_kind_of(argument) for argument in arguments),
        )
