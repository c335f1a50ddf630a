"""Row functions of the engine: how one row goes through tasks, trials and episodes.

``draw_task``, ``start_episode``, ``step``, ``observe`` and ``report`` below stand for those of a
family, which :func:`metaenvs.kernels.row_function.bind` puts in their place.

Randomness. A row's trial ``j`` has the key ``fold(row key, j)``; its task comes from that key's
sub-stream ``TASK_STREAM``, its episode ``k`` from sub-stream ``k``, and step ``t`` of an episode
from sub-stream ``t`` of that. Nothing else enters.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.random import GOLDEN, fold, mix, random_uniform
from metaenvs.kernels.row_function import row_function

__all__ = ["REPORT_FIELDS", "ROW_DTYPE", "SETTINGS_DTYPE", "RowArrays", "StepResult"]

Array = npt.NDArray[Any]

ROW_DTYPE = np.dtype(
    [
        ("key", np.uint64),
        ("trial", np.int64),
        ("task_id", np.int64),
        ("trial_step", np.int32),
        ("episode_step", np.int32),
        ("episode", np.int32),
        ("finished", np.bool_),
        ("pinned", np.bool_),
    ],
    align=True,
)
"""Where a row stands. ``trial`` counts from 0, and is -1 before the first."""

SETTINGS_DTYPE = np.dtype(
    [
        ("split_salt", np.uint64),
        ("test_threshold", np.uint64),
        ("split_side", np.int32),
        ("episodes_per_trial", np.int32),
        ("episode_steps", np.int32),
        ("max_episode_steps", np.int32),
        ("num_actions", np.int32),
        ("chunk_rows", np.int64),
        ("help_address", np.uint64),
        ("same_step", np.bool_),
        ("next_step", np.bool_),
    ],
    align=True,
)
"""What all rows share. Step limits are at least 1. Where several workers share the rows, they take
``chunk_rows`` at once, and ``help_address`` is that of what helpers call."""

REPORT_FIELDS: list[tuple[str, type]] = [
    ("task_id", np.int64),
    ("episode_index", np.int32),
    ("episode_end", np.bool_),
    ("episode_terminated", np.bool_),
]
"""What the engine tells of every row at every step; a family's own fields follow."""


class RowArrays(NamedTuple):
    """What a batch keeps of its rows, and the tasks that they are given."""

    rows: Array
    """Where each stands (rows,) of ``ROW_DTYPE``."""
    tasks: Array
    """The task of each, as row functions see it: records (rows,), or float64 (rows, words)."""
    words: Array
    """The same memory (rows, words) uint64."""
    states: Array
    """Of each row's episode, records (rows,)."""
    pins: Array
    """Words of the tasks to which rows are pinned, like ``words``; (0, words) where none is."""
    pool: Array
    """Words of those that are drawn where there is a pool (tasks, words) uint64; or none."""
    pool_cumulative: Array
    """Their cumulative weights (tasks,) float64."""


class StepResult(NamedTuple):
    """What a step answers."""

    observation: Array
    """(rows, ...) of the observation space's dtype."""
    reward: npt.NDArray[np.float64]
    """(rows,)"""
    terminated: npt.NDArray[np.bool_]
    """(rows,)"""
    truncated: npt.NDArray[np.bool_]
    """(rows,)"""
    report: Array
    """Records of ``REPORT_FIELDS`` and the family's own (rows,)."""
    final_observation: Array
    """Like ``observation``: that at the end of an episode, else zeros, which it must be made of.
    Of no rows where nobody asks for it."""
    final_report: Array
    """Like ``report``, likewise, at the end of a trial that begins anew in the same step."""


ALL_TASKS, TRAIN_SIDE, TEST_SIDE = 0, 1, 2
TASK_STREAM = 0xFFFFFFFF
POOL_STREAM = 0xFFFFFFFE
ONE = np.uint64(1)


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """Family: fill every field of ``task`` from the stream ``key``; ``state`` is scratch space."""


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """Family: bring ``state`` to the start of episode ``episode`` (0 begins the trial)."""


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Family: act, and answer ``(reward, terminated)``."""
    return 0.0, False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """Family: write every element of ``observation``."""


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """Family: write its own fields of the row's report."""


@row_function
def is_legal(settings: Any, action: Any) -> Any:
    """Engine: one of the two below, by the kind of action space."""
    return True


@row_function
def is_legal_discrete(settings: Any, action: Any) -> Any:
    """Whether a discrete action (int64) is in range."""
    return 0 <= action < settings.num_actions


@row_function
def is_legal_continuous(settings: Any, action: Any) -> Any:
    """Whether all elements of an action (floats) are finite."""
    for position in range(action.shape[0]):
        if not math.isfinite(action[position]):
            return False
    return True


@row_function
def content_id(words: Any) -> Any:
    """Hash of a task record's words: its id (int64), as in :func:`metaenvs.tasks.task_ids`."""
    total = np.uint64(0)
    for position in range(words.shape[0]):
        total += mix(words[position] + (np.uint64(position) + ONE) * GOLDEN)
    return np.int64(mix(total))


