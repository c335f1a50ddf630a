"""Kernel templates: loops over the rows of a batch, alone or with helpers.

The names that are called here are bound to compiled row functions by
:func:`metaenvs.kernels.compile.build_kernel`, which also compiles the template itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metaenvs.kernels.foreign import address_of, value_at
from metaenvs.kernels.helpers import close_job, next_chunk, open_job
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

__all__ = ["draw_tasks", "help_with_rows", "run_rows"]

ARGUMENTS = None  # Numba's type of all arguments of run_rows, where that is compiled.


@row_function(inline=False)
def run_chunk(
    first: Any,
    last: Any,
    settings: Any,
    parameters: Any,
    batch: Any,
    mask: Any,
    actions: Any,
    result: Any,
) -> None:
    """Step, or begin, rows ``first`` to ``last - 1``."""
    for position in range(first, last):
        index = np.uint64(position)
        if mask.shape[0] == 0:
            advance(index, settings, parameters, batch, actions, result)
        else:
            if mask[index]:
                begin_trial(index, settings, parameters, batch)
            write_report(index, parameters, batch, result.report, False, False)
            observe(parameters, batch.tasks[index], batch.states[index], result.observation[index])


@row_function(inline=False)
def share_rows(
    board: Any,
    worker: Any,
    settings: Any,
    parameters: Any,
    batch: Any,
    mask: Any,
    actions: Any,
    result: Any,
) -> None:
    """Step, or begin, the rows of one worker, and then those that the others have left."""
    num_rows = batch.rows.shape[0]
    size = settings[0].chunk_rows
    num_chunks = (num_rows + size - 1) // size
    chunk = next_chunk(board, worker, num_chunks)
    while chunk < num_chunks:
        run_chunk(
            chunk * size, min((chunk + 1) * size, num_rows), settings[0], parameters[worker],
            batch, mask, actions, result,
        )  # fmt: skip
        chunk = next_chunk(board, worker, num_chunks)


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
    board: Any,
    settings: Any,
    parameters: Any,
    batch: Any,
    mask: Any,
    actions: Any,
    result: Any,
) -> int:
    """Step every row; or, where ``mask`` is not empty, begin a new trial in the rows it marks.

    Args:
        board: Of helpers; an empty one leaves all to the calling thread.
        settings: (1,)
        parameters: A record of the family's for each worker.
        batch: :class:`metaenvs.kernels.trial.RowArrays`
        mask: (rows,) bool, or empty.
        actions: (rows, ...)
        result: Written: :class:`metaenvs.kernels.trial.StepResult`.

    Returns:
        -1; or the first row that may not be stepped, and then none has been.
    """
    if mask.shape[0] == 0:
        refused: int = find_refused(settings[0], batch.rows, actions)
        if refused >= 0:
            return refused
    if board.shape[0] == 0 or parameters.shape[0] == 1:
        num_rows = batch.rows.shape[0]
        run_chunk(0, num_rows, settings[0], parameters[0], batch, mask, actions, result)
        return -1
    arguments = (board, settings, parameters, batch, mask, actions, result)
    open_job(board, settings[0].help_address, address_of(arguments), parameters.shape[0])
    share_rows(board, 0, settings, parameters, batch, mask, actions, result)
    close_job(board)
    return -1


def help_with_rows(address: Any, worker: Any) -> None:
    """What a helper does: the share of ``worker`` in a job of :func:`run_rows`."""
    board, settings, parameters, batch, mask, actions, result = value_at(address, ARGUMENTS)
    share_rows(board, np.int64(worker), settings, parameters, batch, mask, actions, result)


def draw_tasks(
    settings: Any, parameters: Any, tasks: Any, words: Any, scratch: Any, key: Any
) -> None:
    """Fill ``tasks`` with draws of the split: task ``i`` is a function of ``key[0]`` and i."""
    for index in range(tasks.shape[0]):
        draw_accepted(
            settings[0], parameters[0], tasks[index], words[index], scratch[index],
            fold(key[0], index),
        )  # fmt: skip
