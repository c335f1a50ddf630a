"""The evaluation table: one row per episode, from which all statistics are made."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from agents.whole_file import write_whole

__all__ = ["EvaluationRow", "read_table", "returns_by_episode", "write_table"]


@dataclass(frozen=True, kw_only=True)
class EvaluationRow:
    """One episode of one rollout on one task."""

    agent: str
    family: str
    split: str
    task_id: int
    rollout: int
    episode: int
    episode_return: float
    length: int
    env_steps_before: int
    """Steps that the agent had spent on the task when the episode began."""
    success: float
    """1 or 0; NaN where the family has no notion of it."""
    run: str = ""
    """Which of the agent's runs (training seeds) this was."""
    info: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What the family's ``info`` told at the episode's end, of the entries that were recorded."""


COLUMNS = {part.name: part for part in fields(EvaluationRow) if part.name != "info"}
PREFIX = "info."


def write_table(path: str | os.PathLike[str], rows: Sequence[EvaluationRow]) -> None:
    """Write rows as CSV, whole or not at all; recorded entries become columns ``info.NAME``.

    Raises:
        ValueError: Not all rows have the same entries.
    """
    recorded = list(rows[0].info) if rows else []
    if any(list(row.info) != recorded for row in rows):
        raise ValueError(f"Expected rows that all recorded {recorded}.")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *(PREFIX + name for name in recorded)])
    # Not dataclasses.astuple, which copies deeply and takes most of the time.
    cells = (vars(row) for row in rows)
    writer.writerows([*(row[name] for name in COLUMNS), *row["info"].values()] for row in cells)
    write_whole(path, text.getvalue())


def read_table(path: str | os.PathLike[str]) -> list[EvaluationRow]:
    """Read what :func:`write_table` wrote; ValueError where it is something else."""
    kinds = {"int": int, "float": float, "str": str}
    columns = {name: kinds[str(part.type)] for name, part in COLUMNS.items()}
    try:
        with open(path, newline="") as file:
            reader = csv.DictReader(file)
            found = set(reader.fieldnames or ())
            recorded = [name for name in reader.fieldnames or () if name.startswith(PREFIX)]
            if found - set(recorded) != set(columns):
                raise ValueError(f"expected the columns {sorted(columns)}, got {sorted(found)}")
            return [
                EvaluationRow(
                    **{name: kind(line[name]) for name, kind in columns.items()},
                    info={name.removeprefix(PREFIX): float(line[name]) for name in recorded},
                )
                for line in reader
            ]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{os.fspath(path)} is no evaluation table, or damaged: {error}."
        ) from error


def returns_by_episode(rows: Sequence[EvaluationRow]) -> npt.NDArray[np.float64]:
    """Returns (task and rollout, episode) of a table that holds one agent on one split."""
    num_episodes = 1 + max(row.episode for row in rows)
    episodes = np.array([row.episode for row in rows])
    if len(rows) % num_episodes or (episodes != np.arange(len(rows)) % num_episodes).any():
        raise ValueError("Expected whole trials of one length, episode after episode.")
    return np.array([row.episode_return for row in rows]).reshape(-1, num_episodes)
