"""The bandit: its pulls, and its reference scores."""

from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.tabular.bandit import BanditEnv
from metaenvs.tabular.bandit_optimum import best_value

ENV_ID = "metaenvs/Bandit-v0"
MEANS = [0.1, 0.8, 0.35]


def test_without_noise_a_pull_pays_its_mean() -> None:
    env = gym.make(ENV_ID, num_arms=3, noise="none")
    env.reset(seed=0, options={"task": {"means": MEANS}})
    for pull in range(10):
        observation, reward, terminated, truncated, info = env.step(pull % 3)
        assert observation.tolist() == [0]
        assert reward == MEANS[pull % 3]
        assert info["regret"] == 0.8 - MEANS[pull % 3]
        assert (terminated, truncated) == (pull == 9, False)


def test_with_noise_it_pays_one_with_this_probability() -> None:
    num_rows = 20_000
    env = gym.make_vec(ENV_ID, num_envs=num_rows, num_arms=3)
    env.reset(seed=0, options={"task": {"means": MEANS}})
    for arm, mean in enumerate(MEANS):
        rewards = env.step(np.full(num_rows, arm))[1]
        assert set(rewards.tolist()) == {0.0, 1.0}
        assert abs(rewards.mean() - mean) < 4 * (mean * (1 - mean) / num_rows) ** 0.5


def test_the_visible_task_is_the_means() -> None:
    env = gym.make(ENV_ID, num_arms=3, task_visible=True)
    observation, _ = env.reset(seed=0, options={"task": {"means": MEANS}})
    np.testing.assert_array_equal(observation, np.float32(MEANS))


def trial_returns(oracle: bool, num_rows: int) -> np.ndarray:
    env = gym.make_vec(ENV_ID, num_envs=num_rows, task_visible=True)
    observation, _ = env.reset(seed=5)
    rng = np.random.default_rng(0)
    returns = np.zeros(num_rows)
    for _ in range(10):
        actions = observation.argmax(1) if oracle else rng.integers(5, size=num_rows)
        observation, reward, terminated, _, _ = env.step(actions)
        returns += reward
    assert terminated.all()
    return returns


@pytest.mark.parametrize(("oracle", "expected"), [(False, 5.0), (True, 10 * 5 / 6)])
def test_reference_scores(oracle: bool, expected: float) -> None:
    assert f"{expected:.4g}" in (BanditEnv.__doc__ or "")
    returns = trial_returns(oracle, 10_000)
    assert abs(returns.mean() - expected) < 4 * returns.std() / 100


def test_best_value_of_the_manual() -> None:
    assert f"{best_value(5, 10):.3f} (`metaenvs" in (BanditEnv.__doc__ or "")


def enumerated_best(pulls: int, grid: int = 400) -> float:
    """Over all deterministic policies of two arms, integrating over the means' square.

    A policy names an arm for every history of rewards; histories of arms follow from it.
    """
    middle = (np.arange(grid) + 0.5) / grid
    means = np.stack(np.meshgrid(middle, middle, indexing="ij"))
    histories = [h for length in range(pulls) for h in itertools.product((0, 1), repeat=length)]
    best = 0.0
    for choice in itertools.product((0, 1), repeat=len(histories)):
        policy = dict(zip(histories, choice, strict=True))
        total = np.zeros(means.shape[1:])
        for rewards in itertools.product((0, 1), repeat=pulls):
            chance = np.ones_like(total)
            for pull, reward in enumerate(rewards):
                mean = means[policy[rewards[:pull]]]
                chance = chance * (mean if reward else 1 - mean)
            total += chance * sum(rewards)
        best = max(best, float(total.mean()))
    return best


@pytest.mark.parametrize("pulls", [1, 2, 3])
def test_best_value_is_that_of_the_best_policy(pulls: int) -> None:
    assert best_value(2, pulls) == pytest.approx(enumerated_best(pulls), abs=1e-4)


@pytest.mark.parametrize("num_arms", [1, 1001])
def test_bad_number_of_arms(num_arms: int) -> None:
    with pytest.raises(ValueError, match="num_arms must be an integer from 2 to 1000"):
        gym.make(ENV_ID, num_arms=num_arms)


def test_bad_noise() -> None:
    with pytest.raises(ValueError, match='noise must be "bernoulli" or "none"'):
        gym.make(ENV_ID, noise="normal")
