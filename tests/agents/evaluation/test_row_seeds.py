"""Seeds of rows."""

from __future__ import annotations

import numpy as np
import pytest

from agents.evaluation.row_seeds import number_rollouts, row_seeds


def test_repeated_tasks_have_further_rollouts() -> None:
    numbers = number_rollouts(np.array([7, -3, 7, 7, -3]), 2)
    assert numbers.tolist() == [[0, 1], [0, 1], [2, 3], [4, 5], [2, 3]]


def test_seeds_are_those_of_task_and_rollout_wherever_the_row_is() -> None:
    tasks, rollouts = np.repeat([5, -9, 2**62], 3), np.tile(np.arange(3), 3)
    seeds = row_seeds(4, 0, tasks, rollouts)
    assert seeds.dtype == np.uint64
    for row in range(9):
        alone = row_seeds(4, 0, tasks[row : row + 1], rollouts[row : row + 1])
        assert alone[0] == seeds[row]


def test_no_two_seeds_are_alike() -> None:
    tasks, rollouts = np.repeat(np.arange(-50, 50), 20), np.tile(np.arange(20), 100)
    every = [row_seeds(seed, stream, tasks, rollouts) for seed in range(5) for stream in range(2)]
    assert len(np.unique(every)) == 5 * 2 * 2000


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_have_64_bits(seed: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 2"):
        row_seeds(seed, 0, np.array([1]), np.array([0]))
