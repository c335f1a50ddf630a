"""What every registered id must keep; a new id is tested without a line of test code."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import metaenvs.batch
from metaenvs import Tasks, check_meta_env
from metaenvs.registration import IDS

MODES = list(AutoresetMode)
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "trials": {"episodes_per_trial": 2, "trial_inputs": "dict", "task_in_info": True},
    "flat": {"episodes_per_trial": 3, "trial_inputs": "flat", "one_hot": True},
}
LARGE = 300  # Rows of a batch that runs on several threads.
SHORT = 15  # Steps of an episode where nothing but their limit may end one.

pytestmark = pytest.mark.parametrize("env_id", sorted(IDS))


def arguments_of(env_id: str, configuration: str) -> dict[str, Any]:
    """A configuration as this id can have it, with episodes that end within a test."""
    arguments = dict(CONFIGURATIONS[configuration])
    contract: Any = make_vec(env_id, 1).unwrapped
    if isinstance(contract.single_observation_space, gym.spaces.Box):
        arguments.pop("one_hot", None)
    arguments["episode_steps"] = min(contract.episode_steps, SHORT)
    return arguments


def make_vec(env_id: str, num_envs: int, **arguments: Any) -> Any:
    return gym.make_vec(env_id, num_envs=num_envs, **arguments)


def draw_actions(env_id: str, num_steps: int, num_rows: int) -> np.ndarray:
    """Random actions (num_steps, num_rows, ...); a row's do not depend on ``num_rows``."""
    space = gym.make(env_id).action_space
    columns = []
    for row in range(num_rows):
        rng = np.random.default_rng(row)
        if isinstance(space, gym.spaces.Discrete):
            columns.append(rng.integers(space.n, size=num_steps))
        else:
            size = (num_steps, *space.shape)
            columns.append(rng.uniform(space.low, space.high, size).astype(space.dtype))
    return np.stack(columns, axis=1)


def assert_same(first: Any, second: Any) -> None:
    """Equal to the bit, in nested dictionaries and tuples too."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_same(first[name], second[name])
    elif isinstance(first, tuple | list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif isinstance(first, np.ndarray) and first.dtype == object:
        assert_same(list(first), list(second))
    else:
        np.testing.assert_array_equal(first, second)
        assert np.asarray(first).dtype == np.asarray(second).dtype


def rows_of(value: Any, rows: Any) -> Any:
    """Some rows of nested arrays."""
    if isinstance(value, dict):
        return {name: rows_of(part, rows) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(rows_of(part, rows) for part in value)
    return value[rows]


def rollout(env: Any, actions: np.ndarray, seed: Any = 0) -> list[Any]:
    """Everything that reset and steps return."""
    return [env.reset(seed=seed), *(env.step(action) for action in actions)]


# As it says of Gymnasium's own: positions and velocities have no bounds.
@pytest.mark.filterwarnings("ignore:.*Box observation space m:UserWarning")
def test_gymnasium_accepts_it_with_every_way_to_render(
    env_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make(env_id).unwrapped
    assert {"rgb_array", "ansi", "human"} <= set(env.metadata["render_modes"])
    check_env(env)


def test_the_task_contract(env_id: str) -> None:
    arguments = arguments_of(env_id, "default")
    check_meta_env(gym.make(env_id, **arguments))
    for mode in MODES:
        check_meta_env(make_vec(env_id, 3, autoreset_mode=mode, **arguments))


@pytest.mark.costly
@pytest.mark.parametrize("configuration", ["trials", "flat"])
def test_the_task_contract_in_trials(env_id: str, configuration: str) -> None:
    arguments = arguments_of(env_id, configuration)
    check_meta_env(gym.make(env_id, **arguments))
    for mode in MODES:
        check_meta_env(make_vec(env_id, 4, autoreset_mode=mode, **arguments))


def test_the_spec_is_plain_data_without_a_limit_that_would_cut_trials(env_id: str) -> None:
    spec = gym.make(f"metaenvs:{env_id}").spec
    assert spec is not None
    assert spec.max_episode_steps is None
    assert json.loads(spec.to_json())["id"] == env_id
    assert gym.make(gym.envs.registration.EnvSpec.from_json(spec.to_json())).spec.id == env_id


def test_making_and_stepping_warns_of_nothing(env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for env in (make_vec(env_id, 3), gym.make(env_id)):
            env.reset(seed=2**70)
            env.unwrapped.sample_tasks(3)
            env.step(env.action_space.sample())


def test_the_same_seed_gives_the_same_and_another_seed_does_not(env_id: str) -> None:
    actions = draw_actions(env_id, 40, 5)
    first, second, other = (
        rollout(make_vec(env_id, 5, **CONFIGURATIONS["trials"]), actions, seed)
        for seed in (3, 3, 4)
    )
    assert_same(first, second)
    with pytest.raises(AssertionError):
        assert_same(first, other)


def test_info_has_the_same_entries_at_every_step(env_id: str) -> None:
    env = make_vec(env_id, 4, **CONFIGURATIONS["trials"])
    layouts = set()
    for _, _, _, _, info in rollout(env, draw_actions(env_id, 60, 4))[1:]:
        arrays = {name: value for name, value in info.items() if not isinstance(value, dict)}
        arrays |= {f"task/{name}": value for name, value in info["task"].items()}
        layouts.add(tuple((name, str(a.dtype), a.shape) for name, a in sorted(arrays.items())))
    assert len(layouts) == 1


@pytest.mark.costly
def test_rows_depend_on_their_seed_alone(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on the number of rows, their place in the batch, or threads."""
    actions = draw_actions(env_id, 60, LARGE)
    threaded = rollout(make_vec(env_id, LARGE), actions)
    assert_same(rows_of(threaded, slice(7)), rollout(make_vec(env_id, 7), actions[:, :7]))
    for row in (0, 5, LARGE - 1):
        alone = rollout(make_vec(env_id, 1), actions[:, [row]], seed=row)
        assert_same(rows_of(threaded, [row]), alone)
    backwards = rollout(make_vec(env_id, LARGE), actions[:, ::-1], seed=list(range(LARGE))[::-1])
    assert_same(rows_of(threaded, slice(None, None, -1)), backwards)
    monkeypatch.setattr(metaenvs.batch, "num_threads", lambda: 1)
    assert_same(threaded, rollout(make_vec(env_id, LARGE), actions))


