"""The study of exploration in MAML: it goes on where it was left, and writes what is whole."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SHARED = {
    "env_id": "metaenvs/GridCorners-v0", "num_tasks": 2, "rollouts_per_task": 4,
    "hidden_sizes": (4,), "total_env_steps": 3 * 2 * 2 * 4 * 16,
}  # fmt: skip


def test_results_are_written_when_no_run_lacks(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    study = load("exploration_maml")
    arms = {"MAML (score)": {}, "order 1": {"inner_estimator": "lvc"}}
    results, runs = tmp_path / "results", tmp_path / "runs"
    for name, value in (
        ("STUDIES", {"grid": (SHARED, arms)}), ("SEEDS", 2), ("BINS", 3), ("RESULTS", results)
    ):  # fmt: skip
        monkeypatch.setattr(study, name, value)

    def run(*options: str) -> None:
        monkeypatch.setattr("sys.argv", ["exploration_maml", str(runs), *options])
        study.main()

    run("--most", "3")
    first = {path: path.stat().st_mtime_ns for path in runs.rglob("*.csv")}
    assert len(first) == 3
    assert not results.exists()
    run()
    assert len(list(runs.rglob("*.csv"))) == 4
    assert {path: path.stat().st_mtime_ns for path in first} == first
    with open(results / "grid-runs.csv", newline="") as file:
        finals = {(row["arm"], row["seed"]): row for row in csv.DictReader(file)}
    assert set(finals) == {(arm, seed) for arm in arms for seed in ("0", "1")}
    for (arm, seed), row in finals.items():
        with open(study.path_of(runs, "grid", arm, int(seed)), newline="") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == 3
        # The last quarter of three iterations is the last.
        assert float(row["return_after"]) == pytest.approx(float(lines[-1]["return_after"]), 1e-3)
        assert 0 <= float(row["seen_in_episode"]) <= float(row["seen_before"]) <= 4
    text = (results / "grid-tables.md").read_text()
    assert "2 paired seeds, 768 environment steps" in text
    assert {path.stem for path in results.glob("*.png")} == {
        f"grid-{name}" for name in ("return-before", "return-after", "seen-before", "at-goal")
    }
    changed = {**SHARED, "inner_rate": 0.5}
    assert study.path_of(runs, "grid", "order 1", 0).exists()
    monkeypatch.setattr(study, "STUDIES", {"grid": (changed, arms)})
    assert not study.path_of(runs, "grid", "order 1", 0).exists()
