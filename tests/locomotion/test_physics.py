"""The engine: equal to Gymnasium's stepping, independent of rows and threads, contained errors."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs
from metaenvs import Tasks
from metaenvs.locomotion.goals import Reward
from metaenvs.locomotion.models import load_model
from metaenvs.locomotion.robots import ROBOTS
from metaenvs.locomotion.settings import Observation
from metaenvs.locomotion.workers import stop_profiling, without_islands

mujoco = pytest.importorskip("mujoco")

GYMNASIUM: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # Id, arguments that make ours Gymnasium's, arguments of Gymnasium's own.
    "half_cheetah": ("HalfCheetah-v5", {"reward": Reward(control_weight=0.1)}, {}),
    "ant": (
        "Ant-v5",
        {
            "reward": Reward(
                control_weight=0.5, contact_weight=5e-4, alive_bonus=1.0, ends_unhealthy=True
            ),
            "observation": Observation(contact_forces=True),
        },
        {},
    ),
    "hopper": (
        "Hopper-v5",
        {"reward": Reward(control_weight=1e-3, alive_bonus=1.0, ends_unhealthy=True)},
        {},
    ),
    "walker2d": (
        "Walker2d-v5",
        {"reward": Reward(control_weight=1e-3, alive_bonus=1.0, ends_unhealthy=True)},
        {},
    ),
    "swimmer": ("Swimmer-v5", {"reward": Reward(control_weight=1e-4)}, {}),
}


def nominal_task(env: Any) -> dict[str, np.ndarray]:
    """Factors of 1, goals of 0."""
    return {
        name: np.full(space.shape, 0.0 if name.startswith("goal") else 1.0)
        for name, space in env.unwrapped.task_space.items()
    }


def plain(robot: str, num_envs: int = 1, **arguments: Any) -> Any:
    """A robot that is paid for going forward, its mass and damping varied."""
    setting = {"observation": Observation(), "start": ROBOTS[robot].start, **arguments}
    return gym.make_vec(
        "metaenvs/DOMINOHalfCheetah-v0", num_envs=num_envs, robot=robot,
        vary={"mass_scale": (0.5, 1.0, 2.0), "damping_scale": (0.5, 1.0, 2.0)},
        autoreset_mode="Disabled", **setting,
    )  # fmt: skip


def enter(theirs: Any, state: dict[str, np.ndarray], row: int) -> None:
    """Put Gymnasium's environment where a row of ours is, as its own reset does."""
    mujoco.mj_resetData(theirs.model, theirs.data)
    theirs.set_state(
        state["states/positions"][row, : theirs.model.nq],
        state["states/velocities"][row, : theirs.model.nv],
    )


@pytest.mark.parametrize("robot", GYMNASIUM)
def test_the_nominal_task_is_gymnasiums_environment_to_the_bit(robot: str) -> None:
    """Observations, rewards and ends; the row is the last of three of which the others vary."""
    their_id, ours_arguments, their_arguments = GYMNASIUM[robot]
    env = plain(robot, 3, **ours_arguments)
    tasks = env.unwrapped.sample_tasks(3)
    tasks = Tasks.concatenate([tasks[:2], Tasks.stack([nominal_task(env)])])
    theirs: Any = gym.make(their_id, **their_arguments).unwrapped
    theirs.reset(seed=0)
    rng = np.random.default_rng(0)
    num_steps = 0
    for seed in range(5):
        observation, _ = env.reset(seed=seed, options={"task": tasks})
        enter(theirs, env.unwrapped.get_state(), 2)
        np.testing.assert_array_equal(observation[2], theirs._get_obs())
        for _ in range(100):
            actions = rng.uniform(-1, 1, (3, theirs.model.nu)).astype(np.float32)
            got = env.step(actions)
            # Gymnasium sums a float32 action's squares in float32, ours always in float64.
            expected = theirs.step(actions[2].astype(np.float64))
            num_steps += 1
            np.testing.assert_array_equal(got[0][2], expected[0])
            assert got[1][2] == expected[1]
            assert got[2][2] == expected[2]
            np.testing.assert_array_equal(got[4]["x_velocity"][2], expected[4]["x_velocity"])
            ended = got[2] | got[3]
            if ended[2]:
                break
            if ended.any():
                env.reset(options={"reset_mask": ended})
    assert num_steps > 50