def test_the_single_environment_is_a_row_of_the_batch(env_id: str) -> None:
    num_rows, num_steps = 3, 60
    actions = draw_actions(env_id, num_steps, num_rows)
    batch = rollout(make_vec(env_id, num_rows, task_in_info=True), actions, seed=20)
    for row in range(num_rows):
        env = gym.make(env_id, task_in_info=True)
        seen: Any = env.reset(seed=20 + row)
        over = False
        for step in range(num_steps):
            observation, info = seen[0], seen[-1]
            np.testing.assert_array_equal(observation, batch[step][0][row])
            assert info["task_id"] == batch[step][-1]["task_id"][row]
            assert_same(
                Tasks.stack([info["task"]]).ids, Tasks.stack([env.unwrapped.get_task()]).ids
            )
            if over:
                over, seen = False, env.reset()
                assert batch[step + 1][1][row] == 0.0
                continue
            seen = env.step(actions[step, row])
            assert type(seen[1]) is float and type(seen[2]) is bool and type(seen[3]) is bool
            assert seen[1:4] == tuple(batch[step + 1][field][row] for field in (1, 2, 3))
            over = seen[2] or seen[3]


def compare_infos(native: dict[str, Any], sync: dict[str, Any], *, masked: bool = True) -> None:
    """What Gymnasium gathered from single environments is in the batch's ``info`` too."""
    for name, value in sync.items():
        if name[0] == "_" or name == "final_obs":
            continue
        rows = sync[f"_{name}"]
        if name == "episode_final_obs":  # Single environments give a filler between the ends.
            rows = rows & native["_episode_final_obs"]
        assert not masked or (native[f"_{name}"] | ~rows).all()
        if isinstance(value, dict):  # A task's parameters have one mask for all.
            compare_infos(native[name], value, masked=name != "task")
        else:
            np.testing.assert_array_equal(value[rows], native[name][rows])


