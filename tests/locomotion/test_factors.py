"""Every factor of every task: the model's field has the promised value, and it makes a change."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs import Tasks
from metaenvs.locomotion.distributions import Between, Disc, Powers
from metaenvs.locomotion.family import model_of
from metaenvs.locomotion.models import DERIVED_FIELDS, field_of, load_model
from metaenvs.locomotion.published import PUBLISHED
from metaenvs.locomotion.robots import ROBOTS

mujoco = pytest.importorskip("mujoco")

MASS_FIELDS = ("body_mass", "body_inertia")


def make(setting: str, num_envs: int, **arguments: Any) -> Any:
    return gym.make_vec(f"metaenvs/{setting}-v0", num_envs=num_envs, **arguments)


def ant_legs(model: Any, *numbers: int) -> tuple[list[int], list[int]]:
    """Bodies and joints' dofs of some legs (1 to 4), by the names in the model."""
    dofs = [
        int(model.joint(f"{kind}_{number}").dofadr[0])
        for number in numbers
        for kind in ("hip", "ankle")
    ]
    bodies = []
    for number in numbers:
        foot = int(model.joint(f"ankle_{number}").bodyid[0])
        shank = int(model.body_parentid[foot])
        bodies += [foot, shank, int(model.body_parentid[shank])]
    return bodies, dofs


def expected_model(setting: str, task: dict[str, Any]) -> Any:
    """The nominal model edited by hand through MuJoCo's package."""
    model = load_model(ROBOTS[PUBLISHED[setting].robot].model_file)
    for name, value in task.items():
        if name in ("mass_scale", "body_mass_scale"):
            model.body_mass[:] *= value
        elif name == "body_inertia_scale":
            model.body_inertia[:] *= value
        elif name in ("damping_scale", "dof_damping_scale"):
            model.dof_damping[:] *= value
        elif name in ("friction_scale", "geom_friction_scale"):
            model.geom_friction[:] *= value
        elif name == "leg_mass_scale":
            model.body_mass[ant_legs(model, 1, 2)[0]] *= value
            model.body_mass[ant_legs(model, 3, 4)[0]] *= 1 / value
        elif name == "leg_damping_scale":
            model.dof_damping[ant_legs(model, 1, 2)[1]] *= value
            model.dof_damping[ant_legs(model, 3, 4)[1]] *= 1 / value
        elif name == "strength_scale":
            model.actuator_gear[:] *= value
        elif name == "actuator_strength":
            model.actuator_gear[:] *= value[:, None]
        else:
            assert name.startswith("goal_")
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def assert_same_model(model: Any, expected: Any) -> None:
    for name in dir(expected):
        value = getattr(expected, name, None)
        # Where cameras and lights are relative to the centre of mass matters to pictures alone.
        if isinstance(value, np.ndarray) and "poscom0" not in name:
            np.testing.assert_array_equal(getattr(model, name), value, err_msg=name)
    np.testing.assert_array_equal(model.opt.gravity, expected.opt.gravity)
    assert model.stat.meaninertia == expected.stat.meaninertia


@pytest.mark.parametrize("setting", PUBLISHED)
def test_the_rows_models_have_the_promised_values(setting: str) -> None:
    """All tasks of a split at once (of a stream, some), in every split."""
    for split in make(setting, 1).unwrapped.splits:
        env = make(setting, 20, split=split)
        env.reset(seed=0)
        tasks = env.unwrapped.get_task()
        for task, block in zip(tasks, env.unwrapped.get_state()["states/block"], strict=True):
            assert_same_model(model_of(setting, block), expected_model(setting, task))


def nominal_task(env: Any) -> dict[str, np.ndarray]:
    """Factors of 1, goals of 0."""
    return {
        name: np.full(space.shape, 0.0 if name.startswith("goal") else 1.0)
        for name, space in env.unwrapped.task_space.items()
    }


def values_of(setting: str, split: str) -> dict[str, np.ndarray]:
    """Of each entry: all values in the split's tasks; of a stream's, 15."""
    env = make(setting, 1, split=split).unwrapped
    try:
        tasks = env.pool
    except ValueError:
        tasks = env.sample_tasks(15)
    return {name: np.unique(tasks[name], axis=0) for name in env.task_space}


