"""The adaptive agent: it acts as initialised while it explores, and adapted at the end."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from agents.evaluation.protocol import evaluate, evaluation_tasks
from agents.evaluation.table import returns_by_episode
from agents.maml import MAMLConfig, new_policy, train
from agents.maml_agent import MAMLAgent

CONFIG = MAMLConfig(env_id="metaenvs/ExplorationBandit-v0", total_env_steps=24_000)
WORLD = MAMLConfig(
    env_id="metaenvs/KrazyWorldEasy-v0", hidden_sizes=(8,), inner_steps=2, rollouts_per_task=2
)


def test_returns_rise_after_the_inner_step() -> None:
    agent = MAMLAgent(train(CONFIG), "maml")
    tasks = evaluation_tasks(CONFIG.env_id, split="all", num_tasks=6, seed=0)
    table = evaluate(agent, CONFIG.env_id, tasks, split="all", rollouts=50, episodes=22, seed=0)
    returns = returns_by_episode(table).mean(0)
    assert returns[20:].mean() > returns[:20].mean() + 0.2


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    # Episodes differ in length, and rows take their inner steps at different times.
    agent = MAMLAgent(new_policy(WORLD), "maml")
    tasks = evaluation_tasks(WORLD.env_id, split="test", num_tasks=5, seed=0)
    rows = {}
    for rollouts, chosen in ((3, tasks), (1, tasks[2:3])):
        table = evaluate(
            agent, WORLD.env_id, chosen, split="test", rollouts=rollouts, episodes=6, seed=1
        )
        rows[rollouts] = {(row.task_id, row.rollout, row.episode): row for row in table}
    assert len(rows[1]) == 6
    for key, row in rows[1].items():
        assert (row.episode_return, row.length) == (
            rows[3][key].episode_return,
            rows[3][key].length,
        )


def test_it_adapts_after_its_share_of_the_episodes() -> None:
    config = dataclasses.replace(CONFIG, inner_steps=2, episodes_per_trial=21)
    policy = new_policy(config)
    agent = MAMLAgent(policy, "maml")
    steps: list[int] = []
    adapt = agent._adapt

    def counted(rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> None:
        steps.append(int(agent._episode[rows[0]]))
        adapt(rows)

    agent._adapt = counted  # type: ignore[method-assign]
    tasks = evaluation_tasks(config.env_id, split="all", num_tasks=2, seed=0)
    evaluate(agent, config.env_id, tasks, split="all", rollouts=1, episodes=9, seed=0)
    assert steps == [4, 8]
    assert not torch.equal(agent._parameters["bias_1"][0], policy.initial["bias_1"])
