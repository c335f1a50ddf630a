"""Folders of runs whose tables are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.evaluation.table import EvaluationRow, write_table

BEST = {"rl2": 1.0, "e-rl2": 2.0}


def table_of(agent: str, level: float, run: str, num_tasks: int) -> list[EvaluationRow]:
    """Returns that are ``level`` above the task's own, and one more in each episode."""
    return [
        EvaluationRow(
            agent=agent, family="metaenvs/Some-v0", split="test", task_id=task, rollout=rollout,
            episode=episode, episode_return=level + task / 10 + episode, length=1,
            env_steps_before=0, success=float("nan"), run=run,
        )
        for task in range(num_tasks)
        for rollout in range(2)
        for episode in range(3)
    ]  # fmt: skip


def make_run(folder: Path, agent: str, seed: int, num_tasks: int = 8, **fields: Any) -> Path:
    folder.mkdir()
    config = {"env_id": "metaenvs/Some-v0", "seed": seed, "episodes_per_trial": 3, **fields}
    content = {"format_version": 1, "agent": agent, "config": config}
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "metrics.csv").write_text(
        f"env_steps,train/return_episode_3\n100,{seed}\n200,{seed + 1}\n"
    )
    level = BEST[agent] + seed / 100
    rows = table_of(agent, level, str(folder), num_tasks)
    write_table(
        folder / "evaluation-test.csv", [*rows, *table_of("random", 0.0, "seed 0", num_tasks)]
    )
    return folder


@pytest.fixture(name="make_run")
def make_run_fixture() -> Callable[..., Path]:
    return make_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        make_run(tmp_path / f"{agent}-{seed}", agent, seed) for agent in BEST for seed in range(3)
    ]
