"""Rows on a GPU are those of the CPU. Needs one, or Numba's simulator of one."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
from gymnasium.vector import AutoresetMode

from metaenvs import Tasks
from metaenvs.cuda.arrays import device_available
from metaenvs.cuda.records import RowArray
from metaenvs.registration import IDS, LOCOMOTION

numba: Any = importlib.import_module("numba")
SIMULATED = bool(numba.config.ENABLE_CUDASIM)


pytestmark = [
    pytest.mark.skipif(
        not device_available(), reason="no NVIDIA GPU (test_simulator.py simulates one)"
    ),
    # Row functions are plain Python in the simulator, where NumPy tells of 64-bit arithmetic.
    pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning"),
]

ARRAY_IDS = sorted(name for name, (entry_point, _) in IDS.items() if entry_point != LOCOMOTION)
EASY, POINTS = "metaenvs/KrazyWorldEasy-v0", "metaenvs/PointCorners-v0"
BANDIT = "metaenvs/ExplorationBandit-v0"
ROWS = 3

# Of what a GPU computes in another order or with fused operations; integers are always equal.
TOLERANCE = 0.0 if SIMULATED else 1e-9


@pytest.fixture(params=["arrays of the device", "torch on the simulator"])
def arrays(request: Any) -> None:
    """Which library the device's arrays are from."""
    if request.param == "torch on the simulator":
        if not SIMULATED:
            pytest.skip("a GPU has torch's arrays anyway")
        request.getfixturevalue("host_tensors")


def make_both(env_id: str, **arguments: Any) -> tuple[Any, Any]:
    """An environment on the CPU and one on the device."""
    return (
        gym.make_vec(env_id, num_envs=ROWS, **arguments),
        gym.make_vec(env_id, num_envs=ROWS, device="cuda", **arguments),
    )


def host(value: Any) -> npt.NDArray[Any]:
    return np.asarray(value.cpu() if hasattr(value, "cpu") else value)


def assert_same(device: Any, expected: Any, where: str = "") -> None:
    """Equal in nested dictionaries and tuples; ``final_obs`` of the CPU is rows, not dense."""
    if isinstance(expected, dict):
        assert set(expected) <= set(device), where
        for name in set(expected) - {"final_obs"}:
            assert_same(device[name], expected[name], f"{where}/{name}")
        if "final_obs" in expected:
            for row in np.flatnonzero(expected["_final_obs"]):
                seen = rows_of(device["final_obs"], row)
                assert_same(seen, expected["final_obs"][row], f"{where}/final_obs/{row}")
    elif isinstance(expected, tuple | list):
        assert len(device) == len(expected)
        for position, (one, other) in enumerate(zip(device, expected, strict=True)):
            assert_same(one, other, f"{where}/{position}")
    else:
        ours, theirs = host(device), np.asarray(expected)
        assert ours.dtype == theirs.dtype, where
        if ours.dtype.kind == "f" and TOLERANCE:
            np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, err_msg=where)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=where)


def rows_of(value: Any, rows: Any) -> Any:
    if isinstance(value, dict):
        return {name: rows_of(part, rows) for name, part in value.items()}
    return value[rows]


def draw_actions(env: Any, num_steps: int) -> npt.NDArray[Any]:
    rng = np.random.default_rng(0)
    space = env.single_action_space
    if isinstance(space, gym.spaces.Discrete):
        return rng.integers(space.n, size=(num_steps, ROWS))
    size = (num_steps, ROWS, *space.shape)
    return rng.uniform(space.low, space.high, size).astype(space.dtype)


def to_device(env: Any, action: npt.NDArray[Any]) -> Any:
    return env.unwrapped._batch.arrays.upload(action)


def assert_steps_alike(cpu: Any, device: Any, actions: npt.NDArray[Any]) -> int:
    """Both see the same; answers how many trials ended."""
    ends = 0
    for step, action in enumerate(actions):
        expected = cpu.step(action)
        assert_same(device.step(to_device(device, action)), expected, f"step {step}")
        ends += int((expected[2] | expected[3]).sum())
    return ends


