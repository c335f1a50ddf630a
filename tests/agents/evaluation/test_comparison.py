"""Runs side by side, and the page made of them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.evaluation.comparison import compare_runs, label_runs
from agents.evaluation.report import report_page, write_report
from agents.evaluation.table import EvaluationRow, read_table, write_table

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


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        make_run(tmp_path / f"{agent}-{seed}", agent, seed) for agent in BEST for seed in range(3)
    ]


def test_runs_that_differ_in_the_seed_alone_are_one_agent(runs: list[Path]) -> None:
    found = compare_runs(runs)
    assert list(found.agents) == ["rl2", "e-rl2", "random"]
    assert (found.num_tasks, found.num_episodes, found.num_rollouts) == (8, 3, (2, 2))
    assert found.folders["e-rl2"] == tuple(runs[3:])
    assert found.settings["rl2"] == {"env_id": "metaenvs/Some-v0", "episodes_per_trial": 3}
    expected = BEST["rl2"] + np.arange(3)[:, None] / 100 + np.arange(8) / 10 + 2
    np.testing.assert_allclose(found.agents["rl2"].scores(), expected)
    # The random agent was evaluated beside each of six runs, and is one run all the same.
    assert found.agents["random"].returns.shape == (1, 8, 3)


def test_labels_tell_configurations_apart() -> None:
    small, large = {"seed": 0, "hidden_size": 8}, {"seed": 0, "hidden_size": 64}
    configurations = [("rl2", small), ("rl2", {**small, "seed": 4}), ("rl2", large), ("x", small)]
    assert label_runs(configurations) == [
        "rl2 (hidden_size=8)", "rl2 (hidden_size=8)", "rl2 (hidden_size=64)", "x",
    ]  # fmt: skip


def test_runs_that_do_not_compare_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="given twice"):
        compare_runs([runs[0], runs[0].parent / "." / runs[0].name])
    with pytest.raises(ValueError, match="at least one run"):
        compare_runs([])
    with pytest.raises(ValueError, match="metaenvs evaluate .*rl2-0 --split train"):
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
    with pytest.raises(ValueError, match=r"rl2-1'\] have no table"):
        compare_runs(runs[:2])


def test_the_page_needs_nothing_else_and_says_what_it_shows(
    runs: list[Path], tmp_path: Path
) -> None:
    (runs[0] / "trial.png").write_bytes(b"\x89PNG picture")
    page = report_page(compare_runs(runs))
    assert page == report_page(compare_runs(runs))
    links = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]+)', page)
    assert len(links) == 4
    assert all(link.startswith("data:image/") for link in links)
    assert "<script" not in page
    assert "8 tasks of split" in page
    assert "2 parallel tries of each" in page
    assert "rl2: 3 training seeds, e-rl2: 3 training seeds" in page
    # Scores of e-rl2: 2 + {0, 0.01, 0.02} + task / 10 + 2; the middle half is symmetric.
    assert f"<td>{2 + 0.01 + 0.35 + 2:.3f}<span" in page
    # It beats the others by more than the spread of a task.
    assert '<td>1.000<span class="interval">1.000 to 1.000</span></td>' in page
    assert "episodes 2 to 3" in report_page(compare_runs(runs), from_episode=2)
    write_report(tmp_path / "page.html", compare_runs(runs))
    assert (tmp_path / "page.html").read_text() == page
    assert len(page) < 5_000_000
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_names_are_text_not_markup(tmp_path: Path) -> None:
    first = make_run(tmp_path / "a<b>", "rl2", 0, note="<script>alert(1)</script>")
    second = make_run(tmp_path / "c", "rl2", 0, note="&amp;")
    page = report_page(compare_runs([first, second]))
    assert "<script" not in page
    assert "a<b>" not in page
    assert "&amp;amp;" in page
