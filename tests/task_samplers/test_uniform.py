from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text
from hypothesis import given
from hypothesis import strategies as st

from metaenvs.task_space import validate_tasks
from task_samplers import UniformSampler

SMALL = Dict(
    {
        "arm": Discrete(3, start=-1),
        "flags": MultiBinary(2),
        "codes": MultiDiscrete(np.array([2, 3]), start=np.array([5, -5])),
        "level": Box(-2, 1, (), np.int8),
    }
)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_draws_are_valid_tasks_of_the_space(seed: int, n_tasks: int) -> None:
    space = Dict(
        {
            **SMALL.spaces,
            "mass": Box(0.1, 0.3, (2,), np.float32),
            "wide": Box(0, 2**64 - 1, (), np.uint64),
            "fixed": Box(3.0, 3.0, (), np.float64),
        }
    )
    tasks = UniformSampler(space).sample(n_tasks, np.random.default_rng(seed))
    assert len(tasks) == n_tasks
    assert tasks == validate_tasks(tasks, space)
    for name, part in space.items():
        assert tasks[name].dtype == part.dtype
    assert tasks == UniformSampler(space).sample(n_tasks, np.random.default_rng(seed))


def test_every_point_of_a_discrete_space_is_as_likely() -> None:
    sampler = UniformSampler(SMALL)
    assert sampler.n_tasks == 3 * 4 * 6 * 4
    n_draws = 288 * 100
    _, counts = np.unique(sampler.sample(n_draws, np.random.default_rng(0)).ids, return_counts=True)
    assert len(counts) == 288
    chi_squared = ((counts - 100) ** 2 / 100).sum()
    # 287 degrees of freedom: five standard deviations of the statistic.
    assert abs(chi_squared - 287) < 5 * np.sqrt(2 * 287)


def test_a_box_is_filled_evenly() -> None:
    space = Dict({"mass": Box(-2.0, 6.0, (), np.float64)})
    sampler = UniformSampler(space)
    assert sampler.n_tasks is None
    masses = np.sort(sampler.sample(20_000, np.random.default_rng(1))["mass"])
    distance = np.abs((masses + 2) / 8 - (np.arange(20_000) + 0.5) / 20_000).max()
    # The Kolmogorov-Smirnov statistic exceeds this once in 10^8.
    assert distance < 3.1 / np.sqrt(20_000)


def test_accept_keeps_some_and_stays_uniform_over_them() -> None:
    space = Dict({"goal": Box(-1, 1, (2,), np.float64)})
    sampler = UniformSampler(space, lambda tasks: (tasks["goal"] ** 2).sum(axis=1) <= 1)
    goals = sampler.sample(20_000, np.random.default_rng(2))["goal"]
    radii = np.sqrt((goals**2).sum(axis=1))
    assert goals.shape == (20_000, 2)
    assert radii.max() <= 1
    assert abs((radii < 0.5).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 20_000)
    assert UniformSampler(SMALL, lambda tasks: tasks["arm"] > 0).n_tasks is None


def test_what_it_returns_is_met_by_an_environment() -> None:
    envs = gym.make_vec("metaenvs/ExplorationBandit-v0", num_envs=4)
    sampler = UniformSampler(envs.unwrapped.task_space)
    assert sampler.n_tasks == 6
    tasks = sampler.sample(4, np.random.default_rng(3))
    envs.unwrapped.set_task(tasks)
    _, info = envs.reset(seed=0)
    np.testing.assert_array_equal(info["task_id"], tasks.ids)


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        (Box(0, 1), "is a Dict"),
        (Dict({}), "at least one name"),
        (Dict({"mass": Box(-np.inf, 1, (), np.float64)}), "no finite bounds"),
        (Dict({"mass": Box(-np.inf, 1, (), np.int32)}), "no finite bounds"),
        (Dict({"mass": Box(-1.7e308, 1.7e308, (), np.float64)}), "no finite bounds"),
        (Dict({"name": Text(3)}), "is made of"),
    ],
)
def test_spaces_are_checked(space: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        UniformSampler(space)


def test_accept_is_checked() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="Boolean array"):
        UniformSampler(SMALL, lambda tasks: tasks["arm"]).sample(1, rng)
    with pytest.raises(ValueError, match="kept none"):
        UniformSampler(SMALL, lambda tasks: tasks["arm"] > 9).sample(1, rng)
