"""The study of E-RL² against RL²: its quick size writes what the full one does."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from agents import many_runs
from agents.evaluation.table import read_table
from agents.training_run import train_run

QUANTITIES = ["episode_return", "tile_types_visited", "trial_deaths", "trial_goals"]


class Here:
    """Trains runs in this process: starting one for each takes longer than they do."""

    def __init__(self, processes: int) -> None:
        self.runs: list[Path] = []

    def begin(self, run: Path) -> None:
        train_run(run)
        self.runs.append(run)

    def ended(self) -> list[tuple[Path, None]]:
        done, self.runs = self.runs, []
        return [(run, None) for run in done]

    def close(self) -> None:
        pass


def test_quick_size_writes_scores_summary_and_figures(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(many_runs, "LocalWorkers", Here)
    monkeypatch.setattr("sys.argv", ["exploration_rl2", str(tmp_path), "--quick"])
    load("exploration_rl2").main()
    figures = [path.stem for path in tmp_path.glob("*.png")]
    assert sorted(figures) == sorted([*QUANTITIES, "learning"])
    with open(tmp_path / "scores.csv", newline="") as file:
        scores = {(row["agent"], row["run"], row["episode"]): row for row in csv.DictReader(file)}
    runs = [(agent, run) for agent in ("rl2", "e-rl2") for run in ("seed0", "seed1")]
    references = [("random", "seed 0"), ("oracle", "seed 0")]
    assert {(agent, run) for agent, run, _ in scores} == {*runs, *references}
    for agent, run in runs:
        table = read_table(tmp_path / agent / run / "evaluation-test.csv")
        for episode in range(5):
            rows = [row for row in table if (row.agent, row.episode) == (agent, episode)]
            assert len(rows) == 4 * 4
            row = scores[agent, run, str(episode + 1)]
            mean = sum(one.episode_return for one in rows) / len(rows)
            assert float(row["episode_return"]) == pytest.approx(mean, abs=1e-5)
            goals = sum(one.info["trial_goals"] for one in rows) / len(rows)
            assert float(row["trial_goals"]) == pytest.approx(goals, abs=1e-5)
    summary = (tmp_path / "summary.md").read_text()
    assert "2 paired seeds" in summary and summary.count(" of 2 |") == len(QUANTITIES) + 2