def history(setting: str, tasks: Tasks, num_steps: int, env: Any = None) -> np.ndarray:
    """Observations and rewards (rows, steps, ...) of equal starts and actions in some tasks."""
    env = env or make(setting, len(tasks), autoreset_mode="Disabled", episodes_per_trial=1)
    observation, _ = env.reset(seed=[7] * len(tasks), options={"task": tasks})
    rng = np.random.default_rng(0)
    seen = [np.concatenate([observation, np.zeros((len(tasks), 1))], axis=1)]
    for _ in range(num_steps):
        action = rng.uniform(-1, 1, env.action_space.shape[1:]).astype(np.float32)
        observation, reward, terminated, _, _ = env.step(np.tile(action, (len(tasks), 1)))
        seen.append(np.concatenate([observation, reward[:, None]], axis=1))
        if terminated.any():
            break
    return np.stack(seen, axis=1)


@pytest.mark.parametrize("setting", PUBLISHED)
def test_every_factor_changes_the_trajectory(setting: str) -> None:
    """Each value of each entry of any task alone, away from the nominal task."""
    contract: Any = make(setting, 1).unwrapped
    nominal = nominal_task(contract)
    for split in contract.splits:
        for name, values in values_of(setting, split).items():
            changed = [{**nominal, name: value} for value in values]
            moved = [t for t in changed if not np.array_equal(t[name], nominal[name])]
            if not moved:
                assert setting.startswith("MetODS") and split == "train"
                continue
            told = history(setting, Tasks.stack([nominal, *moved]), 30)
            same = (told[1:] == told[0]).all(axis=(1, 2))
            # A sparse goal pays nothing where the robot never comes near it.
            sparse = name.startswith("goal") and "sparse" in PUBLISHED[setting].goal
            assert sparse or not same.any()


@pytest.mark.parametrize("setting", PUBLISHED)
def test_tasks_are_undone_by_the_nominal_one_and_by_being_set_again(setting: str) -> None:
    """In the same rows and workers: models and trajectories to the bit."""
    env = make(setting, 3, autoreset_mode="Disabled", episodes_per_trial=1)
    nominal = Tasks.stack([nominal_task(env)] * 3)
    tasks = make(setting, 1, split=env.unwrapped.splits[-1]).unwrapped.sample_tasks(3)
    untouched = history(setting, nominal, 10)
    changed = history(setting, tasks, 10, env)
    assert not np.array_equal(changed[:, : untouched.shape[1]], untouched[:, : changed.shape[1]])
    np.testing.assert_array_equal(history(setting, nominal, 10, env), untouched)
    original = load_model(ROBOTS[PUBLISHED[setting].robot].model_file)
    for block in env.unwrapped.get_state()["states/block"]:
        assert_same_model(model_of(setting, block), original)
    np.testing.assert_array_equal(history(setting, tasks, 10, env), changed)


def test_crippled_legs_are_the_legs() -> None:
    model = load_model("ant.xml")
    for leg, strength in enumerate(
        make("TMCLCrippledAnt", 1).unwrapped.pool["actuator_strength"], start=1
    ):
        dead = np.flatnonzero(strength == 0)
        joints = {model.joint(int(model.actuator_trnid[index, 0])).name for index in dead}
        assert joints == {f"hip_{leg}", f"ankle_{leg}"}


def test_a_dead_joint_costs_nothing() -> None:
    """DOMINO and CaDM charge the action after masking it."""
    env = make("CaDMCrippledHalfCheetah", 4)
    env.reset(seed=0, options={"task": env.unwrapped.pool})
    _, _, _, _, info = env.step(np.ones((4, 6), np.float32))
    np.testing.assert_allclose(info["reward_rest"], -0.1 * 5, rtol=1e-12)


