from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from metaenvs import Tasks
from metaenvs.checker import check_meta_env
from metaenvs.exploration_bandit import ExplorationBanditVectorEnv
from metaenvs.krazy_world.env import KrazyWorldVectorEnv
from metaenvs.wrappers import TrialEnv, TrialVectorEnv

MODES = list(AutoresetMode)
NUM_ENVS = 5
KRAZY_WORLD = partial(KrazyWorldVectorEnv, preset="easy")
TRIAL_ARGUMENTS = [
    {"episodes_per_trial": 1},
    {"episodes_per_trial": 3},
    {"episodes_per_trial": 4, "episode_steps": 4, "max_episode_steps": 11},
    {"episodes_per_trial": 1, "max_episode_steps": 6, "trial_inputs": "dict"},
    {"episodes_per_trial": 2, "trial_inputs": "dict"},
    {"episodes_per_trial": 3, "trial_inputs": "flat", "episode_steps": 5},
]
# Krazy World counts these over its own trial, which is one episode inside a wrapper.
OVER_THE_TRIAL = {"tile_types_visited", "trial_deaths", "trial_goals"}


def cartpoles(num_envs: int, mode: AutoresetMode = AutoresetMode.DISABLED, **arguments: Any) -> Any:
    return gym.make_vec(
        "CartPole-v1",
        num_envs=num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **arguments,
    )


