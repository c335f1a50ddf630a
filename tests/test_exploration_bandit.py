"""The exploration bandit: its rewards, and the optima of both objectives."""

from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.exploration_bandit_optimum import best_values

ENV_ID = "metaenvs/ExplorationBandit-v0"


def play(env: gym.Env, best_arm: int, arms: list[int]) -> list[float]:
    env.reset(options={"task": {"best_arm": best_arm}})
    return [float(env.step(arm)[1]) for arm in arms]


def test_rewards_and_trial() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=0, options={"task": {"best_arm": 3}})
    expected = [(0, 0.5), (1, -0.5), (3, 1.0), (6, -0.5), (0, 0.5)]
    for pull, (arm, reward_expected) in enumerate(expected):
        _, reward, terminated, truncated, info = env.step(arm)
        assert reward == reward_expected
        assert terminated == (pull == 4)
        assert not truncated
        assert info["found_best"] == (arm == 3)
        assert info["episode_index"] == pull


def test_tasks_are_uniform() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=0)
    arms = env.sample_tasks(6000)["best_arm"]
    counts = np.bincount(arms, minlength=7)
    assert counts[0] == 0
    assert ((counts[1:] - 1000) ** 2 / 1000).sum() < 25  # chi-square, 5 degrees: p < 0.0002


def enumerate_best(num_arms: int, episodes: int, explore: int) -> float:
    """Best expected objective over all deterministic policies, by playing the environment.

    Arms that were never tried are alike, so policies need only say "safe", "next new arm" or
    "the best one found" at each pull, given whether it was found.
    """
    env = gym.make(ENV_ID, num_arms=num_arms, episodes_per_trial=episodes).unwrapped
    env.reset(seed=0)
    best = -np.inf
    for before, after in itertools.product(
        itertools.product("SN", repeat=episodes), itertools.product("SB", repeat=episodes)
    ):
        total = 0.0
        for best_arm in range(1, num_arms):
            arms, tried, found = [], 0, False
            for pull in range(episodes):
                if found:
                    arms.append(best_arm if after[pull] == "B" else 0)
                elif before[pull] == "N" and tried < num_arms - 1:
                    tried += 1
                    arms.append(tried)
                    found = tried == best_arm
                else:
                    arms.append(0)
            total += sum(play(env, best_arm, arms)[explore:])
        best = max(best, total / (num_arms - 1))
    return best


@pytest.mark.parametrize(
    ("num_arms", "episodes", "explore"), [(4, 3, 0), (4, 3, 1), (3, 4, 0), (5, 3, 2), (3, 3, 0)]
)
def test_dynamic_programme_equals_enumeration(num_arms: int, episodes: int, explore: int) -> None:
    enumerated = enumerate_best(num_arms, episodes, explore)
    assert best_values(num_arms, episodes, explore).objective == pytest.approx(enumerated)


def test_each_objective_prefers_what_its_page_says() -> None:
    rl2, e_rl2 = best_values(7, 5, 0), best_values(7, 5, 3)
    assert (rl2.objective, rl2.explores_first) == (2.5, False)
    assert (e_rl2.objective, e_rl2.explores_first) == (1.5, True)


@pytest.mark.parametrize("num_arms", [2, 101, 4.5, "seven"])
def test_bad_number_of_arms(num_arms: object) -> None:
    with pytest.raises(ValueError, match="num_arms must be an integer from 3 to 100"):
        gym.make(ENV_ID, num_arms=num_arms)
