"""Published task sets against the tables of the specification, written out once more here."""

from __future__ import annotations

import itertools
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.locomotion.family import model_of
from metaenvs.locomotion.published import PUBLISHED
from metaenvs.registration import LOCOMOTION_SETTINGS

pytest.importorskip("mujoco")

FIVE = [0.75, 0.85, 1.0, 1.15, 1.25]
SLIM = [0.8, 0.9, 1.0, 1.15, 1.25]
HOP = [0.5, 0.75, 1.0, 1.25, 1.5]


def grid(first: list[float], second: list[float]) -> set[tuple[float, ...]]:
    return set(itertools.product(first, second))


def single(values: list[float]) -> set[tuple[float, ...]]:
    return {(value,) for value in values}


def diagonal(*sets: list[float]) -> set[tuple[float, ...]]:
    return set().union(*(grid(values, values) for values in sets))


def without(size: int, joints: list[tuple[int, ...]], *masses: float) -> set[tuple[float, ...]]:
    """Strengths without some joints, then the mass where it varies."""
    strengths = [tuple(0.0 if i in group else 1.0 for i in range(size)) for group in joints]
    return {(*s, m) for s in strengths for m in masses} if masses else set(strengths)


LEG_ACTUATORS = [(2, 3), (4, 5), (6, 7), (0, 1)]
JOINTS = [(joint,) for joint in range(6)]

# Values of the task's entries in the order of their names: damping before mass, strength first.
TABLE: dict[str, dict[str, set[tuple[float, ...]]]] = {
    "CaDMHalfCheetah": {
        "train": grid(FIVE, FIVE),
        "moderate": diagonal([0.4, 0.5], [1.5, 1.6]),
        "extreme": diagonal([0.2, 0.3], [1.7, 1.8]),
    },
    "CaDMAnt": {
        "train": single([0.85, 0.9, 0.95, 1.0]),
        "moderate": single([0.4, 0.45, 0.5, 0.55, 0.6]),
        "extreme": single([0.2, 0.25, 0.3, 0.35, 0.4]),
    },
    "CaDMCrippledHalfCheetah": {
        "train": without(6, JOINTS[:4]),
        "moderate": without(6, JOINTS[4:]),
        "extreme": without(6, [(4, 5)]),
    },
    "CaDMSlimHumanoid": {
        "train": grid(SLIM, SLIM),
        "moderate": diagonal([0.6, 0.7], [1.5, 1.6]),
        "extreme": diagonal([0.4, 0.5], [1.7, 1.8]),
    },
    "TMCLHopper": {"train": single(HOP), "test": single([0.25, 0.375, 1.75, 2.0])},
    "TMCLHalfCheetah": {
        "train": single([0.25, 0.5, 1.5, 2.5]),
        "test": single([0.1, 0.15, 2.75, 3.0]),
    },
    "TMCLSlimHumanoid": {"train": single(SLIM), "test": single([0.6, 0.7, 1.5, 1.6])},
    "TMCLCrippledAnt": {
        "train": without(8, LEG_ACTUATORS[:3]),
        "test": without(8, LEG_ACTUATORS[3:]),
    },
    "DOMINOHalfCheetah": {
        "train": grid(FIVE, FIVE),
        "test": grid([0.4, 0.5, 1.5, 1.6], [0.4, 0.5, 1.5, 1.6]),
        "extreme": grid([0.2, 0.3, 1.7, 1.8], [0.2, 0.3, 1.7, 1.8]),
    },
    "DOMINOAnt": {
        "train": grid(FIVE, FIVE),
        "test": grid([0.4, 0.5, 1.5, 1.6], [0.4, 0.5, 1.5, 1.6]),
    },
    "DOMINOSlimHumanoid": {
        "train": grid(SLIM, SLIM),
        "test": grid([0.6, 0.7, 1.5, 1.6], [0.6, 0.7, 1.5, 1.6]),
        "extreme": grid([0.4, 0.5, 1.7, 1.8], [0.4, 0.5, 1.7, 1.8]),
    },
    "DOMINOHopper": {
        "train": grid(HOP, HOP),
        "test": grid([0.25, 0.375, 1.75, 2.0], [0.25, 0.375, 1.75, 2.0]),
        "extreme": grid([0.4, 0.5, 1.7, 1.8], [0.4, 0.5, 1.7, 1.8]) - {(0.5, 0.5)},
    },
    "DOMINOCrippledAnt": {
        "train": without(8, LEG_ACTUATORS[:3], *FIVE),
        "test": without(8, LEG_ACTUATORS[3:], 0.4, 0.5, 1.5, 1.6),
    },
    "DOMINOCrippledHalfCheetah": {
        "train": without(6, JOINTS[:4], *FIVE),
        "test": without(6, JOINTS[4:], 0.4, 0.5, 1.5, 1.6),
    },
    "LDMAntDirection": {
        "train": single([0.0, math.pi / 2, math.pi, 3 * math.pi / 2]),
        "test": single([turn * math.pi / 4 for turn in (1, 3, 5, 7)]),
    },
    "RIASwimmer": {
        "train": single(SLIM),
        "moderate": single([0.6, 0.7, 1.5, 1.6]),
        "extreme": single([0.4, 0.5, 1.7, 1.8]),
    },
}
OBSERVATIONS = {
    # Dimensions, actions, horizon.
    "CaDMHalfCheetah": (18, 6, 1000), "CaDMAnt": (28, 8, 1000), "TMCLCrippledAnt": (41, 8, 1000),
    "CaDMSlimHumanoid": (45, 17, 1000), "TMCLHopper": (11, 3, 500), "LDMAntDirection": (27, 8, 200),
    "LDMAntGoal": (113, 8, 200), "LDMHalfCheetahVelocity": (20, 6, 200),
    "RandomParametersHopper": (11, 3, 200), "RandomParametersWalker2d": (17, 6, 200),
    "SparseHalfCheetahVelocity": (20, 6, 200), "SparseAntGoal": (29, 8, 200),
    "HFRHalfCheetahVelocity": (20, 6, 200), "HFRAntGoal": (113, 8, 200),
    "HFRAntVelocity": (113, 8, 200), "HFRAntVelocitySparse": (113, 8, 200),
    "HFRHalfCheetahHighDim": (18, 6, 200),
}  # fmt: skip


