"""Rewards, computed anew from what a step tells; and under other goals."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.locomotion.changed_goals import random_parameters
from metaenvs.locomotion.distributions import Between
from metaenvs.locomotion.goals import GOALS, Reward
from metaenvs.locomotion.published import PUBLISHED
from metaenvs.locomotion.relabelling import RewardFunction

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


def expected_goal(setting: str, tasks: Any, info: Any, state: Any) -> Any:
    """The specification's formulas, by hand."""
    speed = info["x_velocity"]
    if setting == "HFRAntVelocitySparse":
        miss = np.abs(speed - tasks["goal_velocity"])
        return (miss < 0.5) - miss
    if setting == "HFRHalfCheetahHighDim":
        whole = np.hstack([state["states/positions"][:, :9], state["states/velocities"][:, :9]])
        normal = (whole - GOALS["state"].means) / GOALS["state"].deviations
        return np.einsum("rk,rk->r", normal, tasks["goal_weights"])
    if setting == "LDMAntDirection":
        angle = tasks["goal_direction"]
        return speed * np.cos(angle) + info["y_velocity"] * np.sin(angle)
    if setting == "LDMAntGoal":
        goal = tasks["goal_position"]
        return -np.abs(info["x_position"] - goal[:, 0]) - np.abs(info["y_position"] - goal[:, 1])
    if setting in ("LDMHalfCheetahVelocity", "ITTSAntVelocity"):
        return -np.abs(speed - tasks["goal_velocity"])
    if setting == "HFRAntVelocity":
        return -np.abs(speed - tasks["goal_velocity"])
    if setting == "HFRAntGoal":
        goal = tasks["goal_position"]
        place = np.stack([info["x_position"], info["y_position"]], axis=1)
        far = np.linalg.norm(place - goal, axis=1) > 0.8
        return 4 - np.where(far, np.abs(goal).sum(1), np.abs(place - goal).sum(1))
    if setting in ("SparseHalfCheetahVelocity", "HFRHalfCheetahVelocity"):
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
    "HFRHalfCheetahVelocity": (0.05, 0.0, 0.0),
    "HFRAntGoal": (0.005, 0.5e-3, 0.05),
    "HFRAntVelocity": (0.005, 0.5e-3, 1.05),
    "HFRAntVelocitySparse": (0.005, 0.5e-3, 0.05),
    "HFRHalfCheetahHighDim": (0.05, 0.0, 0.0),
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
        goal = expected_goal(setting, tasks, info, state)
        forces = np.clip(state["states/contact_forces"], -1, 1)
        costs = control_weight * np.square(actions).sum(1)
        costs = costs + contact_weight * np.square(forces).sum(1)
        np.testing.assert_allclose(info["reward_goal"], goal, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(info["reward_rest"], bonus - costs, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(reward, goal + bonus - costs, rtol=1e-12, atol=1e-12)
    if contact_weight:
        assert forces.any()


@pytest.mark.parametrize("setting", PUBLISHED)
def test_the_reward_function_gives_the_steps_rewards(setting: str) -> None:
    """To the bit, from states; actions go beyond their box, which costs."""
    reward_of = pickle.loads(pickle.dumps(RewardFunction(setting)))
    env: Any = gym.make_vec(
        f"metaenvs/{setting}-v0", num_envs=NUM_ROWS, autoreset_mode="Disabled", episodes_per_trial=1
    )
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(15):
        state, tasks = reward_of.states(env), env.unwrapped.get_task()
        actions = rng.uniform(-1.5, 1.5, env.action_space.shape).astype(np.float32)
        _, reward, terminated, truncated, info = env.step(actions)
        got = reward_of(state, actions, reward_of.states(env), tasks)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, reward)
        if "goal_weights" not in tasks:
            again = reward_of.from_info(info, tasks)
            np.testing.assert_allclose(again, reward, rtol=1e-12, atol=1e-12)
        if (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})


OWN = {
    "goal": "sparse_position",
    "vary": {"goal_position": ((0.0, 0.0), (0.0, 0.3)), "mass_scale": (0.5, 1.0)},
    "robot": "hopper",
    "reward": Reward(control_weight=1e-3, alive_bonus=1.0, ends_unhealthy=True),
    "episode_steps": 100,
}