@pytest.mark.parametrize("env_id", ARRAY_IDS)
def test_every_familys_rows_are_those_of_the_cpu(env_id: str) -> None:
    """With tasks that rows draw, then from a pool and pinned, and rows begun again in between."""
    if env_id in ("metaenvs/TabularMDP-v0", "metaenvs/PointWindSparse-v0") and not SIMULATED:
        pytest.skip("tasks drawn on a GPU have other last digits, hence other ids: see the pool")
    cpu, device = make_both(
        env_id, episodes_per_trial=2, episode_steps=3, trial_inputs="dict", task_in_info=True,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )  # fmt: skip
    for env in (cpu, device):
        env.unwrapped.set_pool(None)  # Tasks are drawn in the kernel, a family's list or not.
    actions = draw_actions(cpu, 14)
    assert_same(device.reset(seed=5), cpu.reset(seed=5), "reset")
    ends = assert_steps_alike(cpu, device, actions[:7])
    pool = cpu.unwrapped.sample_tasks(3)
    assert device.unwrapped.sample_tasks(3) == pool
    mask = np.arange(ROWS) != 1
    answers = []
    for env in (device, cpu):
        env.unwrapped.set_pool(pool, [3, 2, 1])
        env.unwrapped.set_task(pool[:1], mask=np.arange(ROWS) == 0)
        answers.append(env.reset(options={"reset_mask": mask}))
    assert_same(*answers, "masked reset")
    ends += assert_steps_alike(cpu, device, actions[7:])
    assert ends > 2
    assert_same(device.unwrapped.get_state(), cpu.unwrapped.get_state(), "state")
    assert device.unwrapped.get_task() == cpu.unwrapped.get_task()


@pytest.mark.parametrize("env_id", ["metaenvs/TabularMDP-v0", "metaenvs/PointWindSparse-v0"])
def test_tasks_of_a_pool_give_equal_rows_whatever_drew_them(env_id: str) -> None:
    cpu, device = make_both(env_id, n_tasks=4, episode_steps=3)
    assert device.unwrapped.pool == cpu.unwrapped.pool
    assert_same(device.reset(seed=1), cpu.reset(seed=1))
    assert assert_steps_alike(cpu, device, draw_actions(cpu, 10))


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "trials": {"episodes_per_trial": 2, "task_visible": True},
    "dict": {"trial_inputs": "dict", "one_hot": True},
    "flat": {"trial_inputs": "flat", "episodes_per_trial": 2},
    "limit": {"episodes_per_trial": 3, "max_episode_steps": 5, "task_in_info": True},
}


@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("env_id", [EASY, POINTS])
@pytest.mark.usefixtures("arrays")
def test_every_mode_and_kind_of_input(env_id: str, configuration: str, mode: AutoresetMode) -> None:
    arguments = {"episode_steps": 4, **CONFIGURATIONS[configuration]}
    if env_id == POINTS:
        arguments.pop("one_hot", None)
    cpu, device = make_both(env_id, autoreset_mode=mode, **arguments)
    for name in ("observation_space", "action_space"):
        assert getattr(cpu, name) == getattr(device, name)
    assert cpu.metadata == device.metadata
    answers = device.reset(seed=[3, 1, 2]), cpu.reset(seed=[3, 1, 2])
    assert_same(*answers)
    ends, layouts = 0, set()
    for action in draw_actions(cpu, 10):
        seen, expected = device.step(to_device(device, action)), cpu.step(action)
        assert_same(seen, expected)
        layouts.add(tuple(sorted(seen[-1])))
        over = expected[2] | expected[3]
        ends += int(over.sum())
        if mode == AutoresetMode.DISABLED and over.any():
            options = {"reset_mask": over}
            assert_same(device.reset(options=options), cpu.reset(options=options))
    assert ends >= ROWS
    assert len(layouts) == 1


def test_images_and_the_global_view() -> None:
    for arguments in ({"image": True, "cell_pixels": 2}, {"view": "global", "dense_reward": True}):
        cpu, device = make_both(EASY, trial_inputs="flat", **arguments)
        assert_same(device.reset(seed=1), cpu.reset(seed=1))
        assert_steps_alike(cpu, device, draw_actions(cpu, 3))


