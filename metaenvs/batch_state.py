"""The exact state of a batch as plain named arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.batch import Batch

__all__ = ["RECORDS", "VARIABLE_LENGTH", "check_alike", "read_batch", "write_batch"]

Array = npt.NDArray[Any]

RECORDS = ("rows", "tasks", "states")
"""Arrays of records, one for each row."""
VARIABLE_LENGTH = ("pins", "pool", "pool_cumulative")
"""Arrays whose first axis may have another length than at present."""


def read_batch(batch: Batch) -> dict[str, Array]:
    """Copy everything that a batch holds: rows, tasks, states, pins and pool."""
    state: dict[str, Array] = {}
    for prefix in RECORDS:
        records = getattr(batch, prefix)
        for name in records.dtype.names:
            state[f"{prefix}/{name}"] = records[name].copy()
    for name in VARIABLE_LENGTH:
        state[name] = getattr(batch, name).copy()
    return state


def check_alike(
    expected: Mapping[str, Array], state: Mapping[str, Array], *, optional: Collection[str]
) -> None:
    """Compare the names, shapes and dtypes of a state with those of this environment's.

    Raises:
        ValueError: Naming every array that is missing, unknown or of another shape or dtype.
    """
    wrong = sorted((set(expected) ^ set(state)) - set(optional))
    for name in sorted((set(expected) & set(state)) - set(optional)):
        ours, given = expected[name], np.asarray(state[name])
        first = 1 if name in VARIABLE_LENGTH else 0
        if ours.shape[first:] != given.shape[first:] or ours.dtype != given.dtype:
            wrong.append(
                f"{name}: expected {ours.dtype}{list(ours.shape)}, "
                f"got {given.dtype}{list(given.shape)}"
            )
    if wrong:
        raise ValueError(f"set_state needs the arrays of an environment made alike: {wrong}.")
    lengths = {name: len(state[name]) for name in VARIABLE_LENGTH}
    rows = len(expected["rows/key"])
    if lengths["pins"] not in (0, rows) or lengths["pool"] != lengths["pool_cumulative"]:
        raise ValueError(f"set_state got pins and pools of lengths that do not fit: {lengths}.")


def write_batch(batch: Batch, state: Mapping[str, Array]) -> None:
    """Put a checked state into a batch."""
    for prefix in RECORDS:
        records = getattr(batch, prefix)
        for name in records.dtype.names:
            records[name] = state[f"{prefix}/{name}"]
    for name in VARIABLE_LENGTH:
        setattr(batch, name, np.array(state[name], order="C"))
