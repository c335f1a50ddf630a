"""Runs side by side."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.evaluation.comparison import compare_runs, label_runs
from agents.evaluation.table import read_table, write_table


def test_runs_that_differ_in_the_seed_alone_are_one_agent(runs: list[Path]) -> None:
    found = compare_runs(runs)
    assert list(found.agents) == ["rl2", "e-rl2", "random"]
    assert (found.num_tasks, found.num_episodes, found.num_rollouts) == (8, 3, (2, 2))
    assert found.folders["e-rl2"] == tuple(runs[3:])
    assert found.settings["rl2"] == {"env_id": "metaenvs/Some-v0", "episodes_per_trial": 3}
    expected = 1.0 + np.arange(3)[:, None] / 100 + np.arange(8) / 10 + 2
    np.testing.assert_allclose(found.agents["rl2"].scores(), expected)
    # The random agent was evaluated beside each of six runs, and is one run all the same.
    assert found.agents["random"].returns.shape == (1, 8, 3)


def test_labels_tell_configurations_apart() -> None:
    small, large = {"seed": 0, "hidden_size": 8}, {"seed": 0, "hidden_size": 64}
    configurations = [("rl2", small), ("rl2", {**small, "seed": 4}), ("rl2", large), ("x", small)]
    assert label_runs(configurations) == [
        "rl2 (hidden_size=8)", "rl2 (hidden_size=8)", "rl2 (hidden_size=64)", "x",
    ]  # fmt: skip


def test_runs_that_do_not_compare_are_refused(
    runs: list[Path], make_run: Any, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="given twice"):
        compare_runs([runs[0], runs[0].parent / "." / runs[0].name])
    with pytest.raises(ValueError, match="at least one run"):
        compare_runs([])
    with pytest.raises(ValueError, match=r"metaenvs evaluate .*rl2-0 --split train"):
        compare_runs(runs[:1], "train")
    fewer = make_run(tmp_path / "fewer", "e-rl2", 9, num_tasks=4, hidden_size=1)
    with pytest.raises(ValueError, match="not evaluated on the same tasks"):
        compare_runs([fewer, runs[0]])
    table = runs[0] / "evaluation-test.csv"
    rows = read_table(table)
    changed = dataclasses.replace(rows[-1], episode_return=7.0)
    write_table(table, [*rows[:-1], changed])
    with pytest.raises(ValueError, match=r"disagree about agent 'random' on task 7: .*rl2-1"):
        compare_runs(runs[:2])
    write_table(table, rows[-6:])
    with pytest.raises(ValueError, match="has no row of 'rl2'"):
        compare_runs(runs[:1])


def test_the_split_is_the_one_that_all_runs_have(runs: list[Path]) -> None:
    (runs[0] / "evaluation-train.csv").write_bytes((runs[0] / "evaluation-test.csv").read_bytes())
    assert compare_runs(runs).split == "test"
    (runs[0] / "evaluation-test.csv").rename(runs[0] / "evaluation-moderate.csv")
    with pytest.raises(ValueError, match=r"tables of the splits \['moderate', 'train'\]; choose"):
        compare_runs(runs[:1])
    (runs[1] / "evaluation-test.csv").unlink()
    with pytest.raises(ValueError, match=r"rl2-1 has none\."):
        compare_runs(runs[:2])
