"""Whole trials: what is kept of them, and how they are packed."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from agents.rl2 import RL2Config, make_env, new_policy
from agents.rollouts import Trials, collect_trials, pack

CONFIG = RL2Config(env_id="metaenvs/KrazyWorldEasy-v0", num_envs=12, episodes_per_trial=3)
SEEDS = list(range(100, 112))


def collect(config: RL2Config = CONFIG) -> Trials:
    env = make_env(config)
    policy = new_policy(config, env)
    generator = torch.Generator().manual_seed(5)
    return collect_trials(
        env,
        policy.acting(),
        lambda: policy.action.noise(config.num_envs, generator),
        policy.encoder.prepare,
        policy.memory.start(config.num_envs),
        seed=SEEDS,
    )


def test_replaying_the_actions_alone_gives_the_same_trials() -> None:
    trials = collect()
    for row, seed in enumerate(SEEDS[:4]):
        env = gym.make(CONFIG.env_id, episodes_per_trial=3).unwrapped
        env.reset(seed=seed)
        length = int(trials.alive[:, row].sum())
        for time in range(length):
            action = int(trials.actions[time, row])
            _, reward, terminated, truncated, info = env.step(action)
            assert reward == float(trials.rewards[time, row])
            assert info["episode_index"] == int(trials.episode_index[time, row])
            assert (terminated or truncated) == (time == length - 1)


def test_episode_returns_sum_the_trial() -> None:
    trials = collect()
    returns = trials.episode_returns(3)
    total = (trials.rewards * trials.alive).sum(0).numpy()
    np.testing.assert_allclose(returns.sum(1), total)
    row = 3
    for episode in range(3):
        chosen = trials.alive[:, row] & (trials.episode_index[:, row] == episode)
        assert returns[row, episode] == float(trials.rewards[chosen, row].sum())


def test_unrolled_policy_agrees_with_the_steps_taken() -> None:
    trials = collect()
    policy = new_policy(CONFIG)
    packed = pack(trials.alive, torch.tensor([7, 2, 11]))
    features = policy.unroll(
        packed.take(trials.indices), packed.take(trials.values_in), packed.batch_sizes
    )
    log_probabilities, _ = policy.action.evaluate(features, packed.take(trials.actions))
    torch.testing.assert_close(log_probabilities, packed.take(trials.log_probabilities))
    torch.testing.assert_close(policy.value(features)[:, 0], packed.take(trials.values))


def test_pack_orders_by_length_without_padding() -> None:
    lengths = torch.tensor([2, 5, 1, 5])
    alive = torch.arange(5)[:, None] < lengths
    packed = pack(alive, torch.tensor([0, 1, 2]))
    assert packed.batch_sizes == [3, 2, 1, 1, 1]
    times, rows = torch.arange(5)[:, None].expand(5, 4), torch.arange(4).expand(5, 4)
    assert packed.take(rows).tolist() == [1, 0, 2, 1, 0, 1, 1, 1]
    assert packed.take(times).tolist() == [0, 0, 0, 1, 1, 2, 3, 4]


def test_a_trial_cut_by_time_bootstraps_from_its_final_observation() -> None:
    config = RL2Config(
        env_id="metaenvs/KrazyWorldEasy-v0",
        env_arguments={"episode_steps": 4, "death_fraction": 0.0},
        num_envs=6,
        episodes_per_trial=1,
    )
    trials = collect_one_episode(config)
    assert trials.alive.all()
    assert trials.alive.shape == (4, 6)
    assert (trials.bootstrap != 0).all()
    assert (collect().bootstrap == 0).all()


def collect_one_episode(config: RL2Config) -> Trials:
    env = make_env(config)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    policy = new_policy(config, env)
    generator = torch.Generator().manual_seed(5)
    return collect_trials(
        env,
        policy.acting(),
        lambda: policy.action.noise(config.num_envs, generator),
        policy.encoder.prepare,
        policy.memory.start(config.num_envs),
        seed=list(range(6)),
    )