@pytest.mark.usefixtures("arrays")
def test_a_step_neither_copies_to_the_host_nor_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in AutoresetMode:
        _, device = make_both(
            EASY, autoreset_mode=mode, trial_inputs="flat", task_in_info=True, episodes_per_trial=2
        )
        device.reset(seed=0)
        actions = [to_device(device, action) for action in draw_actions(device, 3)]
        library = device.unwrapped._batch.arrays

        def refuse(array: Any) -> Any:
            raise AssertionError("the host and the device met inside a step")

        for name in ("download", "upload"):
            monkeypatch.setattr(library, name, refuse)
        for action in actions:
            device.step(action)


@pytest.mark.usefixtures("arrays")
def test_a_pool_lies_on_the_device_and_another_one_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tasks are drawn from it there: what goes to the device at a reset is a few bytes a row."""
    cpu, device = make_both(EASY, n_tasks=12, episode_steps=3)
    library, uploaded = device.unwrapped._batch.arrays, []
    upload = library.upload

    def count(array: npt.NDArray[Any]) -> Any:
        uploaded.append(array.nbytes)
        return upload(array)

    monkeypatch.setattr(library, "upload", count)
    actions = draw_actions(cpu, 9)
    pool = cpu.unwrapped.sample_tasks(12)
    before = device.unwrapped.placement
    for seed, tasks in enumerate((cpu.unwrapped.pool, pool, pool[:7])):
        for env in (cpu, device):
            env.unwrapped.set_pool(tasks, np.arange(1.0, len(tasks) + 1))
        assert (device.unwrapped.placement is before) == (len(tasks) == 12)
        size = device.unwrapped._batch.pool.nbytes
        uploaded.clear()
        assert_same(device.reset(seed=seed), cpu.reset(seed=seed))
        uploads = sum(uploaded)
        assert uploads <= ROWS * 16 < size
        given = [to_device(device, action) for action in actions]
        uploaded.clear()
        for action, there in zip(actions, given, strict=True):
            assert_same(device.step(there), cpu.step(action))
        assert not uploaded
        assert_same(device.unwrapped.get_state(), cpu.unwrapped.get_state())


@pytest.mark.usefixtures("arrays")
def test_what_a_step_returned_is_the_callers() -> None:
    cpu, device = make_both(EASY, trial_inputs="dict", task_in_info=True, episode_steps=4)
    cpu.reset(seed=0)
    device.reset(seed=0)
    kept = []
    for action in draw_actions(cpu, 8):
        given = to_device(device, action)
        seen, expected = device.step(given), cpu.step(action)
        kept.append((seen, expected))
        given[:] = 99
        for inputs in (seen[0], expected[0]):
            inputs["previous_action"][:] = 0
    for seen, expected in kept:
        assert_same(seen, expected)
    assert_same(device.unwrapped.get_state(), cpu.unwrapped.get_state())


@pytest.mark.usefixtures("arrays")
def test_a_refused_action_stops_its_row_alone_and_is_told_at_the_next_check() -> None:
    cpu, device = make_both(EASY, trial_inputs="flat", autoreset_mode=AutoresetMode.SAME_STEP)
    cpu.reset(seed=0)
    device.reset(seed=0)
    before = device.unwrapped.get_state()
    bad = np.zeros(ROWS, np.int64)
    bad[1] = 99
    observation, reward, terminated, truncated, _ = device.step(to_device(device, bad))
    assert host(reward)[1] == 0 and not host(terminated | truncated)[1]
    assert not host(observation)[1, -6:].any()  # Neither action nor reward nor episode end.
    device.step(to_device(device, np.zeros(ROWS, np.int64)))
    after = device.unwrapped.get_state()
    for name in (name for name in before if name.split("/")[0] in ("rows", "tasks", "states")):
        np.testing.assert_array_equal(before[name][1], after[name][1])
    assert (after["rows/trial_step"] > before["rows/trial_step"]).tolist() == [True, False, True]
    with pytest.raises(ValueError, match=r"Discrete\(4\).*rows \[1\]"):
        device.unwrapped.check()
    device.unwrapped.check()
    device.step(to_device(device, np.zeros(ROWS, np.int64)))
    assert device.unwrapped.get_state()["rows/trial_step"][1] == 1
    device.step(to_device(device, -bad))
    with pytest.raises(ValueError, match="actions must lie in"):
        device.reset(seed=0)
    assert_same(device.reset(seed=0), cpu.reset(seed=0))

    _, points = make_both(POINTS)
    points.reset(seed=0)
    points.step(to_device(points, np.array([[0, 0], [0, 0], [np.nan, 0]], np.float32)))
    with pytest.raises(ValueError, match=r"rows \[2\]"):
        points.unwrapped.check()


@pytest.mark.usefixtures("arrays")
def test_a_finished_row_stands_still_until_it_is_reset_in_disabled_mode() -> None:
    cpu, device = make_both(BANDIT, autoreset_mode=AutoresetMode.DISABLED, episodes_per_trial=1)
    for env in (cpu, device):
        env.reset(seed=0)
    pull = np.zeros(ROWS, np.int64)
    assert_same(device.step(to_device(device, pull)), cpu.step(pull))
    _, reward, terminated, _, _ = device.step(to_device(device, pull))
    assert not host(reward).any() and not host(terminated).any()
    with pytest.raises(gym.error.ResetNeeded, match=r"Rows \[0, 1, 2\]"):
        device.reset()
    assert_same(device.reset(), cpu.reset())


@pytest.mark.usefixtures("arrays")
def test_states_go_from_one_device_to_the_other_in_the_middle_of_an_episode() -> None:
    arguments = {"episodes_per_trial": 2, "trial_inputs": "dict", "n_tasks": 5, "episode_steps": 6}
    cpu, device = make_both(EASY, **arguments)
    actions = draw_actions(cpu, 24)
    cpu.reset(seed=3)
    cpu.unwrapped.set_task(cpu.unwrapped.sample_tasks(ROWS), mask=np.arange(ROWS) != 1)
    for action in actions[:8]:
        cpu.step(action)
    device.unwrapped.set_state(cpu.unwrapped.get_state())
    assert assert_steps_alike(cpu, device, actions[8:16])
    other = pickle.loads(pickle.dumps(device)) if SIMULATED else make_both(EASY, **arguments)[1]
    assert type(other.unwrapped) is type(device.unwrapped)
    back = make_both(EASY, **arguments)[0]
    for env in (other, back):
        env.unwrapped.set_state(device.unwrapped.get_state())
    assert_same(other.unwrapped.get_state(), cpu.unwrapped.get_state())
    for action in actions[16:]:
        expected = cpu.step(action)
        assert_same(other.step(to_device(other, action)), expected)
        assert_same(back.step(action), expected)
    with pytest.raises(ValueError, match="made alike"):
        device.unwrapped.set_state({"rows/key": np.zeros(2, np.uint64)})


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "shape": (lambda env: env.step(to_device(env, np.zeros(2, np.int64))), "must have shape"),
    "kind": (lambda env: env.step(to_device(env, np.zeros(ROWS))), "must be int64 numbers"),
    "weights": (lambda env: env.unwrapped.set_pool(env.unwrapped.pool, [1.0]), "task weights"),
    "option": (lambda env: env.reset(options={"seed": 1}), "reset knows the options"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_at_once(what: str) -> None:
    _, device = make_both(EASY, n_tasks=3)
    with pytest.raises(gym.error.ResetNeeded):
        device.step(np.zeros(ROWS, np.int64))
    device.reset(seed=0)
    call, message = WRONG[what]
    with pytest.raises(ValueError, match=message):
        call(device)


def test_a_reset_of_rows_never_begun_is_refused() -> None:
    _, device = make_both(EASY)
    with pytest.raises(ValueError, match="never reset"):
        device.reset(options={"reset_mask": np.arange(ROWS) == 0})


def test_the_mask_of_a_reset_may_lie_on_the_device() -> None:
    _, device = make_both(BANDIT)
    device.reset(seed=0)
    mask = to_device(device, np.array([True, False, True]))
    info = device.reset(options={"reset_mask": mask, "task": {"best_arm": 2}})[1]
    assert host(info["_task_id"]).tolist() == [True, False, True]
    assert device.unwrapped.get_state()["rows/trial"].tolist() == [1, 0, 1]
    assert Tasks.stack([device.unwrapped.get_task()[0]])["best_arm"].tolist() == [2]


def test_records_and_arrays_of_the_simulator_share_memory() -> None:
    array = np.zeros(2, [("size", np.int32), ("cells", np.uint8, (3,))])
    records = RowArray(array)
    records[1].size += 4
    records[1].cells[2] = 9
    records[0] = records[1]
    np.testing.assert_array_equal(array, np.array([(4, [0, 0, 9])] * 2, array.dtype))