def test_inertia_scales_with_mass_where_asked() -> None:
    task = {"mass_scale": 1.25, "damping_scale": 1.0}
    for scale_inertia in (False, True):
        env = make("DOMINOHalfCheetah", 1, scale_inertia=scale_inertia)
        env.reset(seed=0, options={"task": task})
        model = model_of("DOMINOHalfCheetah", env.unwrapped.get_state()["states/block"][0])
        expected = load_model("half_cheetah.xml")
        expected.body_mass[:] *= 1.25
        if scale_inertia:
            expected.body_inertia[:] *= 1.25
        mujoco.mj_setConst(expected, mujoco.MjData(expected))
        assert_same_model(model, expected)


def test_constants_stay_where_the_paper_left_them() -> None:
    env = make("DOMINOHalfCheetah", 1, recompute_constants=False)
    env.reset(seed=0, options={"task": {"mass_scale": 1.25, "damping_scale": 0.75}})
    model = model_of("DOMINOHalfCheetah", env.unwrapped.get_state()["states/block"][0])
    nominal = load_model("half_cheetah.xml")
    np.testing.assert_array_equal(model.body_mass, nominal.body_mass * 1.25)
    for name in DERIVED_FIELDS:
        np.testing.assert_array_equal(field_of(model, name), field_of(nominal, name))


def test_the_upstream_bug_of_ants_damping_by_name() -> None:
    env = make("DOMINOAnt", 1, leg_damping="upstream")
    env.reset(seed=0, options={"task": {"leg_mass_scale": 1.0, "leg_damping_scale": 1.25}})
    model = model_of("DOMINOAnt", env.unwrapped.get_state()["states/block"][0])
    nominal = load_model("ant.xml")
    ratio = model.dof_damping[6:] / nominal.dof_damping[6:]
    np.testing.assert_allclose(ratio, [1.25] * 2 + [0.8] * 6)
    assert not model.dof_damping[:6].any()


@pytest.mark.parametrize(
    "name", ["gravity_scale", "friction_scale", "inertia_scale", "strength_scale"]
)
def test_factors_that_no_published_set_varies(name: str) -> None:
    env = make("DOMINOHopper", 2, vary={name: (0.5, 1.0, 2.0)})
    assert list(env.unwrapped.task_space) == [name]
    env.reset(seed=[1, 1], options={"task": Tasks({name: [1.0, 2.0]})})
    nominal = load_model("hopper.xml")
    field = {
        "gravity_scale": "gravity", "friction_scale": "geom_friction",
        "inertia_scale": "body_inertia", "strength_scale": "actuator_gear",
    }[name]  # fmt: skip
    for block, scale in zip(env.unwrapped.get_state()["states/block"], (1.0, 2.0), strict=True):
        model = model_of("DOMINOHopper", block)
        np.testing.assert_array_equal(field_of(model, field), field_of(nominal, field) * scale)
    different = False
    for _ in range(40):
        observation, *_ = env.step(np.full((2, 3), 0.3, np.float32))
        different |= not np.array_equal(observation[0], observation[1])
    assert different


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"setting": "Nothing"}, "setting must be one of"),
        ({"robot": "dog"}, "robot must be one of"),
        ({"goal": "fame"}, "goal must be one of"),
        ({"goal": "velocity"}, "needs \\['goal_velocity'\\] in vary"),
        ({"vary": {"colour": (1.0,)}}, "Tasks can have the entries"),
        ({"vary": {}}, "at least one entry that varies"),
        *(
            ({"vary": {"mass_scale": values}}, "mass_scale must vary within Box")
            for values in (
                (),
                3,
                "abc",
                (-1.0,),
                ((1.0, 2.0),),
                (np.nan,),
                Between(2, 1),
                Between(0, 1),
                Between(1, np.inf),
                Between(np.nan, 1),
                Powers(2, -9, 1),
                Powers(-2, 0, 1),
                Disc(1, 2),
            )
        ),
        ({"mode": "sets"}, "mode must be one of"),
        ({"leg_damping": "both"}, "leg_damping must be one of"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.make("metaenvs/DOMINOAnt-v0", **arguments)
    with pytest.raises(TypeError, match="has no argument"):
        gym.make("metaenvs/DOMINOAnt-v0", colour="red")
