from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs import Tasks
from task_samplers import FixedSampler

BANDIT = "metaenvs/ExplorationBandit-v0"
ARMS = Tasks({"best_arm": np.array([4, 2, 6], np.int16)})


def test_draws_follow_the_weights() -> None:
    sampler = FixedSampler(ARMS, weights=[1, 0, 3])
    assert sampler.n_tasks == 3
    assert sampler.tasks == ARMS
    drawn = sampler.sample(40_000, np.random.default_rng(0))["best_arm"]
    shares = [(drawn == arm).mean() for arm in (4, 2, 6)]
    # Five standard deviations of a share.
    np.testing.assert_allclose(shares, [0.25, 0, 0.75], atol=5 * np.sqrt(0.25 * 0.75 / 40_000))


def test_draws_are_functions_of_the_generator() -> None:
    sampler = FixedSampler(ARMS)
    draws = [sampler.sample(20, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_what_it_returns_becomes_a_pool() -> None:
    pool = FixedSampler(ARMS).sample(2, np.random.default_rng(5))
    envs = gym.make_vec(BANDIT, num_envs=50, tasks=pool)
    envs.reset(seed=0)
    assert envs.unwrapped.pool == pool
    assert set(envs.unwrapped.get_task().ids) == set(pool.ids)
    envs.unwrapped.set_pool(ARMS[1:2])
    envs.reset()
    assert (envs.unwrapped.get_task()["best_arm"] == 2).all()


def test_what_it_returns_becomes_pinned_tasks() -> None:
    envs = gym.make_vec(BANDIT, num_envs=3)
    envs.unwrapped.set_task(FixedSampler(ARMS).tasks)
    for seed in (0, None):
        _, info = envs.reset(seed=seed)
        np.testing.assert_array_equal(info["task_id"], ARMS.ids)


def test_ids_are_those_of_info_once_checked() -> None:
    by_hand = Tasks({"best_arm": [4, 2, 6]})
    env = gym.make(BANDIT)
    checked = FixedSampler(env.unwrapped.check_tasks(by_hand)).tasks
    env.unwrapped.set_task(by_hand[1:2])
    assert env.reset(seed=0)[1]["task_id"] == checked.ids[1]


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ([1, 2], "shape"),
        ([1, -1, 1], "at least 0"),
        ([0, 0, 0], "not all 0"),
        ([1, 1, np.nan], "finite"),
    ],
)
def test_weights_are_checked(weights: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FixedSampler(ARMS, weights)


def test_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match="at least one task"):
        FixedSampler(ARMS[:0])
    with pytest.raises(ValueError, match="n_tasks must be an integer of at least 1, got 0"):
        FixedSampler(ARMS).sample(0, np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"numpy.random.default_rng\(0\), got 3"):
        FixedSampler(ARMS).sample(1, 3)  # type: ignore[arg-type]
