"""Locomotion on a device is locomotion on the CPU, up to float32: here on Warp's CPU device."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs import Tasks
from metaenvs.locomotion.distributions import Between
from metaenvs.locomotion.goals import GOALS, Reward
from metaenvs.locomotion.models import BlockLayout, field_of, load_model
from metaenvs.locomotion.robots import ROBOTS
from metaenvs.locomotion.settings import Observation

pytest.importorskip("mujoco_warp")
torch = pytest.importorskip("torch")
ON_HOST = ("dof_M0", "meaninertia")

STEPS = 20
COMPILED = ("half_cheetah", "ant")
"""Robots that are always tested: each has kernels of its own to be compiled."""
VARIED = {
    name: Between(0.6, 1.6)
    for name in ("mass_scale", "inertia_scale", "damping_scale", "friction_scale")
} | {name: Between(0.6, 1.6) for name in ("gravity_scale", "strength_scale")}
EVERYTHING = Observation(
    x_velocity=True, hidden_positions=0, rotation=True, torso=True, contact_forces=True
)
EVERY_COST = Reward(control_weight=0.1, contact_weight=5e-4, alive_bonus=1.0)
FINAL = ("final_obs", "final_info", "_final_obs", "_final_info")


def costs(robot: str) -> list[pytest.MarkDecorator]:
    return [] if robot in COMPILED else [pytest.mark.costly]


@pytest.fixture(autouse=True, scope="module")
def _soon_compiled() -> Iterator[None]:
    """Warp compiles for a minute and more when its cache is cold; without optimising, less."""
    import warp

    former = warp.config.log_level, warp.config.optimization_level
    warp.config.log_level, warp.config.optimization_level = warp.LOG_ERROR, 0
    yield
    warp.config.log_level, warp.config.optimization_level = former


@pytest.fixture(
    params=[
        "warp-cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
        ),
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pair(env_id: str, num_envs: int, device: str, **arguments: Any) -> tuple[Any, Any]:
    """The same environment on the CPU and on a device."""
    make = {"id": env_id, "num_envs": num_envs, **arguments}
    return gym.make_vec(**make), gym.make_vec(**make, device=device)


def varied(robot: str, num_envs: int, device: str) -> tuple[Any, Any]:
    """With all that can vary, be observed and cost something."""
    return pair(
        "metaenvs/DOMINOHalfCheetah-v0", num_envs, device, robot=robot, vary=VARIED, n_tasks=64,
        observation=EVERYTHING, reward=EVERY_COST, start=ROBOTS[robot].start,
        autoreset_mode="Disabled",
    )  # fmt: skip


def nominal_task(env: Any) -> dict[str, np.ndarray]:
    return {name: np.ones(space.shape) for name, space in env.unwrapped.task_space.items()}


def on_host(tensor: Any) -> np.ndarray:
    array: np.ndarray = tensor.cpu().numpy()
    return array


def random_actions(env: Any, rng: np.random.Generator) -> Any:
    return rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """The arrays in nested dictionaries and tuples, by their paths."""
    if isinstance(value, tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {path: value}
    return {
        place: leaf
        for name, part in value.items()
        for place, leaf in leaves(part, f"{path}/{name}").items()
    }


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Arrays of the CPU against tensors: kinds and shapes alike, integers equal."""
    expected, given = leaves(ours), leaves(theirs)
    assert expected.keys() == given.keys()
    for path, array in expected.items():
        assert isinstance(given[path], torch.Tensor)
        tensor = on_host(given[path])
        assert tensor.dtype == array.dtype and tensor.shape == array.shape, path
        if array.dtype.kind == "f":
            np.testing.assert_allclose(tensor, array, rtol=0, atol=tolerance, err_msg=path)
        else:
            np.testing.assert_array_equal(tensor, array, err_msg=path)