@pytest.mark.costly
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_autoreset_is_gymnasiums(env_id: str, mode: AutoresetMode, configuration: str) -> None:
    """The batch and ``SyncVectorEnv`` over single environments are the same, in every mode."""
    num_rows, arguments = 4, arguments_of(env_id, configuration)
    native = make_vec(env_id, num_rows, autoreset_mode=mode, **arguments)
    sync: Any = SyncVectorEnv(
        [lambda: gym.make(env_id, **arguments)] * num_rows, autoreset_mode=mode
    )
    for name in (
        "observation_space", "single_observation_space", "action_space", "single_action_space"
    ):  # fmt: skip
        assert getattr(native, name) == getattr(sync, name)
    assert native.metadata["autoreset_mode"] == native.unwrapped.autoreset_mode == mode

    seen, expected = native.reset(seed=5), sync.reset(seed=5)
    ends = 0
    for actions in draw_actions(env_id, 150, num_rows):
        assert_same(seen[0], expected[0])
        assert seen[0] in native.observation_space
        compare_infos(seen[-1], expected[-1])
        seen, expected = native.step(actions), sync.step(actions)
        assert_same(seen[1:4], expected[1:4])
        ended = seen[2] | seen[3]
        ends += int(ended.sum())
        assert ("final_obs" in seen[-1]) == (mode == AutoresetMode.SAME_STEP and ended.any())
        if "final_obs" in seen[-1]:
            np.testing.assert_array_equal(seen[-1]["_final_obs"], expected[-1]["_final_obs"])
            for row in np.flatnonzero(ended):
                final, other = seen[-1]["final_obs"][row], expected[-1]["final_obs"][row]
                assert final in native.single_observation_space
                for name in final if isinstance(final, dict) else ():
                    np.testing.assert_array_equal(final[name], other[name])
                if not isinstance(final, dict):
                    assert_same(final, other)
        if mode == AutoresetMode.DISABLED and ended.any():
            assert_same(seen[0], expected[0])
            compare_infos(seen[-1], expected[-1])
            options = {"reset_mask": ended}
            seen, expected = native.reset(options=options), sync.reset(options=dict(options))
    assert ends > num_rows


def test_pickled_in_the_middle_of_an_episode_it_goes_on_alike(env_id: str) -> None:
    arguments = CONFIGURATIONS["trials"]
    actions = draw_actions(env_id, 43, 3)
    env = make_vec(env_id, 3, **arguments)
    env.unwrapped.set_task(env.unwrapped.sample_tasks(3), mask=np.array([True, False, True]))
    rollout(env, actions[:3])
    copied = pickle.loads(pickle.dumps(env))
    assert copied.spec == env.spec
    for action in actions[3:]:
        assert_same(env.step(action), copied.step(action))
    assert env.unwrapped.sample_tasks(4) == copied.unwrapped.sample_tasks(4)

    single = gym.make(env_id, **arguments)
    single.reset(seed=1)
    single.step(actions[0, 0])
    copied_single = pickle.loads(pickle.dumps(single))
    assert_same(single.step(actions[1, 0]), copied_single.step(actions[1, 0]))
    assert_same(single.reset(), copied_single.reset())


def child_rollout(make: Callable[[], Any], actions: np.ndarray, answers: Any) -> None:
    answers.put(pickle.dumps(rollout(make(), actions)))


@pytest.mark.costly
def test_a_forked_child_steps_batches_like_its_parent(env_id: str) -> None:
    actions = draw_actions(env_id, 20, LARGE)
    env = make_vec(env_id, LARGE)
    expected = rollout(env, actions)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=child_rollout, args=(lambda: env, actions, answers))
    child.start()
    answer = pickle.loads(answers.get())
    child.join()
    assert child.exitcode == 0
    assert_same(answer, expected)


@pytest.mark.costly
def test_async_vector_env_after_the_parent_stepped_a_batch(env_id: str) -> None:
    actions = draw_actions(env_id, 30, 2)
    rollout(make_vec(env_id, LARGE), draw_actions(env_id, 2, LARGE))
    expected = rollout(make_vec(env_id, 2), actions)
    env: Any = AsyncVectorEnv([lambda: gym.make(env_id)] * 2)
    try:
        for got, wanted in zip(rollout(env, actions), expected, strict=True):
            assert_same(got[:-1], wanted[:-1])
            np.testing.assert_array_equal(got[-1]["task_id"], wanted[-1]["task_id"])
    finally:
        env.close()