def assert_same(ours: Any, theirs: Any, rows: Any = ...) -> None:
    """Equal in ``rows``; in a dictionary, in the rows that its masks mark."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - OVER_THE_TRIAL:
            marked = ours.get(f"_{name}", rows)
            assert_same(ours[name], theirs[name], marked)
    elif isinstance(ours, tuple):
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            assert_same(ours_part, theirs_part)
    elif isinstance(ours, np.ndarray) and ours.dtype == object:
        for ours_row, theirs_row in zip(ours, theirs, strict=True):
            assert_same(ours_row, theirs_row)
    else:
        np.testing.assert_array_equal(np.asarray(ours)[rows], np.asarray(theirs)[rows])
        assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("arguments", TRIAL_ARGUMENTS, ids=str)
@pytest.mark.parametrize("make", [KRAZY_WORLD, ExplorationBanditVectorEnv], ids=["krazy", "bandit"])
def test_equals_the_native_trial_step_for_step(
    make: Any, arguments: dict[str, Any], mode: AutoresetMode
) -> None:
    make = partial(make, NUM_ENVS, task_in_info=True)
    native = make(autoreset_mode=mode, **arguments)
    bare = make(autoreset_mode=AutoresetMode.DISABLED, episodes_per_trial=1)
    foreign = TrialVectorEnv(bare, autoreset_mode=mode, **arguments)
    assert foreign.observation_space == native.observation_space
    assert foreign.single_observation_space == native.single_observation_space
    assert foreign.metadata["autoreset_mode"] == foreign.autoreset_mode == mode
    rng = np.random.default_rng(0)
    assert_same(foreign.reset(seed=3), native.reset(seed=3))
    tasks = native.get_task()
    for envs in (native, foreign):
        envs.unwrapped.set_task(tasks)
    trials = np.zeros(NUM_ENVS, np.int64)
    for _ in range(300):
        actions = rng.integers(native.single_action_space.n, size=NUM_ENVS)
        ours = foreign.step(actions)
        assert_same(ours, native.step(actions))
        ended = ours[2] | ours[3]
        trials += ended
        if mode == AutoresetMode.DISABLED:
            # Rows are reset early, too.
            mask = ended | (rng.random(NUM_ENVS) < 0.01)
            if mask.any():
                options = {"reset_mask": mask}
                ours = foreign.reset(options=options)
                assert_same(ours, native.reset(options={"reset_mask": mask}))
                assert options["reset_mask"] is mask
    assert (trials >= 2).all()
    assert foreign.get_task() == tasks


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_one_episode_draws_the_tasks_that_the_native_environment_draws(mode: AutoresetMode) -> None:
    native = ExplorationBanditVectorEnv(NUM_ENVS, autoreset_mode=mode, episodes_per_trial=1)
    bare = ExplorationBanditVectorEnv(
        NUM_ENVS, autoreset_mode=AutoresetMode.DISABLED, episodes_per_trial=1
    )
    foreign = TrialVectorEnv(bare, autoreset_mode=mode)
    foreign.reset(seed=0)
    native.reset(seed=0)
    for _ in range(20):
        actions = np.zeros(NUM_ENVS, np.int64)
        assert_same(foreign.step(actions), native.step(actions))
        assert native.get_task() == foreign.get_task()
        if mode == AutoresetMode.DISABLED:
            assert_same(foreign.reset(), native.reset())


@pytest.mark.parametrize("mode", MODES)
def test_each_row_keeps_its_task_for_a_trial_and_then_meets_another(mode: AutoresetMode) -> None:
    bare = KRAZY_WORLD(NUM_ENVS, autoreset_mode=AutoresetMode.DISABLED)
    envs = TrialVectorEnv(bare, episodes_per_trial=3, episode_steps=4, autoreset_mode=mode)
    _, info = envs.reset(seed=0)
    met: list[list[int]] = [[int(task_id)] for task_id in info["task_id"]]
    fresh = np.zeros(NUM_ENVS, np.bool_)
    rng = np.random.default_rng(0)
    for _ in range(80):
        *_, terminated, truncated, info = envs.step(rng.integers(4, size=NUM_ENVS))
        ended = terminated | truncated
        np.testing.assert_array_equal(envs.get_task().ids, info["task_id"])
        begun = {AutoresetMode.SAME_STEP: ended, AutoresetMode.NEXT_STEP: fresh}.get(mode)
        if mode == AutoresetMode.DISABLED:
            assert [ids[-1] for ids in met] == info["task_id"].tolist()
            begun = ended
            if ended.any():
                _, info = envs.reset(options={"reset_mask": ended})
        assert begun is not None
        for row in range(NUM_ENVS):
            if begun[row]:
                met[row].append(int(info["task_id"][row]))
            assert met[row][-1] == info["task_id"][row]
        fresh = ended
    for row_ids in met:
        assert len(row_ids) > 4
        assert len(set(row_ids)) == len(row_ids)


@pytest.mark.parametrize("mode", MODES)
def test_pins_wait_for_the_next_trial_and_stay(mode: AutoresetMode) -> None:
    bare = ExplorationBanditVectorEnv(
        3, autoreset_mode=AutoresetMode.DISABLED, episodes_per_trial=1
    )
    envs = TrialVectorEnv(bare, episodes_per_trial=4, autoreset_mode=mode)
    assert envs.unwrapped is envs
    envs.reset(seed=1)
    drawn = envs.get_task()["best_arm"].copy()
    pinned = Tasks({"best_arm": np.array([1, 2, 3])})
    envs.step(np.zeros(3, np.int64))
    envs.unwrapped.set_task(pinned, mask=np.array([True, True, False]))
    with pytest.raises(ValueError, match="best_arm"):
        envs.set_task({"best_arm": 99})
    for _ in range(2):
        envs.step(np.zeros(3, np.int64))
        np.testing.assert_array_equal(envs.get_task()["best_arm"], drawn)
    for trial in range(3):
        ended = envs.step(np.zeros(3, np.int64))[2]
        assert ended.all()
        if mode == AutoresetMode.NEXT_STEP:
            envs.step(np.zeros(3, np.int64))
        elif mode == AutoresetMode.DISABLED:
            envs.reset(seed=trial)
        assert envs.get_task()["best_arm"][:2].tolist() == [1, 2]
        for _ in range(3):
            envs.step(np.zeros(3, np.int64))
    mask = np.array([False, False, True])
    envs.reset(options={"reset_mask": mask, "task": {"best_arm": 5}})
    assert envs.get_task()["best_arm"].tolist() == [1, 2, 5]
    envs.set_task(None)
    envs.reset(seed=1)
    np.testing.assert_array_equal(envs.get_task()["best_arm"], drawn)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("episodes_per_trial", [1, 3])
def test_keeps_the_task_contract(episodes_per_trial: int, mode: AutoresetMode) -> None:
    for make in (KRAZY_WORLD, partial(ExplorationBanditVectorEnv, episodes_per_trial=1)):
        bare = make(4, autoreset_mode=AutoresetMode.DISABLED)
        arguments = {"episodes_per_trial": episodes_per_trial, "trial_inputs": "dict"}
        check_meta_env(TrialVectorEnv(bare, autoreset_mode=mode, **arguments))


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
@pytest.mark.parametrize("trial_inputs", [None, "flat"])
def test_rows_of_cartpoles_are_single_trials(mode: AutoresetMode, trial_inputs: Any) -> None:
    arguments = {"episodes_per_trial": 2, "trial_inputs": trial_inputs, "episode_steps": 9}
    envs = TrialVectorEnv(cartpoles(3), autoreset_mode=mode, **arguments)
    rows = [TrialEnv(gym.make("CartPole-v1"), **arguments) for _ in range(3)]
    observation, _ = envs.reset(seed=7)
    for row, env in enumerate(rows):
        np.testing.assert_array_equal(observation[row], env.reset(seed=7 + row)[0])
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(2, size=3)
        observation, reward, terminated, truncated, info = envs.step(actions)
        ended = terminated | truncated
        if mode == AutoresetMode.DISABLED and ended.any():
            np.testing.assert_array_equal(info["_episode_final_obs"], info["episode_end"])
            observation, _ = envs.reset(options={"reset_mask": ended})
        for row, env in enumerate(rows):
            expected, *results, expected_info = env.step(int(actions[row]))
            assert [reward[row], terminated[row], truncated[row]] == results
            final = expected_info["episode_final_obs"]
            np.testing.assert_array_equal(info["episode_final_obs"][row], final)
            if ended[row]:
                if mode == AutoresetMode.SAME_STEP:
                    np.testing.assert_array_equal(info["final_obs"][row], expected)
                    assert info["final_info"]["episode_index"][row] == 1
                    assert info["final_info"]["_episode_end"].tolist() == ended.tolist()
                expected, _ = env.reset()
            np.testing.assert_array_equal(observation[row], expected)


def test_next_step_does_not_count_the_step_that_resets() -> None:
    envs = TrialVectorEnv(cartpoles(2), episodes_per_trial=2, episode_steps=3)
    envs.reset(seed=0)
    ends = []
    for _ in range(14):
        observation, reward, terminated, truncated, info = envs.step(np.array([0, 1]))
        assert envs.observation_space.contains(observation)
        assert not truncated.any()
        ends.append(terminated.all())
        if len(ends) % 7 == 0:
            assert (reward == 0).all()
            assert (info["episode_index"] == 0).all()
            assert (np.abs(observation) <= 0.05).all()
        else:
            assert (reward == 1).all()
    assert [index for index, end in enumerate(ends) if end] == [5, 12]


def test_options_hold_for_the_episodes_of_the_trials_reset_with_them() -> None:
    envs = TrialVectorEnv(
        cartpoles(3), episodes_per_trial=2, episode_steps=2, autoreset_mode="SameStep"
    )
    high = {"low": 0.1, "high": 0.15}
    observation, _ = envs.reset(seed=0, options=high)
    assert (observation >= 0.1).all()
    mask = np.array([False, True, False])
    low = {"low": -0.15, "high": -0.1, "reset_mask": mask}
    envs.reset(options=low)
    assert low["reset_mask"] is mask
    envs.step(np.zeros(3, np.int64))
    inner, *_ = envs.step(np.zeros(3, np.int64))
    assert (inner[[0, 2]] >= 0.1).all()
    assert (inner[1] <= -0.1).all()
    envs.step(np.zeros(3, np.int64))
    autoreset, _, terminated, *_ = envs.step(np.zeros(3, np.int64))
    assert terminated.all()
    assert (np.abs(autoreset) <= 0.05).all()


def test_info_of_the_wrapped_environment_follows_the_rows() -> None:
    class Counting(gym.Env[Any, int]):
        def __init__(self, length: int) -> None:
            self.observation_space = gym.spaces.Dict(
                {"now": gym.spaces.Discrete(9), "both": gym.spaces.Tuple([gym.spaces.Discrete(9)])}
            )
            self.action_space = gym.spaces.Discrete(2)
            self.length, self.now = length, 0

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self.now = 0
            return self._observe(), {"reset": True, "deep": {"now": 0}}

        def step(self, action: int) -> Any:
            self.now += 1
            info = {"deep": {"now": self.now}, "text": "x" * self.now}
            return self._observe(), 1.0, self.now == self.length, False, info

        def _observe(self) -> Any:
            return {"now": self.now, "both": (self.now,)}

    bare = SyncVectorEnv(
        [partial(Counting, length) for length in (1, 2)], autoreset_mode=AutoresetMode.DISABLED
    )
    envs = TrialVectorEnv(bare, episodes_per_trial=2, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    observation, _, terminated, _, info = envs.step(np.zeros(2, np.int64))
    assert observation["now"].tolist() == [0, 1]
    assert info["deep"]["now"].tolist() == [1, 1]
    assert info["episode_final_obs"]["both"][0].tolist() == [1, 0]
    observation, _, terminated, _, info = envs.step(np.zeros(2, np.int64))
    assert terminated.tolist() == [True, False]
    assert observation["now"].tolist() == observation["both"][0].tolist() == [0, 0]
    assert info["deep"]["now"].tolist() == [0, 2]
    assert info["_reset"].tolist() == [True, False]
    assert info["_text"].tolist() == [False, True]
    assert info["text"].tolist() == [None, "xx"]
    assert info["episode_end"].tolist() == [False, True]
    assert info["final_obs"][0] == {"now": 1, "both": (1,)}
    assert info["final_obs"][1] is None
    assert info["final_info"]["deep"]["now"].tolist() == [1, 0]
    assert info["final_info"]["episode_index"].tolist() == [1, 0]
    assert info["final_info"]["_text"].tolist() == [True, False]


def test_asynchronous_rows_and_gymnasiums_statistics() -> None:
    bare = gym.make_vec(
        "CartPole-v1",
        num_envs=2,
        vectorization_mode="async",
        vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED, "context": "spawn"},
    )
    envs = gym.wrappers.vector.RecordEpisodeStatistics(
        TrialVectorEnv(bare, episodes_per_trial=2, episode_steps=5)
    )
    try:
        envs.reset(seed=0)
        for _ in range(10):
            *_, info = envs.step(np.array([0, 1]))
        assert info["episode"]["l"].tolist() == [10, 10]
    finally:
        envs.close()


def test_pickle() -> None:
    bare = KRAZY_WORLD(3, autoreset_mode=AutoresetMode.DISABLED)
    envs = TrialVectorEnv(bare, episodes_per_trial=2, trial_inputs="flat")
    envs.reset(seed=0)
    envs.step(np.array([0, 1, 2]))
    again = pickle.loads(pickle.dumps(envs))
    for _ in range(40):
        assert_same(again.step(np.array([1, 2, 3])), envs.step(np.array([1, 2, 3])))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_an_environment_that_resets_by_itself_is_refused(mode: AutoresetMode) -> None:
    with pytest.raises(ValueError, match=r"AutoresetMode\.DISABLED"):
        TrialVectorEnv(cartpoles(2, mode))
    silent = cartpoles(2)
    silent.metadata = {}
    with pytest.raises(ValueError, match="no autoreset_mode"):
        TrialVectorEnv(silent)


def test_clear_errors() -> None:
    contract = gym.make_vec(
        "metaenvs/KrazyWorldEasy-v0",
        num_envs=2,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED},
    )
    with pytest.raises(ValueError, match="Wrap each of them"):
        TrialVectorEnv(contract, episodes_per_trial=2)
    native = ExplorationBanditVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(ValueError, match="trials of 5 episodes already"):
        TrialVectorEnv(native)
    with pytest.raises(ValueError, match="episodes_per_trial must be an integer"):
        TrialVectorEnv(cartpoles(2), episodes_per_trial=0)
    envs = TrialVectorEnv(cartpoles(2), episode_steps=2, autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="never reset"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset(seed=0)
    envs.step(np.zeros(2, np.int64))
    envs.step(np.zeros(2, np.int64))
    with pytest.raises(gym.error.ResetNeeded, match=r"\[0, 1\]"):
        envs.step(np.zeros(2, np.int64))
    assert not hasattr(envs, "set_task")