def make(setting: str, **arguments: Any) -> Any:
    return gym.make(f"metaenvs/{setting}-v0", **arguments).unwrapped


def values_of(tasks: Any) -> list[tuple[float, ...]]:
    """Rows of numbers, the entries of the task in the order of their names."""
    parts = [tasks[name].reshape(len(tasks), -1) for name in tasks.keys()]  # noqa: SIM118
    return [tuple(row) for row in np.concatenate(parts, axis=1).tolist()]


def test_every_setting_is_registered() -> None:
    assert sorted(LOCOMOTION_SETTINGS) == sorted(PUBLISHED)


@pytest.mark.parametrize("setting", TABLE)
def test_the_sets_are_the_papers(setting: str) -> None:
    assert make(setting).splits == tuple(TABLE[setting])
    for split, expected in TABLE[setting].items():
        got = values_of(make(setting, split=split).pool)
        assert len(got) == len(set(got))
        assert set(got) == expected


@pytest.mark.parametrize("setting", TABLE)
def test_train_and_test_sets_are_disjoint(setting: str) -> None:
    if setting == "CaDMAnt":  # In CaDM's own table 0.4 is both moderate and extreme.
        sets = TABLE[setting]
        assert not sets["train"] & (sets["moderate"] | sets["extreme"])
        return
    for first, second in itertools.combinations(TABLE[setting].values(), 2):
        assert not first & second


@pytest.mark.parametrize("setting", OBSERVATIONS)
def test_spaces_and_horizons(setting: str) -> None:
    env = make(setting)
    size, num_actions, horizon = OBSERVATIONS[setting]
    assert env.observation_space.shape == (size,)
    assert env.action_space.shape == (num_actions,)
    assert (env.action_space.low == -1).all() and (env.action_space.high == 1).all()
    assert PUBLISHED[setting].episode_steps == horizon


def drawn(setting: str, split: str, num_tasks: int = 4000) -> Any:
    return make(setting, split=split).sample_tasks(num_tasks)


def test_ldms_ranges() -> None:
    speed = drawn("LDMHalfCheetahVelocity", "train")["goal_velocity"]
    slow = speed <= 0.5
    assert ((speed >= 0) & slow | (speed >= 3.0) & (speed <= 3.5)).all()
    assert abs(slow.mean() - 0.5) < 0.04
    goals = drawn("LDMAntGoal", "train")["goal_position"]
    radius = np.hypot(*goals.T)
    near = radius <= 1
    assert (near | (radius >= 2.5) & (radius <= 3)).all()
    assert abs(near.mean() - 4 / 15) < 0.03
    assert abs((radius[near] ** 2).mean() - 0.5) < 0.05  # Uniform over the area.
    assert abs(np.arctan2(goals[:, 1], goals[:, 0]).mean()) < 0.15
    test = np.hypot(*make("LDMAntGoal", split="test").pool["goal_position"].T)
    np.testing.assert_allclose(test, 1.75)
    assert values_of(make("LDMHalfCheetahVelocity", split="test").pool) == [
        (0.75,), (1.25,), (1.75,), (2.25,), (2.75,)
    ]  # fmt: skip