def test_the_reward_function_of_an_experiment_of_ones_own() -> None:
    """A goal near enough to be met, a bonus that needs health and is lost by a fall."""
    reward_of = RewardFunction("DOMINOHalfCheetah", **OWN)
    env: Any = gym.make_vec(
        "metaenvs/DOMINOHalfCheetah-v0", num_envs=NUM_ROWS, split="all", autoreset_mode="Disabled",
        **OWN,
    )  # fmt: skip
    env.reset(seed=0)
    fell = False
    rng = np.random.default_rng(0)
    for _ in range(80):
        state, tasks = reward_of.states(env), env.unwrapped.get_task()
        actions = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        _, reward, terminated, truncated, info = env.step(actions)
        np.testing.assert_array_equal(
            reward_of(state, actions, reward_of.states(env), tasks), reward
        )
        assert (info["reward_goal"] > 0).any()
        fell |= terminated.any()
        if (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})
    assert fell


@pytest.mark.parametrize(
    "setting",
    ["HFRAntGoal", "LDMAntGoal", "LDMHalfCheetahVelocity", "HFRAntVelocitySparse",
     "HFRHalfCheetahHighDim"],
)  # fmt: skip
def test_relabelling_is_the_reward_that_the_other_task_pays(setting: str) -> None:
    """The same start and actions in two rows, two goals: each row's steps under the other's."""
    reward_of = RewardFunction(setting)
    env: Any = gym.make_vec(f"metaenvs/{setting}-v0", num_envs=2, autoreset_mode="Disabled")
    tasks = env.unwrapped.sample_tasks(2)
    env.reset(seed=[4, 4], options={"task": tasks})
    differ = False
    for _ in range(20):
        actions = np.tile(
            np.random.default_rng(1).uniform(-1, 1, env.action_space.shape[1]), (2, 1)
        )
        actions = actions.astype(np.float32)
        state = reward_of.states(env)
        _, reward, _, _, info = env.step(actions)
        after = reward_of.states(env)
        np.testing.assert_array_equal(reward_of(state, actions, after, tasks[::-1]), reward[::-1])
        if setting != "HFRHalfCheetahHighDim":
            swapped = reward_of.from_info(info, tasks[::-1])
            np.testing.assert_allclose(swapped, reward[::-1], rtol=1e-12, atol=1e-12)
        differ |= reward[0] != reward[1]
    assert differ


def test_a_buffer_is_relabelled_for_every_task_of_a_list_at_once() -> None:
    """Leading axes broadcast; ``info`` is a state where nothing but places counts."""
    reward_of = RewardFunction("HFRHalfCheetahVelocity")
    assert list(reward_of.entries) == ["x_position", "y_position", "diverged"]
    env: Any = gym.make_vec("metaenvs/HFRHalfCheetahVelocity-v0", num_envs=NUM_ROWS)
    goals = env.unwrapped.pool["goal_velocity"]
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(0)
    steps = []
    for _ in range(30):
        actions = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        before, (_, reward, _, _, info) = info, env.step(actions)
        steps.append((before, actions, info, reward, env.unwrapped.get_task()["goal_velocity"]))
    befores, actions, afters, reward, own = zip(*steps, strict=True)
    state, next_state = (
        {name: np.stack([info[name] for info in infos]) for name in reward_of.entries}
        for infos in (befores, afters)
    )
    table = reward_of(state, actions, next_state, {"goal_velocity": goals[:, None, None]})
    assert table.shape == (100, 30, NUM_ROWS)
    chosen = np.argmax(goals[:, None, None] == np.stack(own), axis=0)
    times, rows = np.indices(chosen.shape)
    np.testing.assert_array_equal(table[chosen, times, rows], np.stack(reward))


def test_crippled_actuators_cost_nothing_in_the_task_that_cripples_them() -> None:
    reward_of = RewardFunction("MetODSHalfCheetahDirection")
    still = {"x_position": np.zeros(3), "y_position": np.zeros(3), "diverged": np.zeros(3, bool)}
    strength = np.ones((3, 6))
    strength[1, :2] = 0.0
    strength[2] = 0.0
    tasks = {"goal_direction": 0.0, "actuator_strength": strength}
    np.testing.assert_allclose(
        reward_of(still, np.ones(6), still, tasks), [-0.3, -0.2, 0.0], rtol=1e-12
    )


