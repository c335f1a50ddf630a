from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaenvs import Tasks
from task_samplers import ProductGrid, product_grid

VALUES = st.dictionaries(
    st.sampled_from(["mass", "goal", "angle", "length"]),
    st.lists(st.integers(-5, 5), min_size=1, max_size=4),
    min_size=1,
)


@given(VALUES)
def test_is_the_product_in_its_order(values: dict[str, list[int]]) -> None:
    grid = product_grid(values)
    expected = list(itertools.product(*values.values()))
    assert len(grid) == len(expected)
    for task, combination in zip(grid, expected, strict=True):
        assert [int(task[name]) for name in values] == list(combination)


def test_values_may_be_arrays_and_keep_their_dtype() -> None:
    grid = product_grid({"goal": np.eye(2, dtype=np.float32), "gear": [7]})
    assert grid == Tasks({"goal": np.eye(2, dtype=np.float32), "gear": [7, 7]})
    assert grid["goal"].dtype == np.float32


def test_sampler_draws_every_point_of_its_grid() -> None:
    sampler = ProductGrid({"mass": [1.0, 2.0], "goal": [0, 1, 2]})
    assert sampler.n_tasks == len(sampler.tasks) == 6
    drawn = sampler.sample(6_000, np.random.default_rng(0))
    ids, counts = np.unique(drawn.ids, return_counts=True)
    assert set(ids) == set(sampler.tasks.ids)
    # Five standard deviations of a count.
    np.testing.assert_allclose(counts, 1_000, atol=5 * np.sqrt(6_000 * 5 / 36))


def test_a_grid_is_a_pool_for_an_environment() -> None:
    sampler = ProductGrid({"best_arm": [1, 3]})
    envs = gym.make_vec("metaenvs/ExplorationBandit-v0", num_envs=20, tasks=sampler.tasks)
    envs.reset(seed=0)
    assert set(envs.unwrapped.get_task()["best_arm"]) == {1, 3}


@pytest.mark.parametrize("values", [{}, {"mass": []}, {"mass": 1.0}])
def test_empty_axes_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="product_grid needs"):
        product_grid(values)
