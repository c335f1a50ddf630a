"""A trained policy under the protocol: its rows depend on their own seeds alone."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch

from agents.evaluation.protocol import Trials, evaluate, evaluation_tasks
from agents.recurrent_agent import RecurrentAgent
from agents.rl2 import RL2Config, new_policy

CONFIG = RL2Config(env_id="metaenvs/KrazyWorldEasy-v0", hidden_size=16)


def make_agent() -> RecurrentAgent:
    policy = new_policy(CONFIG)
    with torch.no_grad():
        policy.action.layer.weight.normal_(generator=torch.Generator().manual_seed(0))
    return RecurrentAgent(policy, "policy")


def test_number_of_rows_does_not_change_the_table() -> None:
    tasks = evaluation_tasks(CONFIG.env_id, split="test", num_tasks=7, seed=3)
    settings = {"split": "test", "episodes": 3, "seed": 5}
    everything = evaluate(make_agent(), CONFIG.env_id, tasks, rollouts=3, **settings)
    alone = evaluate(make_agent(), CONFIG.env_id, tasks[2:4], rollouts=1, **settings)
    chosen = {(row.task_id, row.rollout, row.episode): row for row in everything}
    assert len(alone) == 6
    for row in alone:
        other = chosen[row.task_id, row.rollout, row.episode]
        assert (row.episode_return, row.length) == (other.episode_return, other.length)


def test_greedy_agents_need_no_noise() -> None:
    policy = new_policy(CONFIG)
    agent = RecurrentAgent(policy, "policy", greedy=True)
    space = gym.make(CONFIG.env_id).unwrapped
    seeds = np.arange(4, dtype=np.uint64)
    agent.begin(Trials(2, 2, 1, space.observation_space, space.action_space, seeds))
    observation = np.zeros((4, *space.observation_space.shape), np.uint8)
    assert len(set(agent.act(observation).tolist())) == 1
