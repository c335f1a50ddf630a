"""What a family of array environments is made of: data and four row functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.kernels.row_function import RowFunction
from metaenvs.task_space import record_dtype_of
from metaenvs.tasks import Tasks

__all__ = ["ArrayFamily", "Attachment"]


def _no_further_check(tasks: Tasks) -> None:
    """Accept every point of the task space."""


@dataclass(frozen=True)
class Attachment:
    """What a batch of a family steps with, where that is more than data."""

    parameters: npt.NDArray[Any]
    """One record for each worker (num_workers,): a worker's rows are stepped by one thread."""
    resources: Any
    """Kept alive as long as the batch: what addresses in the parameters point into."""


@dataclass(frozen=True, kw_only=True)
class ArrayFamily:
    """A family of tasks in one configuration, written for one row.

    Row functions work on records of one row: ``parameters`` (what all tasks share), ``task``
    (fields named as in ``task_space``), ``state`` (the episode) and ``report`` (what ``info``
    tells). They are described in :mod:`metaenvs.kernels.trial`.
    """

    task_space: gym.spaces.Dict
    """Every task is a point of it; leaves are Box, Discrete, MultiDiscrete or MultiBinary."""

    observation_space: gym.spaces.Box | gym.spaces.MultiDiscrete
    """Space of one row's observation; codes of categories are a ``MultiDiscrete``."""

    action_space: gym.spaces.Discrete | gym.spaces.Box
    """Space of one row's action; a ``Discrete`` starts at 0."""

    parameters: npt.NDArray[Any]
    """One record, shape (1,): the constants of this configuration."""

    state_dtype: np.dtype[Any]
    """The record of a row's episode."""

    draw_task: RowFunction
    start_episode: RowFunction
    step: RowFunction
    observe: RowFunction
    report: RowFunction

    report_fields: Sequence[tuple[str, type]] = ()
    """Names and scalar types of the family's entries in ``info``."""

    episode_steps: int
    """Default limit of an episode, in steps."""

    episodes_per_trial: int = 1
    """Default number of episodes in a trial."""

    splits: tuple[str, ...] = ("train", "test", "all")
    """Names of its splits."""

    splits_by_hash: bool = True
    """Whether "train" and "test" divide the tasks by the hash of their content. Otherwise
    :attr:`attach` sees to it that tasks are drawn from the split."""

    pools: Mapping[str, Tasks] = field(default_factory=dict)
    """Splits that are finite lists of equally likely tasks."""

    attach: Callable[[int, str], Attachment] | None = None
    """``attach(num_workers, split)``: what a batch steps with, in place of ``parameters``."""

    tasks_as_vectors: bool = False
    """Whether row functions see a task as the float64 vector of its record, entries in the order
    of their names, in place of the record. All its entries are float64 then."""

    threaded_from: int | None = None
    """Rows from which several threads step a batch; None is the engine's own number."""

    test_share: float = 1 / 16
    """Share of the tasks that belongs to "test"."""

    n_tasks: Mapping[str, int | None] = field(default_factory=dict)
    """Default number of tasks of a split; None (where absent) is an unlimited stream."""

    check_tasks: Callable[[Tasks], None] = _no_further_check
    """Raises ValueError for what the task space cannot say (a permutation, a pair)."""

    accept_tasks: Callable[[Tasks], npt.NDArray[np.bool_]] | None = None
    """Keeps only some of the drawn tasks (n,); possible for finite lists, checked when drawn."""

    render: Callable[..., npt.NDArray[np.uint8]] | None = None
    """``render(parameters, task, states)``: a row whose episode went through ``states``."""

    render_text: Callable[..., str] | None = None
    """The same as text."""

    @property
    def task_dtype(self) -> np.dtype[Any]:
        """The record of a task."""
        return record_dtype_of(self.task_space)

    @property
    def row_functions(self) -> dict[str, RowFunction]:
        """The row functions by the names that the engine calls them."""
        return {
            "draw_task": self.draw_task,
            "start_episode": self.start_episode,
            "step": self.step,
            "observe": self.observe,
            "report": self.report,
        }

    @property
    def home(self) -> str:
        """Source file of the family's rules, beside which its kernels are cached."""
        return inspect.getfile(self.step.python)
