"""The evaluation loop, with agents whose results are known beforehand."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

from agents.evaluation.protocol import Transition, Trials, evaluate, evaluation_tasks
from agents.evaluation.reference_agents import RandomAgent
from agents.evaluation.row_seeds import row_seeds
from agents.evaluation.scores import returns_of_agents
from agents.evaluation.statistics import interquartile_mean
from agents.evaluation.table import (
    EvaluationRow,
    read_table,
    returns_by_episode,
    write_table,
)
from metaenvs import Tasks

BANDIT = "metaenvs/ExplorationBandit-v0"


class Sweeper:
    """Tries arms 1, 2, ... in turn, and stays with the best arm once it has found it."""

    name = "sweeper"

    def begin(self, trials: Trials) -> None:
        self.next_arm = np.ones(trials.num_rows, np.int64)
        self.seen: list[Transition] = []

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self.next_arm.copy()

    def observe(self, transition: Transition) -> None:
        self.seen.append(transition)
        self.next_arm = np.where(transition.reward == 1, self.next_arm, self.next_arm + 1)


def test_a_known_agent_gets_exactly_its_table() -> None:
    tasks = evaluation_tasks(BANDIT, split="all", num_tasks=40, seed=3).unique()
    agent = Sweeper()
    rows = evaluate(agent, BANDIT, tasks, split="all", rollouts=2, episodes=6, seed=0)
    assert len(tasks) == 6
    returns = returns_by_episode(rows)
    assert returns.shape == (12, 6)
    ordered = tasks[np.argsort(tasks.ids)]
    for task, arm in enumerate(ordered["best_arm"]):
        expected = [1.0 if episode + 1 >= arm else -0.5 for episode in range(6)]
        for rollout in range(2):
            assert returns[task * 2 + rollout].tolist() == expected
    first = rows[0]
    assert (first.agent, first.family, first.split) == ("sweeper", BANDIT, "all")
    assert [row.task_id for row in rows[::12]] == ordered.ids.tolist()
    assert [row.env_steps_before for row in rows[:6]] == [0, 1, 2, 3, 4, 5]
    assert all(row.length == 1 and np.isnan(row.success) for row in rows)
    assert all(transition.episode_end.all() for transition in agent.seen)
    assert all(transition.active.all() for transition in agent.seen)


def test_rows_that_have_finished_are_inactive_and_do_not_count() -> None:
    env_id = "metaenvs/KrazyWorldEasy-v0"
    tasks = evaluation_tasks(env_id, split="test", num_tasks=8, seed=0)
    rows = evaluate(RandomAgent(), env_id, tasks, split="test", rollouts=1, episodes=2, seed=1)
    single = gym.make(env_id, episodes_per_trial=2).unwrapped
    tasks = tasks[np.argsort(tasks.ids)]
    first_rollouts = np.zeros(8, np.int64)
    seeds = row_seeds(1, 0, tasks.ids, first_rollouts).tolist()
    agent = RandomAgent()
    agent_seeds = row_seeds(1, 1, tasks.ids, first_rollouts)
    agent.begin(Trials(8, 1, 2, single.observation_space, single.action_space, agent_seeds))
    drawn = [agent.act(np.zeros(8)) for _ in range(200)]
    for row in range(8):
        single.reset(seed=seeds[row], options={"task": tasks[row]})
        returns, lengths, over, time = [0.0, 0.0], [0, 0], False, 0
        while not over:
            _, reward, terminated, truncated, info = single.step(drawn[time][row])
            returns[info["episode_index"]] += reward
            lengths[info["episode_index"]] += 1
            over, time = terminated or truncated, time + 1
        mine = rows[2 * row : 2 * row + 2]
        assert [entry.episode_return for entry in mine] == returns
        assert [entry.length for entry in mine] == lengths


class Replayer:
    """Pulls the arms of a table of returns (tasks, rollouts, episodes) in the bandit.

    Arm 0 gives 0.5, the task's best arm 1; it is told the best arm, as nobody else is.
    """

    name = "replayer"

    def __init__(self, best_arms: npt.NDArray[Any], returns: npt.NDArray[Any]) -> None:
        rows = returns.reshape(-1, returns.shape[2])
        best = np.repeat(best_arms, returns.shape[1])[:, None]
        self.arms = np.where(rows == 0.5, 0, np.where(rows == 1, best, best % 6 + 1))

    def begin(self, trials: Trials) -> None:
        self.episode = 0

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(self.arms[:, self.episode], np.int64)

    def observe(self, transition: Transition) -> None:
        self.episode += 1


def test_replaying_a_known_table_reproduces_its_statistics_exactly() -> None:
    tasks = Tasks({"best_arm": np.arange(1, 7, dtype=np.int16)})
    order = np.argsort(tasks.ids)
    known = np.random.default_rng(0).choice([-0.5, 0.5, 1.0], (10, 6, 4, 5))
    rows = []
    for run in range(10):
        agent = Replayer(tasks["best_arm"][order], known[run])
        rows += evaluate(
            agent, BANDIT, tasks, split="all", rollouts=4, episodes=5, seed=run, run=f"{run}"
        )
    found = returns_of_agents(rows)["replayer"]
    assert found.task_ids.tolist() == tasks.ids[order].tolist()
    assert (found.returns == known.mean(2)).all()
    assert interquartile_mean(found.scores(3)) == interquartile_mean(known.mean(2)[..., 2:].mean(2))


@pytest.mark.parametrize("env_id", [BANDIT, "metaenvs/KrazyWorld-v0"])
def test_order_of_tasks_and_number_of_rows_do_not_change_the_table(env_id: str) -> None:
    split = "all" if env_id == BANDIT else "test"
    tasks = evaluation_tasks(env_id, split=split, num_tasks=16, seed=3)

    def table(tasks: Tasks, rollouts: int) -> list[EvaluationRow]:
        rows = evaluate(
            RandomAgent(), env_id, tasks, split=split, rollouts=rollouts, episodes=3, seed=5
        )
        return [dataclasses.replace(row, success=0.0) for row in rows]

    whole = table(tasks, 3)
    assert len({row.episode_return for row in whole}) > 1
    shuffled = tasks[np.random.default_rng(0).permutation(16)]
    assert table(shuffled, 3) == whole
    distinct = tasks.unique()
    every = set(table(distinct, 3))
    # Fewer tasks, or fewer rollouts, are the same rows of a smaller table.
    assert set(table(distinct[2:5], 2)) == {
        row for row in every if row.task_id in distinct.ids[2:5] and row.rollout < 2
    }
    if env_id == BANDIT:
        assert len(distinct) < 16
        assert len({(row.task_id, row.rollout) for row in whole}) == 48


def test_evaluation_needs_something_to_evaluate() -> None:
    tasks = evaluation_tasks(BANDIT, split="all", num_tasks=2, seed=0)
    for some, rollouts, episodes in ((tasks[:0], 1, 1), (tasks, 0, 1), (tasks, 1, 0)):
        with pytest.raises(ValueError, match="needs at least one of"):
            evaluate(
                RandomAgent(), BANDIT, some, split="all", rollouts=rollouts, episodes=episodes,
                seed=0,
            )  # fmt: skip


def test_evaluation_tasks_come_from_the_split() -> None:
    first = evaluation_tasks("metaenvs/KrazyWorldEasy-v0", split="test", num_tasks=5, seed=0)
    again = evaluation_tasks("metaenvs/KrazyWorldEasy-v0", split="test", num_tasks=5, seed=9)
    assert first == again
    with pytest.raises(ValueError, match="has 64 tasks, 65 were asked for"):
        evaluation_tasks("metaenvs/KrazyWorldEasy-v0", split="test", num_tasks=65, seed=0)


def test_table_survives_the_disk(tmp_path: Any) -> None:
    tasks = evaluation_tasks(BANDIT, split="all", num_tasks=3, seed=3)
    rows = evaluate(RandomAgent(), BANDIT, tasks, split="all", rollouts=2, episodes=5, seed=0)
    write_table(tmp_path / "table.csv", rows)
    again = read_table(tmp_path / "table.csv")
    np.testing.assert_array_equal(returns_by_episode(again), returns_by_episode(rows))
    assert [row.task_id for row in again] == [row.task_id for row in rows]
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no evaluation table, or damaged: expected the columns"):
        read_table(tmp_path / "other.csv")
    whole = (tmp_path / "table.csv").read_bytes()
    for damaged in (b"\xff", whole[:-40], whole.replace(b",0,", b",x,", 1)):
        (tmp_path / "other.csv").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"other.csv is no evaluation table, or damaged"):
            read_table(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="whole trials"):
        returns_by_episode(rows[:7])


class Climber:
    """Goes to the corner above on the right of a grid, and in odd rows to the left first."""

    name = "climber"

    def begin(self, trials: Trials) -> None:
        self.step = 0
        self.rows = trials.num_rows

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        right, left, up = 0, 1, 2
        way = [up] * 2 + [right] * 2 + [left] * 4
        actions = np.full(self.rows, way[self.step % 8])
        return np.where((np.arange(self.rows) % 2 == 1) | (actions == up), actions, right)

    def observe(self, transition: Transition) -> None:
        self.step += 1


def test_recorded_entries_of_info_are_those_at_the_ends_of_episodes(tmp_path: Any) -> None:
    env_id, size = "metaenvs/GridCorners-v0", {"size": 5}
    tasks = evaluation_tasks(env_id, split="all", num_tasks=1, seed=0, env_arguments=size)
    rows = evaluate(
        Climber(), env_id, tasks, split="all", rollouts=2, episodes=3, seed=0,
        env_arguments=size, record=["corners_visited", "corner"],
    )  # fmt: skip
    write_table(tmp_path / "table.csv", rows)
    assert read_table(tmp_path / "table.csv")[0].info == rows[0].info
    assert [(row.rollout, row.info["corners_visited"], row.info["corner"]) for row in rows] == [
        *[(0, 1.0, 3.0)] * 3,
        *[(1, 2.0, 2.0)] * 3,
    ]
    visited = returns_of_agents(rows, "corners_visited")["climber"]
    np.testing.assert_array_equal(visited.returns, np.full((1, 1, 3), 1.5))
    with pytest.raises(ValueError, match=r"\['corner', 'corners_visited'\]; not 'energy'"):
        returns_of_agents(rows, "energy")
    with pytest.raises(ValueError, match=r"can record .*'corner'.* not \['energy'\]"):
        evaluate(
            Climber(), env_id, tasks, split="all", rollouts=1, episodes=1, seed=0,
            env_arguments=size, record=["energy"],
        )  # fmt: skip
    with pytest.raises(ValueError, match="rows that all recorded"):
        write_table(tmp_path / "mixed.csv", [rows[0], dataclasses.replace(rows[1], info={})])