def test_a_step_that_diverged_pays_nothing_in_any_task() -> None:
    reward_of = RewardFunction("HFRHalfCheetahVelocity")
    before = {"x_position": np.zeros(2), "y_position": np.zeros(2), "diverged": np.zeros(2, bool)}
    after = {**before, "diverged": np.array([False, True])}
    rewards = reward_of(before, np.zeros((2, 6)), after, {"goal_velocity": 0.1})
    np.testing.assert_allclose(rewards, [1.9, 0.0])


def test_the_bonus_of_a_velocity_begins_nearer_than_half_a_metre_a_second() -> None:
    """The radius itself is outside, as the authors' comparison has it."""
    reward_of = RewardFunction("HFRAntVelocitySparse", contact_forces=False)
    misses = np.array([0.25, np.nextafter(0.5, 0.0), 0.5, 1.0])
    before = {name: np.zeros(4) for name in ("x_position", "y_position", "diverged")}
    after = {**before, "x_position": 0.05 * misses}
    rewards = reward_of(before, np.zeros(8), after, {"goal_velocity": 0.0})
    np.testing.assert_allclose(rewards, [0.8, 0.55, -0.45, -0.95], rtol=1e-12)


def test_every_weight_of_the_state_counts_by_its_deviation() -> None:
    """One weight at a time: what the paper's own normalisation gives for a state of ones."""
    reward_of = RewardFunction("HFRHalfCheetahHighDim")
    state = {name: np.ones(length or ()) for name, length in reward_of.entries.items()}
    state["diverged"] = np.array(False)
    rewards = reward_of(state, np.zeros(6), state, {"goal_weights": np.eye(18)})
    goal = GOALS["state"]
    expected = (1 - np.array(goal.means)) / np.array(goal.deviations)
    np.testing.assert_allclose(rewards, expected, rtol=1e-12)
    assert np.unique(rewards).size == 18


def test_goals_of_the_whole_state_are_half_cheetahs() -> None:
    with pytest.raises(ValueError, match=r"18 positions.*ant has 29"):
        gym.make(
            "metaenvs/HFRHalfCheetahHighDim-v0", robot="ant", vary={"goal_weights": ([0.0] * 18,)}
        )
    with pytest.raises(ValueError, match="with states"):
        RewardFunction("HFRHalfCheetahHighDim").from_info({}, {"goal_weights": np.zeros(18)})


def test_what_is_missing_is_told() -> None:
    reward_of = RewardFunction("LDMAntGoal")
    with pytest.raises(ValueError, match=r"contact_forces.*states"):
        reward_of({}, np.zeros(8), {}, {})
    state = {name: np.zeros(length or ()) for name, length in reward_of.entries.items()}
    with pytest.raises(ValueError, match="goal_position"):
        reward_of(state, np.zeros(8), state, {})


@pytest.mark.parametrize("dynamics", [False, True])
@pytest.mark.parametrize("goals", [False, True])
@pytest.mark.parametrize("goal", ["velocity", "sparse_velocity"])
def test_dynamics_goals_and_sparsity_are_turned_on_and_off(
    dynamics: bool, goals: bool, goal: str
) -> None:
    """The ablations of hindsight transfer, as arguments of ``make``."""
    vary: dict[str, Any] = {"goal_velocity": Between(0.0, 3.0) if goals else (1.5,)}
    if dynamics:
        vary |= random_parameters(1.0)
    env: Any = gym.make_vec(
        "metaenvs/SparseHalfCheetahVelocity-v0", num_envs=8, goal=goal, vary=vary, split="all"
    )
    env.reset(seed=0)
    tasks, state = env.unwrapped.get_task(), env.unwrapped.get_state()
    assert len(np.unique(tasks["goal_velocity"])) == (8 if goals else 1)
    assert len(np.unique(state["states/block"], axis=0)) == (8 if dynamics else 1)
    *_, info = env.step(env.action_space.sample())
    miss = np.abs(info["x_velocity"] - tasks["goal_velocity"])
    pays = -miss if goal == "velocity" else np.where(miss <= 0.3, 2 - miss, 0.0)
    np.testing.assert_allclose(info["reward_goal"], pays)
