"""Kernel templates for a GPU: every thread steps, begins or encodes one row.

The names that are called here are bound to compiled row functions, and ``cuda`` to Numba's module,
by :func:`metaenvs.cuda.kernels.bind_for_device`. Beside what kernels on the CPU do, these say of
each row whether it has just begun a trial (``fresh``), and let a row stand still, instead of all
of them, where its step is refused (``refusals``): the host is told when it asks.
"""

from __future__ import annotations

from typing import Any

from metaenvs.kernels.trial import (
    RowArrays,
    StepResult,
    advance,
    begin_trial,
    is_legal,
    observe,
    write_report,
)

__all__ = [
    "FINISHED", "ILLEGAL_ACTION", "NOT_REFUSED", "begin_rows", "encode_rows", "step_rows",
]  # fmt: skip

cuda: Any = None

NOT_REFUSED, ILLEGAL_ACTION, FINISHED = 0, 1, 2


def step_rows(
    settings: Any,
    parameters: Any,
    rows: Any,
    tasks: Any,
    words: Any,
    states: Any,
    pins: Any,
    pool: Any,
    pool_cumulative: Any,
    refusals: Any,
    actions: Any,
    observations: Any,
    rewards: Any,
    terminated: Any,
    truncated: Any,
    fresh: Any,
    reports: Any,
    final_observations: Any,
    final_reports: Any,
) -> None:
    """Step every row; those whose step is refused stand still, now and from then on."""
    index = cuda.grid(1)
    batch = RowArrays(rows, tasks, words, states, pins, pool, pool_cumulative)
    if index < rows.shape[0]:
        if refusals[index] == NOT_REFUSED:
            if rows[index].finished and not settings[0].next_step:
                refusals[index] = FINISHED
            elif not is_legal(settings[0], actions[index]):
                refusals[index] = ILLEGAL_ACTION
        if refusals[index] == NOT_REFUSED:
            trial = rows[index].trial
            result = StepResult(
                observations, rewards, terminated, truncated, reports, final_observations,
                final_reports,
            )  # fmt: skip
            advance(index, settings[0], parameters[0], batch, actions, result)
            fresh[index] = rows[index].trial != trial
        else:
            rewards[index] = 0.0
            terminated[index] = False
            truncated[index] = False
            # What it was told to do must not be shown: it may not even have a code.
            fresh[index] = True
            write_report(index, parameters[0], batch, reports, False, False)
            observe(parameters[0], tasks[index], states[index], observations[index])


def begin_rows(
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
    seeded: Any,
    keys: Any,
    observations: Any,
    reports: Any,
) -> None:
    """Begin a new trial in the rows of ``mask``, those of ``seeded`` with new keys (n, 1)."""
    index = cuda.grid(1)
    batch = RowArrays(rows, tasks, words, states, pins, pool, pool_cumulative)
    if index < rows.shape[0]:
        if seeded[index]:
            rows[index].key = keys[index, 0]
            rows[index].trial = -1
        if mask[index]:
            begin_trial(index, settings[0], parameters[0], batch)
        write_report(index, parameters[0], batch, reports, False, False)
        observe(parameters[0], tasks[index], states[index], observations[index])


def encode_rows(codes: Any, offsets: Any, output: Any) -> None:
    """Set ``output[row, offsets[k] + codes[row, k]]`` to one for every k."""
    index = cuda.grid(1)
    if index < codes.shape[0]:
        for position in range(codes.shape[1]):
            output[index, offsets[position] + codes[index, position]] = 1
