"""RL² and E-RL²: one mask apart, reproducible, and able to learn."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from agents import rl2
from agents.rl2 import RL2Config, advantages_of, train
from agents.rollouts import Trials
from metaenvs.exploration_bandit_optimum import best_values

BANDIT = RL2Config(
    env_id="metaenvs/ExplorationBandit-v0", num_envs=64, total_env_steps=1500, hidden_size=16
)


def parameters(config: RL2Config) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in train(config).parameters()]


def fake_trials() -> Trials:
    """Two trials of four steps, an episode each."""
    shape = (4, 2)
    generator = torch.Generator().manual_seed(0)
    return Trials(
        indices=torch.zeros(*shape, 0, dtype=torch.int64),
        values_in=torch.zeros(*shape, 0),
        actions=torch.zeros(shape, dtype=torch.int64),
        log_probabilities=torch.zeros(shape),
        values=torch.zeros(shape),
        rewards=torch.randn(shape, generator=generator),
        episode_index=torch.arange(4)[:, None].expand(shape),
        alive=torch.ones(shape, dtype=torch.bool),
        bootstrap=torch.zeros(2),
    )


def test_same_seed_same_parameters_another_seed_others() -> None:
    first, second = parameters(BANDIT), parameters(BANDIT)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    other = parameters(dataclasses.replace(BANDIT, seed=1))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_threads_change_rounding_only() -> None:
    config = dataclasses.replace(BANDIT, total_env_steps=300, num_minibatches=3)
    alone, divided = train(config), train(config, threads=3)
    for one, other in zip(alone.parameters(), divided.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_no_explore_episode_is_rl2_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    with_mask = parameters(dataclasses.replace(BANDIT, explore_episodes=0))
    monkeypatch.setattr(rl2, "explore_mask", lambda index, episodes: torch.ones(index.shape))
    without_mask = parameters(BANDIT)
    assert all(torch.equal(a, b) for a, b in zip(with_mask, without_mask, strict=True))
    monkeypatch.undo()
    masked = parameters(dataclasses.replace(BANDIT, explore_episodes=3))
    assert not all(torch.equal(a, b) for a, b in zip(with_mask, masked, strict=True))


def test_explore_steps_are_credited_with_exploit_rewards_only() -> None:
    trials = fake_trials()
    config = dataclasses.replace(BANDIT, explore_episodes=2, discount=0.9, trace_decay=1.0)
    _, returns = advantages_of(trials, config)
    exploit = trials.rewards[2] + 0.9 * trials.rewards[3]
    torch.testing.assert_close(returns[0], 0.81 * exploit)
    torch.testing.assert_close(returns[1], 0.9 * exploit)
    torch.testing.assert_close(returns[2], exploit)


def test_exploration_may_be_free_of_discount() -> None:
    trials = fake_trials()
    config = dataclasses.replace(
        BANDIT, explore_episodes=2, discount=0.9, trace_decay=1.0, discount_explore=False
    )
    _, returns = advantages_of(trials, config)
    exploit = trials.rewards[2] + 0.9 * trials.rewards[3]
    torch.testing.assert_close(returns[0], exploit)
    torch.testing.assert_close(returns[1], exploit)


def test_learns_to_play_safe_on_the_bandit() -> None:
    metrics: list[dict[str, float]] = []
    config = RL2Config(env_id="metaenvs/ExplorationBandit-v0", num_envs=256, total_env_steps=80_000)
    train(config, metrics.append)
    assert metrics[0]["train/return"] < 0
    assert metrics[-1]["train/return"] >= 0.95 * best_values(7, 5, 0).objective


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"explore_episodes": 5}, "explore_episodes must be from 0 to episodes_per_trial - 1"),
        ({"num_envs": 1}, "num_envs must be at least num_minibatches"),
        ({"discount": 1.5}, "discount must be from 0 to 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
    ],
)
def test_wrong_configurations_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RL2Config(), **changes)


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    with pytest.raises(FloatingPointError, match="not finite after 320 env steps"):
        train(dataclasses.replace(BANDIT, learning_rate=1e30, standardise_advantages=False))