@pytest.mark.parametrize("robot", [pytest.param(name, marks=costs(name)) for name in ROBOTS])
def test_rows_step_as_mujoco_steps_them(robot: str, device: str) -> None:
    """For 20 steps, contacts and varied models included.

    How fast errors grow is measured: in a third batch, MuJoCo's own states are rounded to float32
    before every step. Rounding all that is computed in a step, and not its start alone, comes to
    up to 40 times as much on these robots; 100 times is allowed. A reward may differ by what two
    such positions can change a velocity by, and by what the contact forces themselves cost.
    """
    ours, theirs = varied(robot, 6, device)
    model = load_model(ROBOTS[robot].model_file)
    duration = ROBOTS[robot].frame_skip * model.opt.timestep
    rounded, _ = varied(robot, 6, device)
    for env in (ours, rounded, theirs):
        env.reset(seed=0)
    theirs.unwrapped.set_state(ours.unwrapped.get_state())
    rng = np.random.default_rng(0)
    touched = np.zeros(6, np.bool_)
    growth = 0.0
    for _ in range(STEPS):
        actions = random_actions(ours, rng)
        state = rounded.unwrapped.get_state()
        for name in ("states/positions", "states/velocities"):
            state[name] = state[name].astype(np.float32).astype(np.float64)
        rounded.unwrapped.set_state(state)
        expected = ours.step(actions)
        rounded.step(actions)
        got = theirs.step(torch.from_numpy(actions))
        want, near, have = (env.unwrapped.get_state() for env in (ours, rounded, theirs))
        growth = max(growth, np.abs(near["states/positions"] - want["states/positions"]).max())
        error = np.abs(have["states/positions"] - want["states/positions"]).max()
        allowed = 1e-6 + 100 * growth
        assert error < allowed
        assert error < 0.01
        squares = [
            np.square(np.clip(state["states/contact_forces"], -1, 1)).sum(1)
            for state in (have, want)
        ]
        contacts = EVERY_COST.contact_weight * np.abs(squares[0] - squares[1])
        assert (
            np.abs(on_host(got[1]) - expected[1]) < 2 * allowed / duration + contacts + 1e-9
        ).all()
        touched |= want["states/contact_forces"].any(1)
    assert touched.any() or robot == "swimmer"


MODES: list[dict[str, Any]] = [
    {"autoreset_mode": "NextStep"},
    {"autoreset_mode": "SameStep", "task_in_info": True, "episodes_per_trial": 1},
    {"autoreset_mode": "SameStep", "trial_inputs": "flat", "task_visible": True},
    {"autoreset_mode": "NextStep", "trial_inputs": "dict", "max_episode_steps": 6},
    {"autoreset_mode": "Disabled"},
]


@pytest.mark.parametrize("arguments", MODES)
def test_all_that_is_answered_is_the_cpus(arguments: dict[str, Any], device: str) -> None:
    """Through starts of episodes and trials, in every mode; two episodes of four steps a trial."""
    ours, theirs = pair(
        "metaenvs/LDMAntGoal-v0", 5, device, n_tasks=8, **{"episode_steps": 4, **arguments}
    )
    assert ours.observation_space == theirs.observation_space
    assert_close(ours.reset(seed=3), theirs.reset(seed=3), 1e-5)
    rng = np.random.default_rng(0)
    num_ends = 0
    for _ in range(12):
        actions = random_actions(ours, rng)
        expected, got = ours.step(actions), theirs.step(torch.from_numpy(actions))
        ended = expected[2] | expected[3]
        num_ends += ended.sum()
        finals = {name: got[4].pop(name) for name in FINAL if name in got[4]}
        if "final_obs" in expected[4]:
            want = {name: expected[4].pop(name) for name in FINAL}
            np.testing.assert_array_equal(on_host(finals["_final_obs"]), ended)
            last = np.stack(want.pop("final_obs")[ended])
            np.testing.assert_allclose(on_host(finals["final_obs"])[ended], last, atol=2e-3)
            del finals["final_obs"]
            assert_close(want, finals, 2e-3)
        assert_close(expected, got, 2e-3)
        if arguments["autoreset_mode"] == "Disabled" and ended.any():
            options = {"reset_mask": ended}
            assert_close(ours.reset(options=options), theirs.reset(options=options), 2e-3)
    assert num_ends >= 5


