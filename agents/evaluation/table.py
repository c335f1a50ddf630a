"""The evaluation table: one row per episode, from which all statistics are made."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields

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


def write_table(path: str | os.PathLike[str], rows: Sequence[EvaluationRow]) -> None:
    """Write rows as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EvaluationRow)])
    writer.writeheader()
    # Not dataclasses.asdict, which copies deeply and takes most of the time.
    writer.writerows(vars(row) for row in rows)
    write_whole(path, text.getvalue())


def read_table(path: str | os.PathLike[str]) -> list[EvaluationRow]:
    """Read what :func:`write_table` wrote; ValueError where it is something else."""
    kinds = {"int": int, "float": float, "str": str}
    columns = {field.name: kinds[str(field.type)] for field in fields(EvaluationRow)}
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        if set(reader.fieldnames or ()) != set(columns):
            raise ValueError(
                f"{os.fspath(path)} is no evaluation table: expected the columns "
                f"{sorted(columns)}, got {sorted(reader.fieldnames or ())}."
            )
        return [
            EvaluationRow(**{name: kind(line[name]) for name, kind in columns.items()})
            for line in reader
        ]


def returns_by_episode(rows: Sequence[EvaluationRow]) -> npt.NDArray[np.float64]:
    """Returns (task and rollout, episode) of a table that holds one agent on one split."""
    num_episodes = 1 + max(row.episode for row in rows)
    episodes = np.array([row.episode for row in rows])
    if len(rows) % num_episodes or (episodes != np.arange(len(rows)) % num_episodes).any():
        raise ValueError("Expected whole trials of one length, episode after episode.")
    return np.array([row.episode_return for row in rows]).reshape(-1, num_episodes)
