"""The evaluation loop, with agents whose results are known beforehand."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

from agents.evaluation.protocol import RandomAgent, Transition, evaluate, evaluation_tasks
from agents.evaluation.table import read_table, returns_by_episode, write_table

BANDIT = "metaenvs/ExplorationBandit-v0"


class Sweeper:
    """Tries arms 1, 2, ... in turn, and stays with the best arm once it has found it."""

    name = "sweeper"

    def begin(
        self,
        num_tasks: int,
        rollouts: int,
        episodes: int,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        seed: int,
        device: str,
    ) -> None:
        self.next_arm = np.ones(num_tasks * rollouts, np.int64)
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
    for task, arm in enumerate(tasks["best_arm"]):
        expected = [1.0 if episode + 1 >= arm else -0.5 for episode in range(6)]
        for rollout in range(2):
            assert returns[task * 2 + rollout].tolist() == expected
    first = rows[0]
    assert (first.agent, first.family, first.split) == ("sweeper", BANDIT, "all")
    assert [row.task_id for row in rows[::12]] == tasks.ids.tolist()
    assert [row.env_steps_before for row in rows[:6]] == [0, 1, 2, 3, 4, 5]
    assert all(row.length == 1 and np.isnan(row.success) for row in rows)
    assert all(transition.episode_end.all() for transition in agent.seen)
    assert all(transition.active.all() for transition in agent.seen)


def test_rows_that_have_finished_are_inactive_and_do_not_count() -> None:
    env_id = "metaenvs/KrazyWorldEasy-v0"
    tasks = evaluation_tasks(env_id, split="test", num_tasks=8, seed=0)
    rows = evaluate(RandomAgent(), env_id, tasks, split="test", rollouts=1, episodes=2, seed=1)
    single = gym.make(env_id, episodes_per_trial=2).unwrapped
    seeds = np.random.SeedSequence(1).spawn(2)[0].generate_state(8, np.uint64).tolist()
    actions = gym.vector.utils.batch_space(single.action_space, 8)
    actions.seed(int(np.random.SeedSequence(1).spawn(2)[1].generate_state(1)[0]))
    drawn = [actions.sample() for _ in range(200)]
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
    with pytest.raises(ValueError, match="is no evaluation table: expected the columns"):
        read_table(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="whole trials"):
        returns_by_episode(rows[:7])