SETTINGS = {
    "half_cheetah": ["CaDMHalfCheetah", "SparseHalfCheetahVelocity"],
    "ant": ["TMCLCrippledAnt", "LDMAntDirection", "SparseAntGoal"],
    "slim_humanoid": ["CaDMSlimHumanoid"],
    "hopper": ["SparseHopperVelocity"],
    "walker2d": ["RandomParametersWalker2d"],
    "swimmer": ["RIASwimmer"],
}


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(setting, marks=costs(robot))
        for robot, settings in SETTINGS.items()
        for setting in settings
    ],
)
def test_models_rewards_and_observations_are_the_cpus(setting: str, device: str) -> None:
    """Of settings that between them have every kind of goal, factor, cost and observation."""
    ours, theirs = pair(f"metaenvs/{setting}-v0", 3, device, split=None)
    assert_close(ours.reset(seed=1), theirs.reset(seed=1), 1e-5)
    want, have = ours.unwrapped.get_state(), theirs.unwrapped.get_state()
    assert want.keys() == have.keys()
    np.testing.assert_array_equal(have["states/block"], want["states/block"].astype(np.float32))
    rng = np.random.default_rng(0)
    for _ in range(3):
        actions = random_actions(ours, rng)
        assert_close(ours.step(actions), theirs.step(torch.from_numpy(actions)), 1e-3)


def test_every_field_of_the_models_is_the_rows(device: str) -> None:
    """MuJoCo Warp steps each world with the fields of its row, before and after a change."""
    _, env = varied("ant", 4, device)
    nominal = load_model("ant.xml")
    env.reset(seed=0)
    layout, model = BlockLayout.of(nominal), env.unwrapped._batch._worlds._model
    fields = [name for name in layout.starts if name not in ON_HOST and layout.lengths[name]]
    for task in (None, nominal_task(env)):
        if task is not None:
            env.reset(options={"task": task})
        blocks = env.unwrapped.get_state()["states/block"]
        for name in fields:
            owner = model.opt if name == "gravity" else model
            field = getattr(owner, name).numpy().reshape(4, -1)
            np.testing.assert_array_equal(field, blocks[:, layout.slice(name)], err_msg=name)
            alike = (field == field_of(nominal, name).ravel().astype(np.float32)).all()
            assert alike == (task is not None or name in ("tendon_invweight0",)), name


def test_a_row_is_the_same_in_any_batch(device: str) -> None:
    make = {"id": "metaenvs/DOMINOAnt-v0", "device": device}
    large, small = gym.make_vec(num_envs=5, **make), gym.make_vec(num_envs=2, **make)
    seen = [large.reset(seed=[4, 1, 7, 2, 9])[0][1:4:2], small.reset(seed=[1, 2])[0]]
    np.testing.assert_array_equal(on_host(seen[0]), on_host(seen[1]))
    rng = np.random.default_rng(0)
    for _ in range(10):
        actions = torch.from_numpy(random_actions(large, rng))
        seen = [large.step(actions)[0][1:4:2], small.step(actions[1:4:2])[0]]
        tolerance = 0.0 if device == "warp-cpu" else 1e-3
        np.testing.assert_allclose(on_host(seen[0]), on_host(seen[1]), rtol=0, atol=tolerance)


