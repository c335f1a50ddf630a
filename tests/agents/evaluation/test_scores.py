"""Arrays of returns from the table, in any order and of bad tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from agents.evaluation.scores import returns_of_agents
from agents.evaluation.table import EvaluationRow


def table_of(returns: Any, agent: str = "known") -> list[EvaluationRow]:
    """The table of returns (runs, tasks, rollouts, episodes)."""
    return [
        EvaluationRow(
            agent=agent, family="family", split="test", task_id=-5 + 3 * task, rollout=rollout,
            episode=episode, episode_return=float(value), length=1, env_steps_before=episode,
            success=float("nan"), run=f"seed {run}",
        )
        for (run, task, rollout, episode), value in np.ndenumerate(returns)
    ]  # fmt: skip


RETURNS = np.random.default_rng(0).normal(size=(3, 4, 2, 5))


def test_a_known_table_gives_its_returns_in_any_order() -> None:
    rows = [*table_of(RETURNS), *table_of(RETURNS[:1] + 1, "other")]
    shuffled = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    for order in (rows, shuffled):
        agents = returns_of_agents(order)
        known = agents["known"]
        assert known.runs == ("seed 0", "seed 1", "seed 2")
        assert known.task_ids.tolist() == [-5, -2, 1, 4]
        assert known.rollouts.tolist() == [2, 2, 2, 2]
        assert known.returns.tolist() == RETURNS.mean(2).tolist()
        assert known.scores().tolist() == RETURNS.mean(2)[:, :, 4].tolist()
        np.testing.assert_allclose(known.scores(3), RETURNS[..., 2:].mean((2, 3)), rtol=1e-13)
        assert agents["other"].returns.shape == (1, 4, 5)
    assert list(returns_of_agents(rows)) == ["known", "other"]


def test_tasks_with_more_rollouts_count_as_one_task() -> None:
    rows = [row for row in table_of(RETURNS) if row.task_id != 1 or row.rollout == 0]
    known = returns_of_agents(rows)["known"]
    assert known.rollouts.tolist() == [2, 2, 1, 2]
    assert known.returns[:, 2].tolist() == RETURNS[:, 2, 0].tolist()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: [], "at least one row"),
        (lambda rows: rows[1:], "lacks episodes: every run needs the same"),
        (lambda rows: [row for row in rows if row.episode != 2], "lacks episodes"),
        (lambda rows: [row for row in rows if (row.run, row.task_id) != ("seed 1", 4)], "lacks"),
        (lambda rows: [*rows, rows[7]], "episode 2 of rollout 1 on task -5 2 times"),
        (lambda rows: [*rows, dataclasses.replace(rows[0], family="b")], "one family, got"),
        (lambda rows: [*rows, dataclasses.replace(rows[0], split="train")], "one split, got"),
    ],
)
def test_incomplete_and_mixed_tables_are_refused(spoil: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        returns_of_agents(spoil(table_of(RETURNS)))


@pytest.mark.parametrize("first", [0, 6])
def test_there_is_no_such_episode(first: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to 5, got {first}"):
        returns_of_agents(table_of(RETURNS))["known"].scores(first)