@pytest.mark.costly
def test_stable_baselines3_in_one_process_and_in_forked_ones(env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What libraries warn of while they are imported.
        sb3_checker = pytest.importorskip("stable_baselines3.common.env_checker")
        vec_env = pytest.importorskip("stable_baselines3.common.vec_env")
    sb3_checker.check_env(gym.make(env_id), warn=False)
    rollout(make_vec(env_id, LARGE), draw_actions(env_id, 2, LARGE))
    makers = [lambda: gym.make(env_id)] * 2
    dummy, forked = vec_env.DummyVecEnv(makers), vec_env.SubprocVecEnv(makers, start_method="fork")
    try:
        for env in (dummy, forked):
            env.seed(9)
        assert_same(dummy.reset(), forked.reset())
        for action in draw_actions(env_id, 30, 2):
            one, other = dummy.step(action), forked.step(action)
            np.testing.assert_array_equal(one[0], other[0])
            # DummyVecEnv holds rewards as float32.
            np.testing.assert_array_equal(one[1], other[1].astype(np.float32))
            np.testing.assert_array_equal(one[2], other[2])
            assert [info["task_id"] for info in one[3]] == [info["task_id"] for info in other[3]]
    finally:
        forked.close()


def stream_of(env_id: str, split: str, split_seed: int = 0, num_rows: int = 400) -> np.ndarray:
    """Ids of the first tasks of many rows, each drawn anew (no finite pool)."""
    env = make_vec(env_id, num_rows, split=split, split_seed=split_seed)
    env.unwrapped.set_pool(None)  # A list of the split's goes back to the stream that it is from.
    ids: np.ndarray = env.reset(seed=0)[1]["task_id"]
    return ids


def test_every_task_is_on_one_side_of_the_split(env_id: str) -> None:
    """A row draws candidates until one is on its split's side: "all" takes the first, which one
    of "train" and "test" must take too, and the other must refuse."""
    contract: Any = gym.make(env_id).unwrapped
    if not contract.splits_by_hash:
        train, *others = (set(stream_of(env_id, split)) for split in contract.splits)
        assert not any(train & other for other in others)
        return
    if not {"train", "test"} <= set(contract.splits):
        assert contract.splits == ("all",)
        return
    everything = stream_of(env_id, "all")
    test_sides = []
    for split_seed in (0, 1):
        train, test = (stream_of(env_id, split, split_seed) for split in ("train", "test"))
        assert ((everything == train) ^ (everything == test)).all()
        assert not set(train) & set(test)
        test_sides.append(everything == test)
        assert 5 < test_sides[-1].sum() < 60  # 400 / 16 = 25, standard deviation 5.
    assert (test_sides[0] != test_sides[1]).sum() > 10


def test_finite_splits_are_decided_by_split_seed(env_id: str) -> None:
    contract: Any = gym.make(env_id).unwrapped
    for split in contract.splits:
        if not contract.splits_by_hash and is_list(env_id, split):
            continue
        pools = [
            gym.make(env_id, split=split, split_seed=split_seed, n_tasks=16).unwrapped.pool
            for split_seed in (0, 0, 1)
        ]
        assert len(pools[0]) == 16
        assert pools[0] == pools[1]
        assert pools[0] != pools[2]
        env = make_vec(env_id, 64, split=split, n_tasks=16)
        env.reset(seed=0)
        met = {int(task_id) for _ in range(20) for task_id in env.reset()[1]["task_id"]}
        assert met == set(pools[0].ids.tolist())


def is_list(env_id: str, split: str) -> bool:
    """Whether a split is a published list; then it must not depend on the seed."""
    pools = []
    for split_seed in (0, 1):
        try:
            pools.append(gym.make(env_id, split=split, split_seed=split_seed).unwrapped.pool)
        except ValueError:
            return False
    if pools[0] != pools[1]:
        return False
    assert len(pools[0].unique()) == len(pools[0])
    # So many draws that none of a list is left out.
    drawn = stream_of(env_id, split, num_rows=max(400, 20 * len(pools[0])))
    assert set(drawn) == set(pools[0].ids.tolist())
    with pytest.raises(ValueError, match="is a list of"):
        gym.make(env_id, split=split, n_tasks=len(pools[0]) + 1)
    assert gym.make(env_id, split=split, n_tasks=1).unwrapped.pool == pools[0][:1]
    return True


def foreign_values(env_id: str, name: str, space: gym.Space[Any]) -> Iterator[Any]:
    """Values of one task parameter: from this id, from others that have it, from its space."""
    for other_id in [env_id, *sorted(IDS)]:
        contract: Any = gym.make(other_id).unwrapped
        if contract.task_space.get(name) == space:
            yield from contract.sample_tasks(64)[name]
    space.seed(0)
    for _ in range(64):
        yield space.sample()


@pytest.mark.costly
def test_every_task_parameter_changes_observations_or_rewards(env_id: str) -> None:
    contract: Any = make_vec(env_id, 1).unwrapped
    for name, space in contract.task_space.items():
        bases = iter(list(contract.sample_tasks(64)) * 20)
        pairs = []
        for value in foreign_values(env_id, name, space):
            base = next(bases)
            try:
                changed = contract.check_tasks({**base, name: value})[0]
            except ValueError:
                continue
            if (changed[name] != base[name]).any():
                pairs.append((base, changed))
        assert pairs, f"no valid change of {name!r} found"
        num_rows = min(len(pairs), 128)
        trajectories = []
        for side in (0, 1, 1):
            env = make_vec(env_id, num_rows)
            env.unwrapped.set_task(Tasks.stack([pair[side] for pair in pairs[:num_rows]]))
            seen = rollout(env, draw_actions(env_id, 50, num_rows))
            trajectories.append([step[:-1] for step in seen])
        assert_same(trajectories[1], trajectories[2])
        with pytest.raises(AssertionError):
            assert_same(trajectories[0], trajectories[1])