@pytest.mark.parametrize("velocity", [np.nan, 1e11])
def test_a_divergence_ends_its_row_and_touches_no_other(velocity: float, device: str) -> None:
    make = {"id": "metaenvs/DOMINOAnt-v0", "num_envs": 4, "autoreset_mode": "Disabled"}
    envs = [gym.make_vec(**make, device=device) for _ in range(2)]
    for env in envs:
        env.reset(seed=3)
    state = envs[0].unwrapped.get_state()
    state["states/velocities"][2, :3] = velocity
    envs[0].unwrapped.set_state(state)
    others = np.arange(4) != 2
    rng = np.random.default_rng(0)
    tolerance = 0.0 if device == "warp-cpu" else 1e-3
    for step in range(6):
        actions = torch.from_numpy(random_actions(envs[0], rng))
        got, undisturbed = (env.step(actions) for env in envs)
        for part in range(4):
            np.testing.assert_allclose(
                on_host(got[part])[others], on_host(undisturbed[part])[others], atol=tolerance
            )
        if step == 0:
            assert on_host(got[4]["diverged"]).tolist() == [False, False, True, False]
            assert got[2][2] and got[4]["episode_terminated"][2] and got[1][2] == 0.0
            envs[0].reset(options={"reset_mask": ~others})
        assert step == 0 or torch.isfinite(got[0]).all()


def test_a_refused_row_stands_still_until_it_is_said(device: str) -> None:
    env = gym.make_vec("metaenvs/DOMINOHalfCheetah-v0", num_envs=3, device=device)
    first, _ = env.reset(seed=0)
    actions = torch.zeros(3, 6)
    actions[1, 2] = torch.nan
    observation, reward, *_ = env.step(actions)
    assert torch.equal(observation[1], first[1]) and reward[1] == 0.0
    assert not torch.equal(observation[0], first[0])
    observation, *_ = env.step(torch.zeros(3, 6))
    assert torch.equal(observation[1], first[1])
    with pytest.raises(ValueError, match=r"rows \[1\]"):
        env.check()
    observation, *_ = env.step(torch.zeros(3, 6))
    assert not torch.equal(observation[1], first[1])
    with pytest.raises(ValueError, match="shape"):
        env.step(torch.zeros(2, 6))


def test_states_are_exact_and_pickle(device: str) -> None:
    env = gym.make_vec(
        "metaenvs/SparseHalfCheetahVelocity-v0", num_envs=3, device=device, trial_inputs="flat"
    )
    env.reset(seed=0, options={"task": env.unwrapped.sample_tasks(3)})
    rng = np.random.default_rng(0)
    actions = [torch.from_numpy(random_actions(env, rng)) for _ in range(8)]
    for action in actions[:4]:
        env.step(action)
    copy = pickle.loads(pickle.dumps(env))
    other = gym.make_vec(
        "metaenvs/SparseHalfCheetahVelocity-v0", num_envs=3, device=device, trial_inputs="flat"
    ).unwrapped
    other.set_state(env.unwrapped.get_state())
    for action in actions[4:]:
        answers = [one.step(action) for one in (env, copy, other)]
        for answer in answers[1:]:
            np.testing.assert_array_equal(on_host(answer[0]), on_host(answers[0][0]))
            np.testing.assert_array_equal(on_host(answer[1]), on_host(answers[0][1]))


def test_rows_meet_the_tasks_that_they_meet_on_the_cpu(device: str) -> None:
    """Pools, weights, pins, and a stream, for which its first tasks stand."""
    stream, theirs = pair(
        "metaenvs/MetODSAntDirection-v0", 4, device, episode_steps=1, autoreset_mode="SameStep"
    )
    ours = gym.make_vec(
        "metaenvs/MetODSAntDirection-v0", num_envs=4, n_tasks=4096, episode_steps=1,
        autoreset_mode="SameStep",
    )  # fmt: skip
    with pytest.raises(ValueError, match="stream"):
        _ = theirs.unwrapped.pool
    assert stream.unwrapped.sample_tasks(3) == theirs.unwrapped.sample_tasks(3)
    tasks = ours.unwrapped.sample_tasks(6)

    def pool(env: Any) -> None:
        env.unwrapped.set_pool(tasks, [1, 2, 3, 4, 5, 6])

    def pin(env: Any) -> None:
        env.unwrapped.set_task(tasks[:4], mask=np.array([True, False, True, False]))

    def unpin(env: Any) -> None:
        env.unwrapped.set_task(None)

    met = [on_host(theirs.reset(seed=0)[1]["task_id"])]
    np.testing.assert_array_equal(met[0], ours.reset(seed=0)[1]["task_id"])
    for change in (lambda env: None, pool, pin, unpin):
        change(ours), change(theirs)
        for _ in range(2):
            actions = np.zeros(ours.action_space.shape, np.float32)
            expected = ours.step(actions)[4]["task_id"]
            met.append(on_host(theirs.step(torch.from_numpy(actions))[4]["task_id"]))
            np.testing.assert_array_equal(met[-1], expected)
            assert theirs.unwrapped.get_task() == ours.unwrapped.get_task()
    assert len(np.unique(met)) > 10
    assert set(met[5][[0, 2]]) == set(tasks[[0, 2]].ids)


