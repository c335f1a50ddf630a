from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaenvs import Tasks
from task_samplers import SplitSampler, split_tasks

KRAZY_WORLD = "metaenvs/KrazyWorldEasy-v0"


def test_draws_belong_to_the_split_and_follow_the_generator() -> None:
    train = SplitSampler(KRAZY_WORLD, "train", split_seed=3)
    test = SplitSampler(KRAZY_WORLD, "test", split_seed=3)
    assert train.n_tasks is None
    assert test.n_tasks == len(test.tasks) == 64
    worlds = train.sample(200, np.random.default_rng(0))
    assert worlds == train.sample(200, np.random.default_rng(0))
    assert worlds != train.sample(200, np.random.default_rng(1))
    assert len(worlds.unique()) == 200
    assert set(test.sample(300, np.random.default_rng(0)).ids) <= set(test.tasks.ids)
    assert not set(worlds.ids) & set(test.tasks.ids)
    with pytest.raises(ValueError, match="unlimited"):
        train.tasks  # noqa: B018


def test_another_split_seed_divides_the_tasks_otherwise() -> None:
    ids = [set(SplitSampler(KRAZY_WORLD, "test", seed).tasks.ids) for seed in (0, 1)]
    assert ids[0] != ids[1]


def test_successive_draws_differ() -> None:
    sampler = SplitSampler(KRAZY_WORLD, "train")
    rng = np.random.default_rng(0)
    parts = [sampler.sample(10, rng) for _ in range(3)]
    assert len(Tasks.concatenate(parts).unique()) == 30


def test_a_finite_number_of_training_tasks() -> None:
    sampler = SplitSampler(KRAZY_WORLD, "train", n_tasks=4)
    assert sampler.n_tasks == 4
    envs = gym.make_vec(KRAZY_WORLD, num_envs=4, tasks=sampler.tasks)
    envs.reset(seed=0)
    assert set(envs.unwrapped.get_task().ids) <= set(sampler.tasks.ids)
    envs.unwrapped.set_task(sampler.tasks)
    _, info = envs.reset()
    np.testing.assert_array_equal(info["task_id"], sampler.tasks.ids)


def test_the_family_says_which_splits_it_has() -> None:
    with pytest.raises(ValueError, match="split must be one of"):
        SplitSampler(KRAZY_WORLD, "extrapolation")
    with pytest.raises(ValueError, match="n_tasks"):
        SplitSampler(KRAZY_WORLD, "train").sample(0, np.random.default_rng(0))


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_parts_are_disjoint_and_complete(goals: list[int], portions: list[int], seed: int) -> None:
    tasks = Tasks({"goal": goals})
    shares = [portion / sum(portions) for portion in portions]
    try:
        parts = split_tasks(tasks, shares, np.random.default_rng(seed))
    except ValueError:
        assert len(set(goals)) * min(shares) < 1
        return
    values = [set(part["goal"].tolist()) for part in parts]
    assert sum(map(len, values)) == len(set(goals)) == len(set().union(*values))
    for part, share, distinct in zip(parts, shares, values, strict=True):
        assert abs(len(distinct) - share * len(set(goals))) <= 1
        assert part["goal"].tolist() == [goal for goal in goals if goal in distinct]
    again = split_tasks(tasks, shares, np.random.default_rng(seed))
    assert list(again) == list(parts)


def test_every_task_is_as_likely_in_every_part() -> None:
    tasks = Tasks({"goal": np.arange(4)})
    rng = np.random.default_rng(0)
    held_out = [int(split_tasks(tasks, (0.75, 0.25), rng)[1]["goal"][0]) for _ in range(4_000)]
    np.testing.assert_allclose(np.bincount(held_out), 1_000, atol=5 * np.sqrt(4_000 * 3 / 16))


@pytest.mark.parametrize("shares", [(0.5, 0.4), (1.2, -0.2), (), (1.0, 0.0)])
def test_shares_are_checked(shares: Any) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        split_tasks(Tasks({"goal": np.arange(4)}), shares, np.random.default_rng(0))
    with pytest.raises(ValueError, match="too few"):
        split_tasks(Tasks({"goal": np.arange(2)}), (0.9, 0.1), np.random.default_rng(0))
