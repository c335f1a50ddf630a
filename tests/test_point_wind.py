"""The point in the wind: its rules by another way, what varies, relabelling, reference scores."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.point_wind import PointWindEnv, wind_rewards

ENV_ID = "metaenvs/PointWindSparse-v0"
FULL_STEP = np.float32(0.1)


def make(num_rows: int, **arguments: Any) -> Any:
    return gym.make_vec(ENV_ID, num_envs=num_rows, **arguments)


def steps_of(env: Any, num_steps: int) -> Any:
    """Actions towards the goal, some too long, with what they come to."""
    rng = np.random.default_rng(0)
    before, _ = env.reset(seed=1)
    assert not before[:, :2].any()
    for _ in range(num_steps):
        goal = env.unwrapped.get_task()["goal_position"]
        wish = np.clip(goal - before[:, :2], -0.1, 0.1) + rng.uniform(-0.05, 0.05, goal.shape)
        actions = wish.astype(np.float32)
        after, reward, _, _, info = env.step(actions)
        yield before[:, :2], actions.astype(np.float64), after[:, :2], reward, info
        before = after


@pytest.mark.parametrize("sparse", [True, False])
def test_moves_and_rewards(sparse: bool) -> None:
    """Without noise a step is the clipped action and the wind."""
    env = make(200, noise=0.0, sparse=sparse, split="all")
    paid = 0
    for before, actions, after, reward, info in steps_of(env, 29):
        tasks = env.unwrapped.get_task()
        moved = np.clip(actions, -0.1, 0.1) + tasks["wind"]
        np.testing.assert_allclose(after, before + moved, rtol=0, atol=1e-9)
        distance = np.linalg.norm(after - tasks["goal_position"], axis=1)
        np.testing.assert_allclose(info["goal_distance"], distance, rtol=1e-12)
        expected = np.where(distance <= 0.2, 1 - distance, 0.0) if sparse else -distance
        np.testing.assert_allclose(reward, expected, rtol=1e-12, atol=1e-15)
        paid += int((reward != 0).sum())
    assert paid > 1000


@pytest.mark.parametrize("noise", [0.05, 0.02])
def test_noise_is_normal_on_each_coordinate(noise: float) -> None:
    env = make(4000, noise=noise)
    env.reset(seed=3)
    after, *_ = env.step(np.zeros((4000, 2), np.float32))
    normal = (after - env.unwrapped.get_task()["wind"]) / noise
    assert abs(normal.mean()) < 0.04 and np.abs(normal.std(0) - 1).max() < 0.05
    assert abs(np.corrcoef(normal.T)[0, 1]) < 0.06
    assert np.abs((np.abs(normal) < 1).mean(0) - 0.683).max() < 0.03


def test_tasks_are_a_place_on_the_half_circle_and_a_wind() -> None:
    tasks = gym.make(ENV_ID, split="all").unwrapped.sample_tasks(4000)  # type: ignore[attr-defined]
    goal, wind = tasks["goal_position"], tasks["wind"]
    np.testing.assert_allclose(np.linalg.norm(goal, axis=1), 1.0, rtol=1e-12)
    angle = np.arctan2(goal[:, 1], goal[:, 0])
    for numbers, low, high in ((angle, 0, np.pi), *((part, -0.05, 0.05) for part in wind.T)):
        counts = np.histogram(numbers, bins=10, range=(low, high))[0]
        assert counts.sum() == 4000
        assert ((counts - 400) ** 2 / 400).sum() < 33  # chi-square, 9 degrees: p < 0.0002
    assert np.abs(np.corrcoef(np.column_stack([angle, wind]).T) - np.eye(3)).max() < 0.08


@pytest.mark.parametrize(
    ("fixed", "entry", "value"),
    [("vary_goal", "goal_position", (1.0, 0.0)), ("vary_wind", "wind", (0.0, 0.0))],
)
def test_what_does_not_vary_is_nominal(fixed: str, entry: str, value: tuple[float, float]) -> None:
    for split, num_tasks in (("train", 40), ("test", 10)):
        pool = gym.make(ENV_ID, split=split, **{fixed: False}).unwrapped.pool  # type: ignore[attr-defined]
        assert len(pool.unique()) == num_tasks
        assert (pool[entry] == value).all()


def test_relabelled_rewards_are_those_that_the_other_tasks_pay() -> None:
    for sparse in (True, False):
        env = make(16, sparse=sparse)
        differ = False
        for _, _, after, reward, _ in steps_of(env, 29):
            goals = env.unwrapped.get_task()["goal_position"]
            table = wind_rewards(after, {"goal_position": goals[:, None]}, sparse=sparse)
            assert table.shape == (16, 16) and table.dtype == np.float64
            np.testing.assert_array_equal(np.diag(table), reward)
            differ |= len(np.unique(table, axis=0)) > 1
        assert differ


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vary_goal": False, "vary_wind": False}, "one task only"),
        ({"noise": -0.1}, "noise must be a number from 0 to 1"),
        ({"noise": np.nan}, "noise must be"),
        ({"sparse": "yes"}, "sparse must be True or False"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.make(ENV_ID, **arguments)


def play(policy: str, num_rows: int) -> np.ndarray:
    """Returns (num_rows,) of one episode of each row."""
    env = make(num_rows, task_visible=True, split="all")
    observation, _ = env.reset(seed=7)
    rng = np.random.default_rng(3)
    returns = np.zeros(num_rows)
    for _ in range(30):
        position, goal, wind = observation[:, :2], observation[:, 2:4], observation[:, 4:]
        if policy == "random":
            wish = rng.uniform(-0.1, 0.1, position.shape)
        elif policy == "blind":
            wish = 0.1 * goal
        else:
            wish = goal - position - wind
        observation, reward, *_ = env.step(np.clip(wish, -0.1, 0.1).astype(np.float32))
        returns += reward
    return returns


@pytest.mark.parametrize("policy", ["random", "blind", "against"])
def test_reference_scores(policy: str) -> None:
    lines = (PointWindEnv.__doc__ or "").splitlines()
    (line,) = [line for line in lines if line.strip().startswith(f"| {policy}")]
    returns = play(policy, 20_000)
    error = returns.std() / len(returns) ** 0.5
    assert abs(returns.mean() - float(line.split("|")[2])) < 4 * error + 0.005


def test_text() -> None:
    env = gym.make(ENV_ID, render_mode="ansi", noise=0.0)
    task = {"goal_position": np.array([0.0, 1.0]), "wind": np.array([0.0, 0.0])}
    env.reset(seed=0, options={"task": task})
    env.step(np.array([FULL_STEP, 0.0]))
    lines = env.render().splitlines()  # type: ignore[union-attr]
    assert lines[0][10] == "G" and lines[10][10:12] == "o@"