@pytest.mark.parametrize("name", [pytest.param(name, marks=costs(name)) for name in ROBOTS])
def test_there_is_room_for_all_contacts(name: str) -> None:
    """Of robots crumpled up and half in the ground; MuJoCo counts them."""
    mujoco = pytest.importorskip("mujoco")
    model = load_model(ROBOTS[name].model_file)
    data = mujoco.MjData(model)
    _, env = varied(name, 1, "warp-cpu")
    room = env.unwrapped._batch._worlds._data
    rng = np.random.default_rng(0)
    for _ in range(200):
        mujoco.mj_resetData(model, data)
        data.qpos[:] = rng.uniform(-3, 3, model.nq)
        data.qpos[ROBOTS[name].height_index] = rng.uniform(-1, 0.3)
        mujoco.mj_forward(model, data)
        assert data.ncon <= room.naconmax and data.nefc <= room.njmax


GOAL_VALUES = {
    "goal_velocity": [0.05, 3.0],
    "goal_direction": [0.7, 4.0],
    "goal_position": [[0.2, 0.1], [5.0, -4.0]],
    "goal_weights": np.random.default_rng(0).uniform(-1, 1, (2, 18)),
}
"""One near and one far, of which sparse goals pay the first alone."""


@pytest.mark.parametrize("goal", GOALS)
def test_every_goal_pays_as_on_the_cpu(goal: str, device: str) -> None:
    entry = GOALS[goal].task or "mass_scale"
    ours, theirs = pair(
        "metaenvs/DOMINOHalfCheetah-v0", 2, device, goal=goal, reward=Reward(),
        vary={entry: (np.ones(np.shape(GOAL_VALUES.get(entry, 0.0))[1:]),)},
    )  # fmt: skip
    tasks = Tasks({entry: np.array(GOAL_VALUES.get(entry, [0.5, 2.0]))})
    for env in (ours, theirs):
        env.reset(seed=0, options={"task": tasks})
    for _ in range(3):
        actions = np.full(ours.action_space.shape, 0.1, np.float32)
        expected, got = ours.step(actions)[1], theirs.step(torch.from_numpy(actions))[1]
        assert expected[0] != expected[1]
        np.testing.assert_allclose(on_host(got), expected, rtol=0, atol=1e-4)


@pytest.mark.costly
def test_the_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """Without one: Warp brings the compiler along."""
    import warp

    from metaenvs.locomotion import warp_kernels

    warp.init()
    compiled = warp.compile_aot_module(warp_kernels, arch=80, module_dir=tmp_path, use_ptx=True)
    assert any(path.suffix == ".ptx" for path in compiled)


@pytest.mark.parametrize("missing", ["mujoco_warp", "torch"])
def test_a_missing_package_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find("math")
    )
    with pytest.raises(ImportError, match=rf"{missing.replace('_', '-')}.*metaenvs\[warp\]"):
        gym.make_vec("metaenvs/DOMINOAnt-v0", num_envs=2, device="cuda")


def test_a_machine_without_a_gpu_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"needs an NVIDIA GPU.*torch.*found none"):
        gym.make_vec("metaenvs/DOMINOAnt-v0", num_envs=2, device="cuda")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="device must be"):
        gym.make_vec("metaenvs/DOMINOAnt-v0", num_envs=2, device="tpu")
