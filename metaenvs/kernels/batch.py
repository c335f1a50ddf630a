"""Kernel templates: loops over the rows of a batch, serial or threaded.

The names that are called here are bound to compiled row functions by
:func:`metaenvs.kernels.compile.build_kernel`, which also compiles the template itself; with
``parallel=True`` Numba runs ``prange`` on its threads, else it is a plain loop. The threads run
chunks of rows rather than rows, so that the heavy code is compiled once and called.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metaenvs.kernels.foreign import take_ticket
from metaenvs.kernels.random import fold
from metaenvs.kernels.row_function import row_function
from metaenvs.kernels.trial import (
    advance,
    begin_trial,
    draw_accepted,
    is_legal,
    observe,
    write_report,
)

__all__ = ["CHUNK_ROWS", "draw_tasks", "run_rows", "share_rows"]

prange = range

CHUNK_ROWS = 64
"""Rows that a thread takes at once."""


@row_function(inline=False)
def run_chunk(
    first: Any,
    last: Any,
    settings: Any,
    parameters: Any,
    rows: Any,
    tasks: Any,
    words: Any,
    states: Any,
    pins: Any,
    pool: Any,
    pool_cumulative: Any,
    mask: Any,
    actions: Any,
    observations: Any,
    rewards: Any,
    terminated: Any,
    truncated: Any,
    reports: Any,
    final_observations: Any,
    final_reports: Any,
) -> None:
    """Step, or begin, rows ``first`` to ``last - 1``."""
    for position in range(first, last):
        index = np.uint64(position)
        if mask.shape[0] == 0:
            advance(
                index, settings, parameters, rows, tasks, words, states, pins, pool,
                pool_cumulative, actions, observations, rewards, terminated, truncated, reports,
                final_observations, final_reports,
            )  # fmt: skip
        else:
            if mask[index]:
                begin_trial(
                    index, settings, parameters, rows, tasks, words, states, pins, pool,
                    pool_cumulative,
                )  # fmt: skip
            write_report(index, parameters, rows, tasks, states, reports, False, False)
            observe(parameters, tasks[index], states[index], observations[index])


@row_function(inline=False)
def work(
    settings: Any,
    parameters: Any,
    rows: Any,
    tasks: Any,
    words: Any,
    states: Any,
    pins: Any,
    pool: Any,
    pool_cumulative: Any,
    mask: Any,
    actions: Any,
    observations: Any,
    rewards: Any,
    terminated: Any,
    truncated: Any,
    reports: Any,
    final_observations: Any,
    final_reports: Any,
) -> None:
    """Step, or begin, rows that no other worker has taken, until there are none left."""
    index = take_ticket(settings.next_row_address)
    while index < rows.shape[0]:
        run_chunk(
            index, index + 1, settings, parameters, rows, tasks, words, states, pins, pool,
            pool_cumulative, mask, actions, observations, rewards, terminated, truncated, reports,
            final_observations, final_reports,
        )  # fmt: skip
        index = take_ticket(settings.next_row_address)


@row_function(inline=False)
def find_refused(settings: Any, rows: Any, actions: Any) -> int:
    """First row that may not be stepped, or -1."""
    # All actions are looked at, legal or not: without a way out the loop runs many at once. Rows
    # are left alone where they may be stepped anyhow: they lie in the caches of other threads.
    refused = 0
    for index in range(rows.shape[0]):
        refused += not is_legal(settings, actions[index])
    if not settings.next_step:
        for index in range(rows.shape[0]):
            refused += rows[index].finished
    if refused == 0:
        return -1
    first = 0
    while is_legal(settings, actions[first]) and (settings.next_step or not rows[first].finished):
        first += 1
    return first


def run_rows(
    settings: Any,
    parameters: Any,
    rows: Any,
    tasks: Any,
    words: Any,
    states: Any,
    pins: Any,
    pool: Any,
    pool_cumulative: Any,
    mask: Any,
    actions: Any,
    observations: Any,
    rewards: Any,
    terminated: Any,
    truncated: Any,
    reports: Any,
    final_observations: Any,
    final_reports: Any,
) -> int:
    """Step every row; or, where ``mask`` is not empty, begin a new trial in the rows it marks.

    Answers -1; or the first row that may not be stepped, and then none has been.
    """
    num_rows = rows.shape[0]
    if mask.shape[0] == 0:
        refused: int = find_refused(settings[0], rows, actions)
        if refused >= 0:
            return refused
    for chunk in prange((num_rows + CHUNK_ROWS - 1) // CHUNK_ROWS):
        run_chunk(
            chunk * CHUNK_ROWS, min((chunk + 1) * CHUNK_ROWS, num_rows), settings[0],
            parameters[0], rows, tasks, words, states, pins, pool, pool_cumulative, mask, actions,
            observations, rewards, terminated, truncated, reports, final_observations,
            final_reports,
        )  # fmt: skip
    return -1


def share_rows(
    settings: Any,
    parameters: Any,
    rows: Any,
    tasks: Any,
    words: Any,
    states: Any,
    pins: Any,
    pool: Any,
    pool_cumulative: Any,
    mask: Any,
    actions: Any,
    observations: Any,
    rewards: Any,
    terminated: Any,
    truncated: Any,
    reports: Any,
    final_observations: Any,
    final_reports: Any,
) -> int:
    """The same by workers, one a thread, who take rows one by one: for rows that cost much.

    Each worker has its own record of ``parameters``.
    """
    if mask.shape[0] == 0:
        refused: int = find_refused(settings[0], rows, actions)
        if refused >= 0:
            return refused
    settings[0].next_row = 0
    for worker in prange(parameters.shape[0]):
        work(
            settings[0], parameters[worker], rows, tasks, words, states, pins, pool,
            pool_cumulative, mask, actions, observations, rewards, terminated, truncated,
            reports, final_observations, final_reports,
        )  # fmt: skip
    return -1


def draw_tasks(
    settings: Any, parameters: Any, tasks: Any, words: Any, scratch: Any, key: Any
) -> None:
    """Fill ``tasks`` with draws of the split: task ``i`` is a function of ``key[0]`` and i."""
    for index in prange(tasks.shape[0]):
        draw_accepted(
            settings[0], parameters[0], tasks[index], words[index], scratch[index],
            fold(key[0], index),
        )  # fmt: skip
