"""Runs put side by side: their tables as one, and which of them are runs of the same agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.evaluation.scores import AgentReturns, returns_of_agents
from agents.evaluation.table import EvaluationRow, read_table
from agents.metrics_file import METRICS
from agents.runs import read_config

__all__ = ["Comparison", "compare_runs", "label_runs"]

SEED = "seed"
TABLE_NAME = "evaluation-{split}.csv"


@dataclass(frozen=True)
class Comparison:
    """What a report is made of."""

    family: str
    split: str
    agents: dict[str, AgentReturns]
    """By label: trained agents first, then those for reference."""
    folders: dict[str, tuple[Path, ...]]
    """The runs of each trained agent."""
    settings: dict[str, dict[str, Any]]
    """Configuration of each trained agent, without the seed."""
    num_rollouts: tuple[int, int]
    """Fewest and most of a task."""

    @property
    def num_tasks(self) -> int:
        """Number of tasks, the same for all agents."""
        return len(next(iter(self.agents.values())).task_ids)

    @property
    def num_episodes(self) -> int:
        """Episodes of a trial."""
        return int(next(iter(self.agents.values())).returns.shape[2])

    @property
    def metrics(self) -> dict[str, list[Path]]:
        """Metrics files of the trained agents that have them in every run."""
        files = {
            label: [folder / METRICS for folder in mine] for label, mine in self.folders.items()
        }
        return {
            label: paths for label, paths in files.items() if all(path.exists() for path in paths)
        }


def compare_runs(folders: Sequence[Path], split: str | None = None) -> Comparison:
    """Read the evaluation tables of runs.

    Runs of one agent are those whose configuration differs in the seed alone. Agents for reference
    (every other agent of a table) were evaluated beside each run: the same episodes count once.

    Args:
        folders: Of evaluated runs.
        split: Whose table is read; None is the one that all runs have, "test" if that is not one.

    Raises:
        ValueError: No run, one given twice, one without a table, or tables that were not made
            alike (family, tasks, rollouts, episodes).
    """
    if not folders:
        raise ValueError("Comparing needs at least one run, got none.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ValueError("A run is given twice; its results would count as two seeds.")
    configurations = [read_config(folder) for folder in folders]
    split = _choose_split(folders) if split is None else split
    labels = label_runs(configurations)
    trained: list[EvaluationRow] = []
    others: dict[tuple[Any, ...], EvaluationRow] = {}
    for folder, (agent, _), label in zip(folders, configurations, labels, strict=True):
        path = folder / TABLE_NAME.format(split=split)
        if not path.exists():
            raise ValueError(
                f"{folder} has no table of split {split!r}: "
                f"metaenvs evaluate {folder} --split {split} writes it."
            )
        rows = read_table(path)
        if not any(row.agent == agent for row in rows):
            raise ValueError(f"{path} has no row of {agent!r}, the agent of its run.")
        for row in rows:
            if row.agent == agent:
                trained.append(dataclasses.replace(row, agent=label, run=str(folder)))
                continue
            key = (row.agent, row.run, row.family, row.task_id, row.rollout, row.episode)
            before = others.setdefault(key, row)
            if before.episode_return != row.episode_return:
                raise ValueError(
                    f"The tables disagree about agent {row.agent!r} on task {row.task_id}: {folder}"
                    " was evaluated with other settings than the runs before it."
                )
    agents = returns_of_agents([*trained, *others.values()])
    first = agents[labels[0]]
    for label, mine in agents.items():
        same_tasks = np.array_equal(mine.task_ids, first.task_ids)
        if not same_tasks or mine.returns.shape[2] != first.returns.shape[2]:
            raise ValueError(
                f"{label} and {labels[0]} were not evaluated on the same tasks and episodes; "
                "compare runs of one family with the same arguments, evaluated with the same "
                "--num-tasks, --episodes and --seed."
            )
    rollouts = [int(number) for agent in agents.values() for number in agent.rollouts]
    return Comparison(
        family=trained[0].family,
        split=split,
        agents=agents,
        folders={
            label: tuple(
                folder for folder, its in zip(folders, labels, strict=True) if its == label
            )
            for label in dict.fromkeys(labels)
        },
        settings={
            label: {name: value for name, value in fields.items() if name != SEED}
            for label, (_, fields) in zip(labels, configurations, strict=True)
        },
        num_rollouts=(min(rollouts), max(rollouts)),
    )


def label_runs(configurations: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """A label for each run (agent, configuration), the same for those that differ in the seed only.

    It is the agent's name, and where an agent comes in several configurations, what tells them
    apart as well.
    """
    labels = []
    for agent, fields in configurations:
        rivals = [other for name, other in configurations if name == agent]
        telling = [
            name
            for name in fields
            if name != SEED and any(other.get(name) != fields[name] for other in rivals)
        ]
        told = ", ".join(f"{name}={fields[name]}" for name in telling)
        labels.append(f"{agent} ({told})" if told else agent)
    return labels


def _choose_split(folders: Sequence[Path]) -> str:
    """The split of which all runs have a table."""
    before, after = TABLE_NAME.split("{split}")
    found = [
        {path.name[len(before) : -len(after)] for path in folder.glob(f"{before}*{after}")}
        for folder in folders
    ]
    common = set.intersection(*found)
    if "test" in common:
        return "test"
    if len(common) == 1:
        return common.pop()
    if common:
        raise ValueError(f"The runs have tables of the splits {sorted(common)}; choose a --split.")
    told = ", ".join(
        f"{folder} has {sorted(splits) or 'none'}"
        for folder, splits in zip(folders, found, strict=True)
    )
    raise ValueError(
        f"There is no split of which all runs have a table: {told}. `metaenvs evaluate RUN "
        "--split SPLIT` writes one."
    )
