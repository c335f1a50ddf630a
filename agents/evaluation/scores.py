"""From the evaluation table to arrays of returns by run, task and episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agents.evaluation.table import EvaluationRow

__all__ = ["AgentReturns", "returns_of_agents"]


@dataclass(frozen=True)
class AgentReturns:
    """Returns of one agent, averaged over rollouts."""

    agent: str
    runs: tuple[str, ...]
    task_ids: npt.NDArray[np.int64]
    """Of the tasks (tasks,), ascending."""
    returns: npt.NDArray[np.float64]
    """(runs, tasks, episodes)."""
    rollouts: npt.NDArray[np.int64]
    """Rollouts of each task in each run (tasks,)."""

    def scores(self, from_episode: int | None = None) -> npt.NDArray[np.float64]:
        """Mean return (runs, tasks) of the episodes from ``from_episode`` (1, 2, ...) on.

        None is the last episode alone: what the agent does once it has adapted.

        Raises:
            ValueError: There is no such episode.
        """
        episodes = self.returns.shape[2]
        first = episodes if from_episode is None else from_episode
        if not 1 <= first <= episodes:
            raise ValueError(f"from_episode must be from 1 to {episodes}, got {first}.")
        return np.asarray(self.returns[:, :, first - 1 :].mean(2))


def returns_of_agents(
    rows: Sequence[EvaluationRow], of: str = "episode_return"
) -> dict[str, AgentReturns]:
    """Returns of every agent of a table, by name, in the order in which they appear.

    Rollouts of one task are no independent samples of the tasks: their mean is the task's return.

    Args:
        rows: In any order, of one family and one split.
        of: Another column in the returns' place: ``length``, ``success``, or a recorded entry of
            ``info``.

    Raises:
        ValueError: No row, several families or splits, an episode that is there twice, or one
            that is missing; all runs of an agent need the same tasks, rollouts and episodes.
            A column that the table lacks.
    """
    if not rows:
        raise ValueError("Expected an evaluation table with at least one row, got none.")
    for name in ("family", "split"):
        found = sorted({str(getattr(row, name)) for row in rows})
        if len(found) > 1:
            raise ValueError(
                f"Statistics need a table of one {name}, got {found}; take them one by one."
            )
    by_agent: dict[str, list[EvaluationRow]] = {}
    for row in rows:
        by_agent.setdefault(row.agent, []).append(row)
    return {agent: _returns_of(agent, mine, of) for agent, mine in by_agent.items()}


def _returns_of(agent: str, rows: Sequence[EvaluationRow], of: str) -> AgentReturns:
    runs, run = np.unique([row.run for row in rows], return_inverse=True)
    tasks, task = np.unique(np.array([row.task_id for row in rows]), return_inverse=True)
    rollout = np.array([row.rollout for row in rows])
    episode = np.array([row.episode for row in rows])
    keys = np.stack([run, task, rollout, episode])
    distinct, copies = np.unique(keys, axis=1, return_counts=True)
    if copies.max() > 1:
        _, a_task, a_rollout, an_episode = distinct[:, copies.argmax()]
        raise ValueError(
            f"Agent {agent!r} has episode {an_episode} of rollout {a_rollout} on task "
            f"{tasks[a_task]} {copies.max()} times; every run needs a name of its own."
        )
    shape = (len(runs), len(tasks), int(episode.max()) + 1)
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, (run, task, episode), 1)
    if (counts != counts[:1, :, :1]).any() or not counts.all():
        raise ValueError(
            f"Agent {agent!r} lacks episodes: every run needs the same tasks, rollouts and "
            f"episodes, got {counts.min()} to {counts.max()} rollouts in {len(runs)} runs, "
            f"{len(tasks)} tasks and {shape[2]} episodes."
        )
    # Sorted first, so that the order of the table does not change the last digit of a sum.
    order = np.lexsort(keys[::-1])
    sums = np.zeros(shape)
    returns = _column(rows, of)
    np.add.at(sums, (run[order], task[order], episode[order]), returns[order])
    return AgentReturns(agent, tuple(runs.tolist()), tasks, sums / counts, counts[0, :, 0])


def _column(rows: Sequence[EvaluationRow], name: str) -> npt.NDArray[np.float64]:
    if name in ("episode_return", "length", "success"):
        return np.array([getattr(row, name) for row in rows], np.float64)
    if any(name not in row.info for row in rows):
        raise ValueError(
            f"The table has episode_return, length, success and, recorded in all rows, "
            f"{sorted(set.intersection(*(set(row.info) for row in rows)))}; not {name!r}."
        )
    return np.array([row.info[name] for row in rows])
