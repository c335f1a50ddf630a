"""The grid with four corners: its walks, and its reference scores by matrix powers."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.corners.grid_corners import GridCornersEnv

ENV_ID = "metaenvs/GridCorners-v0"
MOVES = [(1, 0), (-1, 0), (0, 1), (0, -1)]
CORNERS = [(0, 0), (8, 0), (0, 8), (8, 8)]


@pytest.mark.parametrize("goal", range(4))
def test_walks_pay_in_the_goal_alone(goal: int) -> None:
    env = gym.make(ENV_ID)
    rng = np.random.default_rng(goal)
    for corner, (right, up) in enumerate(CORNERS):
        observation, _ = env.reset(options={"task": {"corner": goal}})
        assert observation.tolist() == [4, 4]
        actions = [0 if right else 1] * 4 + [2 if up else 3] * 4
        rng.shuffle(actions)
        steps = [env.step(action) for action in actions + [0 if right else 1] * 8]
        assert [step[1] for step in steps] == [0.0] * 7 + [float(corner == goal)] * 9
        assert [step[4]["corner"] for step in steps] == [-1] * 7 + [corner] * 9
        assert steps[-1][4]["corners_visited"] == 1
        assert steps[-1][0].tolist() == [right, up]
        assert [step[2:4] for step in steps] == [(False, False)] * 15 + [(False, True)]


def test_corners_of_an_episode_are_counted_once() -> None:
    env = gym.make(ENV_ID, size=3, episode_steps=20)
    env.reset(options={"task": {"corner": 1}})
    counts = [env.step(action)[4]["corners_visited"] for action in (0, 2, 1, 0, 1, 1, 3, 3, 3)]
    assert counts == [0, 1, 1, 1, 1, 2, 2, 3, 3]


def random_return(size: int, steps: int) -> float:
    """Expected return of the uniformly random policy, by powers of its transition matrix."""
    moves = np.zeros((size, size, size, size))
    for x in range(size):
        for y in range(size):
            for right, up in MOVES:
                after = np.clip((x + right, y + up), 0, size - 1)
                moves[x, y, after[0], after[1]] += 0.25
    law = np.zeros((size, size))
    law[size // 2, size // 2] = 1.0
    total = 0.0
    for _ in range(steps):
        law = np.einsum("xy,xyuv->uv", law, moves)
        total += law[-1, -1]
    return total


def test_random_policy_scores_as_the_manual_says() -> None:
    assert f"policy makes {random_return(9, 16):.4f}" in (GridCornersEnv.__doc__ or "")
    num_rows = 20_000
    env = gym.make_vec(ENV_ID, num_envs=num_rows)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    returns = sum(env.step(rng.integers(4, size=num_rows))[1] for _ in range(16))
    error = returns.std() / num_rows**0.5
    assert abs(returns.mean() - random_return(9, 16)) < 4 * error


@pytest.mark.parametrize("size", [2, 8, 101, 9.0, True])
def test_bad_size(size: object) -> None:
    with pytest.raises(ValueError, match="size must be an odd integer from 3 to 99"):
        gym.make(ENV_ID, size=size)