def test_slim_humanoid_moves_as_gymnasiums_humanoid() -> None:
    env = gym.make_vec("metaenvs/CaDMSlimHumanoid-v0", num_envs=1)
    env.reset(seed=0, options={"task": nominal_task(env)})
    theirs: Any = gym.make("Humanoid-v5").unwrapped
    theirs.reset(seed=0)
    state = env.unwrapped.get_state()
    enter(theirs, state, 0)
    rng = np.random.default_rng(0)
    for _ in range(100):
        actions = rng.uniform(-1, 1, (1, 17)).astype(np.float32)
        speed_before = theirs.data.qvel[0]
        observation, reward, terminated, _, _ = env.step(actions)
        control = 0.4 * actions[0].astype(np.float64)
        theirs.do_simulation(control, theirs.frame_skip)
        np.testing.assert_array_equal(
            observation[0], np.concatenate([theirs.data.qpos[2:], theirs.data.qvel])
        )
        alive = 5.0 * (1.0 <= theirs.data.qpos[2] <= 2.0)
        expected = 0.25 / 0.015 * speed_before - 0.1 * np.square(control).sum() + alive
        np.testing.assert_allclose(reward[0], expected, rtol=1e-12)
        assert not terminated[0]


@pytest.mark.parametrize("robot", ROBOTS)
def test_models_without_textures_are_gymnasiums(robot: str) -> None:
    """In every array and number that is not for pictures."""
    folder = gym.__path__[0] + "/envs/mujoco/assets/"
    theirs = mujoco.MjModel.from_xml_path(folder + ROBOTS[robot].model_file)
    ours = load_model(ROBOTS[robot].model_file)
    pictures = ("_", "tex", "mat_", "name", "geom_matid", "site_matid")
    compared = 0
    for name in dir(theirs):
        value = getattr(theirs, name, None)
        if isinstance(value, np.ndarray) and not name.startswith(pictures):
            np.testing.assert_array_equal(value, getattr(ours, name), err_msg=name)
            compared += 1
    assert compared > 200
    for name in ("gravity", "timestep", "integrator", "solver", "iterations", "tolerance"):
        np.testing.assert_array_equal(getattr(theirs.opt, name), getattr(ours.opt, name))
    assert theirs.stat.meaninertia == ours.stat.meaninertia
    assert ours.nbuffer < 100_000 < theirs.nbuffer


def test_a_changed_row_steps_as_its_model_does_in_mujoco() -> None:
    """The model with all fields set through MuJoCo's own package, stepped by it."""
    env = gym.make_vec("metaenvs/RandomParametersWalker2d-v0", num_envs=4)
    env.reset(seed=1)
    tasks = env.unwrapped.get_task()
    state = env.unwrapped.get_state()
    rng = np.random.default_rng(0)
    pairs = []
    for row in range(4):
        model = load_model("walker2d_v5.xml")
        model.body_mass[:] *= tasks["body_mass_scale"][row]
        model.body_inertia[:] *= tasks["body_inertia_scale"][row]
        model.dof_damping[:] *= tasks["dof_damping_scale"][row]
        model.geom_friction[:] *= tasks["geom_friction_scale"][row]
        data = mujoco.MjData(model)
        mujoco.mj_setConst(model, data)
        mujoco.mj_resetData(model, data)
        data.qpos[:] = state["states/positions"][row, :9]
        data.qvel[:] = state["states/velocities"][row, :9]
        mujoco.mj_forward(model, data)
        pairs.append((model, data))
    for _ in range(10):
        actions = rng.uniform(-1, 1, (4, 6)).astype(np.float32)
        observation, *_ = env.step(actions)
        for row, (model, data) in enumerate(pairs):
            data.ctrl[:] = actions[row]
            mujoco.mj_step(model, data, nstep=4)
            expected = np.concatenate([data.qpos[1:], np.clip(data.qvel, -10, 10)])
            np.testing.assert_array_equal(observation[row], expected)