@row_function
def on_side(settings: Any, task_id: Any) -> Any:
    """Whether a task belongs to the split's side of the content hash."""
    if settings.split_side == ALL_TASKS:
        return True
    in_test = mix(np.uint64(task_id) ^ settings.split_salt) < settings.test_threshold
    return in_test == (settings.split_side == TEST_SIDE)


@row_function
def draw_accepted(
    settings: Any, parameters: Any, task: Any, words: Any, state: Any, key: Any
) -> Any:
    """Draw tasks until one belongs to the split; answer its id."""
    attempt = 0
    while True:
        draw_task(parameters, task, state, fold(key, attempt))
        task_id = content_id(words)
        if on_side(settings, task_id):
            return task_id
        attempt += 1


@row_function
def search(cumulative: Any, value: Any) -> Any:
    """First index whose cumulative weight exceeds ``value``."""
    low, high = 0, cumulative.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@row_function
def begin_episode(index: Any, parameters: Any, batch: Any, episode: Any) -> None:
    """Start episode ``episode`` of the row's current trial."""
    row = batch.rows[index]
    row.episode = episode
    row.episode_step = 0
    key = fold(fold(row.key, row.trial), episode)
    start_episode(parameters, batch.tasks[index], batch.states[index], episode, key)


@row_function(inline=False)
def begin_trial(index: Any, settings: Any, parameters: Any, batch: Any) -> None:
    """Give the row its next task (pinned, from the pool, or drawn) and start episode 0."""
    row, words, pool = batch.rows[index], batch.words, batch.pool
    row.trial += 1
    row.trial_step = 0
    row.finished = False
    trial_key = fold(row.key, row.trial)
    if row.pinned:
        for position in range(words.shape[1]):
            words[index, position] = batch.pins[index, position]
        row.task_id = content_id(words[index])
    elif pool.shape[0] > 0:
        chosen = search(batch.pool_cumulative, random_uniform(fold(trial_key, POOL_STREAM), 0))
        for position in range(words.shape[1]):
            words[index, position] = pool[chosen, position]
        row.task_id = content_id(words[index])
    else:
        row.task_id = draw_accepted(
            settings, parameters, batch.tasks[index], words[index], batch.states[index],
            fold(trial_key, TASK_STREAM),
        )  # fmt: skip
    begin_episode(index, parameters, batch, 0)


@row_function
def write_report(
    index: Any,
    parameters: Any,
    batch: Any,
    reports: Any,
    episode_end: Any,
    episode_terminated: Any,
) -> None:
    """Tell where the row stands."""
    fields = reports[index]
    fields.task_id = batch.rows[index].task_id
    fields.episode_index = batch.rows[index].episode
    fields.episode_end = episode_end
    fields.episode_terminated = episode_terminated
    report(parameters, batch.tasks[index], batch.states[index], fields)


@row_function
def advance(
    index: Any, settings: Any, parameters: Any, batch: Any, actions: Any, result: Any
) -> None:
    """One step of one row, with all that may follow from it.

    A row that finished its trial before (autoreset at the next step) ignores the action and
    begins a new trial.
    """
    row, task, state = batch.rows[index], batch.tasks[index], batch.states[index]
    begins_trial = row.finished
    if begins_trial:
        result.reward[index] = 0.0
        result.terminated[index] = False
        result.truncated[index] = False
    else:
        key = fold(fold(fold(row.key, row.trial), row.episode), np.int64(row.episode_step) + 1)
        reward, episode_terminated = step(parameters, task, state, actions[index], key)
        row.episode_step += 1
        row.trial_step += 1
        out_of_time = row.trial_step >= settings.max_episode_steps
        episode_end = episode_terminated or row.episode_step >= settings.episode_steps
        if settings.episodes_per_trial == 1:
            trial_terminated = episode_terminated
            trial_truncated = not trial_terminated and (episode_end or out_of_time)
        else:
            trial_terminated = episode_end and row.episode + 1 >= settings.episodes_per_trial
            trial_truncated = not trial_terminated and out_of_time
        episode_end = episode_end or trial_truncated
        trial_end = trial_terminated or trial_truncated
        result.reward[index] = reward
        result.terminated[index] = trial_terminated
        result.truncated[index] = trial_truncated
        write_report(index, parameters, batch, result.report, episode_end, episode_terminated)
        if episode_end and result.final_observation.shape[0] > 0:
            observe(parameters, task, state, result.final_observation[index])
        if trial_end and settings.same_step:
            result.final_report[index] = result.report[index]
            begins_trial = True
        elif trial_end:
            row.finished = True
        elif episode_end:
            begin_episode(index, parameters, batch, row.episode + 1)
    if begins_trial:
        begin_trial(index, settings, parameters, batch)
        write_report(index, parameters, batch, result.report, False, False)
    observe(parameters, task, state, result.observation[index])
