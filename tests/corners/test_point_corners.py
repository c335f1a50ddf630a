"""The point among corners: its rewards by another way of saying them, and its reference scores."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.corners.point_corners import PointCornersEnv

ENV_ID = "metaenvs/PointCorners-v0"
CORNERS = np.array([(-2, -2), (2, -2), (-2, 2), (2, 2)])


def manual_score(policy: str) -> str:
    """The entry of the manual's table whose first cell begins so."""
    lines = (PointCornersEnv.__doc__ or "").splitlines()
    (line,) = [line for line in lines if line.strip().startswith(f"| {policy}")]
    return line.split("|")[2].strip()


def assert_agrees(returns: np.ndarray, entry: str) -> None:
    """The entry lies within four standard errors of the mean, but for its rounding."""
    error = returns.std() / len(returns) ** 0.5
    assert abs(returns.mean() - float(entry)) < 4 * error + 0.005, (returns.mean(), error, entry)


def test_positions_and_rewards_of_random_walks() -> None:
    num_rows = 64
    env = gym.make_vec(ENV_ID, num_envs=num_rows)
    observation, _ = env.reset(seed=1)
    goals = CORNERS[env.unwrapped.get_task()["corner"]]
    assert (np.abs(observation) <= 0.2).all() and observation.std() > 0.1
    rng = np.random.default_rng(0)
    drift = rng.uniform(-0.2, 0.2, (num_rows, 2))
    seen_before = np.zeros((num_rows, 4), np.bool_)
    paid = 0
    for _ in range(99):
        before = observation.astype(np.float64)
        actions = (drift + rng.uniform(-0.3, 0.3, drift.shape)).astype(np.float32)
        observation, reward, _, _, info = env.step(actions)
        after = before + np.clip(actions.astype(np.float64), -0.2, 0.2)
        np.testing.assert_allclose(observation, after, atol=2e-6)
        distances = np.linalg.norm(after[:, None] - CORNERS, axis=2)
        to_goal = np.linalg.norm(after - goals, axis=1)
        counts = (distances.min(1) == to_goal) & (np.linalg.norm(after, 1, axis=1) >= 0.5)
        progress = np.linalg.norm(before - goals, axis=1) - to_goal
        np.testing.assert_allclose(reward, np.where(counts, progress, 0.0), atol=2e-6)
        seen_before |= distances < 0.5
        np.testing.assert_array_equal(info["corners_visited"], seen_before.sum(1))
        near = np.where(distances.min(1) < 0.5, distances.argmin(1), -1)
        np.testing.assert_array_equal(info["corner"], near)
        paid += int(counts.sum())
    assert 500 < paid < 5000
    assert seen_before.any()


def test_an_episode_is_cut_and_never_terminates() -> None:
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    ends = [env.step(np.ones(2, np.float32))[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]


def test_actions_must_be_finite() -> None:
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions must lie in"):
        env.step(np.array([0.0, np.nan], np.float32))


def test_corners_are_equally_likely() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=0)
    counts = np.bincount(env.sample_tasks(4000)["corner"], minlength=4)
    assert ((counts - 1000) ** 2 / 1000).sum() < 20  # chi-square, 3 degrees: p < 0.0002


def play(policy: str, num_rows: int) -> np.ndarray:
    """Returns (num_rows,) of one episode of each row."""
    env = gym.make_vec(ENV_ID, num_envs=num_rows, task_visible=True)
    observation, _ = env.reset(seed=7)
    rng = np.random.default_rng(3)
    returns = np.zeros(num_rows)
    for step in range(100):
        position, goal = observation[:, :2], observation[:, 2:]
        if policy == "random":
            wish = rng.uniform(-0.2, 0.2, position.shape)
        elif policy == "straight" or step >= 91:
            wish = goal - position
        else:
            inside = np.abs(position).sum(1, keepdims=True) < 0.5
            wish = goal * np.where(inside, 0.2, 0.1) - position
        actions = np.clip(wish, -0.2, 0.2).astype(np.float32)
        observation, reward, *_ = env.step(actions)
        returns += reward
    return returns


@pytest.mark.parametrize(
    ("policy", "num_rows"), [("random", 20_000), ("straight", 4000), ("back and forth", 4000)]
)
def test_reference_scores(policy: str, num_rows: int) -> None:
    assert_agrees(play(policy, num_rows), manual_score(policy))