def diverge(env: Any, row: int, velocity: float) -> None:
    """Give a row a state that MuJoCo cannot go on from."""
    state = env.unwrapped.get_state()
    state["states/velocities"][row, :3] = velocity
    env.unwrapped.set_state(state)


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("velocity", [np.nan, np.inf, 1e11, 1e9, 1e6])
def test_a_divergence_ends_its_row_and_touches_no_other(
    robot: str, velocity: float, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings to a file there.
    rng = np.random.default_rng(0)
    env, undisturbed = plain(robot, 6), plain(robot, 6)
    for one in (env, undisturbed):
        one.reset(seed=3)
    others = np.arange(6) != 2
    diverged = False
    diverge(env, 2, velocity)
    for _ in range(20):
        actions = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        got, expected = env.step(actions), undisturbed.step(actions)
        for part in range(4):
            np.testing.assert_array_equal(got[part][others], expected[part][others])
        assert not got[4]["diverged"][others].any()
        if got[4]["diverged"][2]:
            diverged = True
            assert got[2][2] and got[4]["episode_terminated"][2] and got[1][2] == 0.0
            env.reset(options={"reset_mask": ~others})
            assert np.isfinite(env.step(actions)[0]).all()
            undisturbed.step(actions)
    assert diverged or (np.isfinite(velocity) and velocity < 1e11)


@pytest.mark.parametrize("robot", ROBOTS)
def test_islands_left_out_change_no_bit(robot: str) -> None:
    """Crumpled up and half in the ground, as many contacts and limits as there can be."""
    whole = load_model(ROBOTS[robot].model_file)
    less = without_islands(load_model(ROBOTS[robot].model_file))
    assert less.ntree == 1
    if hasattr(mujoco.mjtDisableBit, "mjDSBL_ISLAND"):
        assert less.opt.disableflags != whole.opt.disableflags
    rng = np.random.default_rng(0)
    num_contacts = 0
    for _ in range(100):
        positions = rng.uniform(-2, 2, whole.nq)
        positions[ROBOTS[robot].height_index] = rng.uniform(-0.5, 0.4)
        velocities, controls = rng.normal(size=whole.nv), rng.uniform(-1, 1, whole.nu)
        told = []
        for model in (whole, less):
            data = mujoco.MjData(model)
            data.qpos[:], data.qvel[:], data.ctrl[:] = positions, velocities, controls
            for _ in range(10):
                mujoco.mj_step(model, data)
                num_contacts += data.ncon
            mujoco.mj_rnePostConstraint(model, data)
            told.append(np.concatenate([data.qpos, data.qvel, data.qacc, data.cfrc_ext.ravel()]))
        np.testing.assert_array_equal(*told)
    assert num_contacts > 1000 or robot == "swimmer"  # It swims: nothing touches.


def test_memory_that_physics_may_need_is_there() -> None:
    """MuJoCo ends the process where its arena is full: the worst poses need a small part of it."""
    for robot in ROBOTS.values():
        model = load_model(robot.model_file)
        data = mujoco.MjData(model)
        rng = np.random.default_rng(0)
        for _ in range(300):
            mujoco.mj_resetData(model, data)
            # Crumpled up, and half in the ground: as many contacts and limits as there can be.
            data.qpos[:] = rng.uniform(-3, 3, model.nq)
            data.qpos[robot.height_index] = rng.uniform(-1, 0.3)
            data.qvel[:] = rng.normal(size=model.nv) * 10
            mujoco.mj_step(model, data, 3)
        assert data.maxuse_arena < 0.1 * model.narena


def test_a_thousand_models_are_small() -> None:
    code = """
import gymnasium, metaenvs
env = gymnasium.make_vec("metaenvs/DOMINOAnt-v0", num_envs=1024, mode="range")
ids = env.reset(seed=0)[1]["task_id"]
status = dict(line.split(":") for line in open("/proc/self/status"))
print(len(set(ids)), status["VmRSS"].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    num_models, kibibytes = map(int, done.stdout.split())
    assert num_models == 1024 and kibibytes < 400 * 1024


def test_importing_the_package_imports_no_mujoco() -> None:
    code = (
        "import sys, metaenvs; "
        "sys.exit(str([m for m in ('mujoco', 'numba', 'torch') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert metaenvs.__version__


def profiled_steps() -> int:
    """How many of a hundred steps of a model of their own MuJoCo's profile counts time for."""
    model = load_model("half_cheetah.xml")
    data = mujoco.MjData(model)
    for _ in range(100):
        mujoco.mj_step(model, data)
    return int(sum(timer.duration > 0 for timer in data.timer))


def test_mujoco_does_not_ask_for_the_time() -> None:
    mujoco.set_mjcb_time(None)
    plain("half_cheetah")
    assert profiled_steps() == 0


def test_a_users_clock_is_left_alone() -> None:
    ticks = iter(range(10**9))
    mujoco.set_mjcb_time(lambda: float(next(ticks)))
    try:
        env = plain("half_cheetah")
        assert profiled_steps() > 0
        env.reset(seed=0)
        before = next(ticks)
        env.step(np.zeros((1, 6), np.float32))
        assert next(ticks) > before + 5
    finally:
        mujoco.set_mjcb_time(None)
        stop_profiling()
