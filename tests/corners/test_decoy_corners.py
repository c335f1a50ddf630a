"""The point past decoys: its rewards said in the authors' way, relabelling, reference scores."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.corners.decoy_corners import DecoyCornersEnv, decoy_rewards

ENV_ID = "metaenvs/DecoyCorners-v0"
CORNERS = np.array([(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)])
FULL_STEP = np.float32(0.1)
JUST_OUTSIDE = np.nextafter(FULL_STEP, np.float32(0))
"""How far from an axis a point can be without being in a decoy."""


def authors_reward(x: float, y: float, goal: np.ndarray) -> tuple[float, bool]:
    """Case by case, as HFR's code has it."""
    if -np.hypot(x - goal[0], y - goal[1]) >= -0.2:
        return 0.0, True
    inside = {
        (-1, -1): -0.5 < x < -0.1 and -0.5 < y < -0.1,
        (1, 1): 0.1 < x < 0.5 and 0.1 < y < 0.5,
        (1, -1): 0.1 < x < 0.5 and -0.5 < y < -0.1,
        (-1, 1): -0.5 < x < -0.1 and 0.1 < y < 0.5,
    }
    return (-3.0 if inside[tuple(goal.astype(int))] else -1.0), False


def walk(num_rows: int) -> Any:
    """Steps with each row's own drift, some longer than allowed, of rows that have not ended."""
    env: Any = gym.make_vec(ENV_ID, num_envs=num_rows, autoreset_mode="Disabled")
    observation, _ = env.reset(seed=1)
    assert not observation.any()
    rng = np.random.default_rng(0)
    drift = rng.uniform(-0.15, 0.15, (num_rows, 2))
    active = np.ones(num_rows, np.bool_)
    for _ in range(20):
        before = observation
        actions = (drift + rng.uniform(-0.05, 0.05, drift.shape)).astype(np.float32)
        observation, reward, terminated, truncated, info = env.step(actions)
        after = before + np.clip(actions, -FULL_STEP, FULL_STEP).astype(np.float64)
        np.testing.assert_array_equal(observation[active], after[active])
        corners = env.unwrapped.get_task()["corner"]
        yield corners[active], observation[active], reward[active], terminated[active], info
        ended = terminated | truncated
        active &= ~ended
        if ended.any():
            observation, _ = env.reset(options={"reset_mask": ended})


def test_rewards_and_ends_are_the_authors_and_can_be_relabelled() -> None:
    seen = {-3.0: 0, -1.0: 0, 0.0: 0}
    for corners, places, reward, terminated, _ in walk(800):
        expected = [
            authors_reward(*place, CORNERS[corner])
            for place, corner in zip(places, corners, strict=True)
        ]
        np.testing.assert_array_equal(reward, [answer[0] for answer in expected])
        np.testing.assert_array_equal(terminated, [answer[1] for answer in expected])
        table, ends = decoy_rewards(places, {"corner": np.arange(4)[:, None]})
        assert table.shape == ends.shape == (4, len(places)) and table.dtype == np.float64
        rows = np.arange(len(places))
        np.testing.assert_array_equal(table[corners, rows], reward)
        np.testing.assert_array_equal(ends[corners, rows], terminated)
        for corner in range(4):
            other = [authors_reward(*place, CORNERS[corner]) for place in places]
            np.testing.assert_array_equal(table[corner], [answer[0] for answer in other])
        for value in seen:
            seen[value] += int((reward == value).sum())
    assert min(seen.values()) > 50


def test_an_episode_is_cut_after_twenty_steps() -> None:
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    ends = [env.step(np.zeros(2, np.float32))[2:4] for _ in range(20)]
    assert ends == [(False, False)] * 19 + [(False, True)]


def test_info_tells_the_corner_that_was_reached() -> None:
    env = gym.make(ENV_ID, task_visible=True)
    env.reset(seed=0, options={"task": {"corner": 1}})
    for step in range(9):
        *_, terminated, _, info = env.step(np.array([-FULL_STEP, FULL_STEP]))
        assert not terminated and info["corner"] == (2 if step == 8 else -1)
    assert info["corners_visited"] == 1


def play(policy: str, num_rows: int) -> np.ndarray:
    """Returns (num_rows,) of one episode of each row."""
    env: Any = gym.make_vec(ENV_ID, num_envs=num_rows, task_visible=True)
    observation, _ = env.reset(seed=7)
    rng = np.random.default_rng(3)
    returns, active = np.zeros(num_rows), np.ones(num_rows, np.bool_)
    for step in range(20):
        position, side = observation[:, :2] * observation[:, 2:], observation[:, 2:]
        if policy == "random":
            wish = rng.uniform(-FULL_STEP, FULL_STEP, position.shape)
        elif policy == "stand":
            wish = np.zeros(position.shape)
        else:
            wish = np.minimum(1.0 - position, FULL_STEP)
            if policy == "to" and step < 4:
                wish[:, 0] = JUST_OUTSIDE if step == 0 else 0.0
        actions = (wish * side).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(actions)
        returns += reward * active
        active &= ~(terminated | truncated)
    return returns


@pytest.mark.parametrize(
    ("policy", "num_rows"), [("random", 20_000), ("stand", 8), ("straight", 8), ("to", 8)]
)
def test_reference_scores(policy: str, num_rows: int) -> None:
    lines = (DecoyCornersEnv.__doc__ or "").splitlines()
    (line,) = [line for line in lines if line.strip().startswith(f"| {policy} ")]
    entry = float(line.split("|")[2])
    returns = play(policy, num_rows)
    if policy != "random":
        assert set(returns) == {entry}
    error = returns.std() / len(returns) ** 0.5
    assert abs(returns.mean() - entry) <= 4 * error + 0.005 * (policy == "random")
