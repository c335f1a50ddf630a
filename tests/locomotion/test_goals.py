"""Rewards, computed anew from what a step tells; and under other goals."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.locomotion.published import PUBLISHED
from metaenvs.locomotion.relabelling import reward_under

pytest.importorskip("mujoco")

NUM_ROWS = 12


def walk(setting: str, num_steps: int = 30) -> Any:
    """Steps of random actions: tasks, actions, answers, and states after the step."""
    env: Any = gym.make_vec(
        f"metaenvs/{setting}-v0", num_envs=NUM_ROWS, autoreset_mode="Disabled", episodes_per_trial=1
    )
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(num_steps):
        tasks = env.unwrapped.get_task()
        actions = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        _, reward, terminated, truncated, info = env.step(actions)
        yield tasks, actions.astype(np.float64), reward, info, env.unwrapped.get_state()
        ended = terminated | truncated
        if ended.any():
            env.reset(options={"reset_mask": ended})


def expected_goal(setting: str, tasks: Any, info: Any) -> Any:
    """The specification's formulas, by hand."""
    speed = info["x_velocity"]
    if setting == "LDMAntDirection":
        angle = tasks["goal_direction"]
        return speed * np.cos(angle) + info["y_velocity"] * np.sin(angle)
    if setting == "LDMAntGoal":
        goal = tasks["goal_position"]
        return -np.abs(info["x_position"] - goal[:, 0]) - np.abs(info["y_position"] - goal[:, 1])
    if setting in ("LDMHalfCheetahVelocity", "ITTSAntVelocity"):
        return -np.abs(speed - tasks["goal_velocity"])
    if setting == "SparseHalfCheetahVelocity":
        miss = np.abs(speed - tasks["goal_velocity"])
        return np.where(miss <= 0.3, 2 - miss, 0)
    if setting in ("SparseHopperVelocity", "SparseWalker2dVelocity"):
        miss = np.abs(speed - tasks["goal_velocity"])
        return np.where(miss <= 0.3, 1 - miss / 0.3, 0)
    if setting == "SparseAntGoal":
        goal = tasks["goal_position"]
        miss = np.hypot(info["x_position"] - goal[:, 0], info["y_position"] - goal[:, 1])
        return np.where(miss <= 0.8, 1 - miss / 0.8, 0)
    return speed


COSTS = {
    # Control weight, contact weight, bonus.
    "LDMAntDirection": (0.5, 0.5e-3, 1.0),
    "LDMAntGoal": (0.1, 0.5e-3, 0.0),
    "LDMHalfCheetahVelocity": (0.05, 0.0, 0.0),
    "SparseHalfCheetahVelocity": (0.05, 0.0, 0.0),
    "SparseAntGoal": (0.005, 0.0, 0.0),
    "SparseHopperVelocity": (1e-3, 0.0, 0.05),
    "SparseWalker2dVelocity": (1e-3, 0.0, 0.05),
    "ITTSAntVelocity": (0.005, 0.5e-3, 1.05),
    "DOMINOHalfCheetah": (0.1, 0.0, 0.0),
    "DOMINOAnt": (0.005, 0.0, 0.05),
    "DOMINOCrippledAnt": (0.0, 0.0, 0.05),
    "DOMINOHopper": (1e-3, 0.0, 1.0),
    "RandomParametersWalker2d": (1e-3, 0.0, 1.0),
    "RIASwimmer": (1e-4, 0.0, 0.0),
}


@pytest.mark.parametrize("setting", COSTS)
def test_rewards_are_the_papers(setting: str) -> None:
    control_weight, contact_weight, bonus = COSTS[setting]
    for tasks, actions, reward, info, state in walk(setting):
        goal = expected_goal(setting, tasks, info)
        forces = np.clip(state["states/contact_forces"], -1, 1)
        costs = control_weight * np.square(actions).sum(1)
        costs = costs + contact_weight * np.square(forces).sum(1)
        np.testing.assert_allclose(info["reward_goal"], goal, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(info["reward_rest"], bonus - costs, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(reward, goal + bonus - costs, rtol=1e-12, atol=1e-12)
    if contact_weight:
        assert forces.any()


@pytest.mark.parametrize("setting", PUBLISHED)
def test_relabelling_with_the_steps_own_tasks_gives_their_rewards(setting: str) -> None:
    for tasks, _, reward, info, _ in walk(setting, 10):
        np.testing.assert_allclose(
            reward_under(tasks, info, setting), reward, rtol=1e-12, atol=1e-12
        )


def test_relabelling_is_the_reward_that_the_other_task_pays() -> None:
    """The same states and actions under another goal: LDM's tasks share their dynamics."""
    setting = "LDMHalfCheetahVelocity"
    env: Any = gym.make_vec(f"metaenvs/{setting}-v0", num_envs=2)
    goals = np.array([0.3, 3.2])
    env.reset(seed=[4, 4], options={"task": {"goal_velocity": 0.3}})
    env.unwrapped.set_task({"goal_velocity": 3.2}, mask=np.array([False, True]))
    env.reset(seed=[4, 4])
    for _ in range(20):
        actions = np.tile(np.random.default_rng(1).uniform(-1, 1, 6), (2, 1)).astype(np.float32)
        _, reward, _, _, info = env.step(actions)
        swapped = reward_under({"goal_velocity": goals[::-1]}, info, setting)
        np.testing.assert_allclose(swapped, reward[::-1], rtol=1e-12)
