"""The random agent: uniform, and row by row on its own. The still one: zeros."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.evaluation.protocol import Trials
from agents.evaluation.reference_agents import RandomAgent, StillAgent
from agents.evaluation.row_seeds import row_seeds

NOTHING = gym.spaces.Discrete(1)
SPACES = [
    gym.spaces.Discrete(4),
    gym.spaces.Discrete(3, start=-1),
    gym.spaces.MultiDiscrete([2, 5]),
    gym.spaces.MultiBinary(3),
    gym.spaces.Box(-2, 3, (2,), np.float32),
]


def drawn(space: gym.Space[Any], rows: Any, steps: int) -> Any:
    """Actions (steps, rows, ...) of the rows of these tasks."""
    agent = RandomAgent()
    seeds = row_seeds(0, 1, np.asarray(rows), np.zeros(len(rows), np.int64))
    agent.begin(Trials(len(rows), 1, 1, NOTHING, space, seeds))
    return np.stack([agent.act(np.zeros(len(rows))) for _ in range(steps)])


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_actions_are_of_the_space_and_a_rows_own(space: gym.Space[Any]) -> None:
    actions = drawn(space, range(6), 20)
    assert all(space.contains(action) for step in actions for action in step)
    np.testing.assert_array_equal(drawn(space, [4, 1], 20), actions[:, [4, 1]])


def test_actions_are_uniform_and_independent() -> None:
    """Chi-squared of pairs of neighbouring rows and steps, 255 degrees of freedom."""
    actions = drawn(gym.spaces.Discrete(4), range(200), 200)
    quads = 64 * actions[1:, 1:] + 16 * actions[:-1, 1:] + 4 * actions[1:, :-1] + actions[:-1, :-1]
    # Disjoint blocks, so that the counts are those of independent draws.
    counts = np.bincount(quads[::2, ::2].ravel(), minlength=256)
    expected = counts.sum() / 256
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_squared - 255) < 5 * np.sqrt(2 * 255)
    parts = drawn(gym.spaces.Box(0, 1, (2,), np.float64), range(200), 200)
    assert abs(np.corrcoef(parts.reshape(-1, 2).T)[0, 1]) < 5 / 200
    np.testing.assert_allclose(np.quantile(parts, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.01)


@pytest.mark.parametrize("space", [gym.spaces.Box(-np.inf, 1, (2,)), gym.spaces.Text(3)], ids=str)
def test_nothing_is_uniform_without_bounds(space: gym.Space[Any]) -> None:
    with pytest.raises(ValueError, match="bounded Box action space, got"):
        drawn(space, range(2), 1)


def test_the_still_agent_acts_with_zeros() -> None:
    agent, space = StillAgent(), gym.spaces.Box(-1, 1, (2, 3), np.float32)
    agent.begin(Trials(2, 2, 1, NOTHING, space, np.zeros(4, np.uint64)))
    actions = agent.act(np.zeros(4))
    assert actions.shape == (4, 2, 3) and actions.dtype == np.float32 and not actions.any()


@pytest.mark.parametrize("space", [gym.spaces.Discrete(4), gym.spaces.Box(1, 2, (1,), np.float32)])
def test_the_still_agent_refuses_spaces_without_zeros(space: gym.Space[Any]) -> None:
    with pytest.raises(ValueError, match="zeros"):
        StillAgent().begin(Trials(1, 1, 1, NOTHING, space, np.zeros(1, np.uint64)))