def test_random_parameters_are_log_uniform_for_every_element() -> None:
    tasks = make("RandomParametersWalker2d", split="all").sample_tasks(2000)
    for name, base in (
        ("body_mass_scale", 1.5), ("body_inertia_scale", 1.5), ("geom_friction_scale", 1.5),
        ("dof_damping_scale", 1.3),
    ):  # fmt: skip
        exponent = np.log(tasks[name].reshape(2000, -1)) / np.log(base)
        assert np.abs(exponent).max() <= 3 and np.abs(exponent).max() > 2.99
        np.testing.assert_allclose(exponent.std(axis=0), 6 / np.sqrt(12), rtol=0.06)
        correlation = np.corrcoef(exponent.T)
        assert np.abs(correlation - np.eye(len(correlation))).max() < 0.12
    for split, size in (("train", 40), ("test", 10)):
        assert len(make("RandomParametersWalker2d", split=split).pool) == size


def test_ranges_in_place_of_sets() -> None:
    tasks = make("DOMINOHalfCheetah", mode="range").sample_tasks(2000)
    for name in ("mass_scale", "damping_scale"):
        assert 0.75 <= tasks[name].min() < 0.76 and 1.24 < tasks[name].max() <= 1.25
    tests = make("DOMINOHalfCheetah", mode="range", split="test").sample_tasks(2000)
    low = tests["mass_scale"] <= 0.5
    assert (low | (tests["mass_scale"] >= 1.5)).all() and abs(low.mean() - 0.5) < 0.05


def test_an_impaired_robot_has_one_actuator_frozen() -> None:
    whole = drawn("MetODSAntDirection", "train", 100)["actuator_strength"]
    assert (whole == 1).all()
    impaired = drawn("MetODSAntDirection", "impaired", 400)["actuator_strength"]
    assert (impaired.sum(axis=1) == 7).all() and (impaired.min(axis=0) == 0).all()


def test_itts_lists() -> None:
    assert values_of(make("ITTSAntVelocity", split="test").pool)[0] == (0.3515559,)
    assert len(make("ITTSAntVelocity", split="validation").pool) == 5
    assert len(make("ITTSHalfCheetahVelocity").pool) == 40


@pytest.mark.parametrize(
    ("setting", "seed", "num_tasks", "low"),
    [
        ("HFRHalfCheetahVelocity", 1, 130, 0.0), ("HFRAntVelocity", 3, 180, 0.0),
        ("HFRAntVelocitySparse", 3, 180, -1.5),
    ],
)  # fmt: skip
def test_hfrs_velocities_are_the_authors(
    setting: str, seed: int, num_tasks: int, low: float
) -> None:
    """The last 30 of the numbers that NumPy's old generator gives for the authors' seed."""
    rng = np.random.RandomState(seed)
    listed = [low + 3.0 * rng.random_sample() for _ in range(num_tasks)]
    assert make(setting).pool["goal_velocity"].tolist() == listed[:-30]
    assert make(setting, split="test").pool["goal_velocity"].tolist() == listed[-30:]


def test_hfrs_goals_are_even_on_a_half_circle_in_the_authors_order() -> None:
    order = list(range(130))
    np.random.RandomState(1).shuffle(order)
    goals = [make("HFRAntGoal", split=split).pool["goal_position"] for split in ("train", "test")]
    assert len(goals[1]) == 30
    angles = np.arctan2(*np.concatenate(goals).T[::-1])
    np.testing.assert_allclose(angles, np.array(order) * np.pi / 129, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(goals), axis=1), 2.0)


def test_hfrs_weights_of_the_state_are_the_authors() -> None:
    """Drawn one task after another from NumPy's old generator."""
    rng = np.random.RandomState(1)
    listed = [[2.0 * rng.random_sample() - 1.0 for _ in range(18)] for _ in range(130)]
    for split, expected in (("train", listed[:100]), ("test", listed[100:])):
        pool = make("HFRHalfCheetahHighDim", split=split).pool["goal_weights"]
        np.testing.assert_allclose(pool, expected, rtol=1e-12)


@pytest.mark.parametrize("setting", ["HFRAntGoal", "HFRAntVelocity", "HFRAntVelocitySparse"])
def test_hfrs_ant_has_pearls_gears(setting: str) -> None:
    env = gym.make_vec(f"metaenvs/{setting}-v0", num_envs=2)
    env.reset(seed=0)
    for block in env.unwrapped.get_state()["states/block"]:
        assert (model_of(setting, block).actuator_gear[:, 0] == 30.0).all()
