from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import metaenvs
from metaenvs.checker import check_meta_env
from metaenvs.exploration_bandit import ExplorationBanditEnv
from metaenvs.krazy_world.env import KrazyWorldEnv
from metaenvs.wrappers import TrialEnv

KRAZY_WORLD = "metaenvs/KrazyWorldEasy-v0"
BANDIT = "metaenvs/ExplorationBandit-v0"
TRIAL_ARGUMENTS = [
    {"episodes_per_trial": 1},
    {"episodes_per_trial": 3},
    {"episodes_per_trial": 3, "episode_steps": 4},
    {"episodes_per_trial": 4, "max_episode_steps": 11},
    {"episodes_per_trial": 1, "episode_steps": 6, "max_episode_steps": 4},
    {"episodes_per_trial": 2, "trial_inputs": "dict"},
    {"episodes_per_trial": 3, "trial_inputs": "flat", "episode_steps": 5},
]


# Krazy World counts these over its own trial, which is one episode inside a wrapper.
OVER_THE_TRIAL = {"tile_types_visited", "trial_deaths", "trial_goals"}


class CountdownEnv(gym.Env[int, int]):
    """Ends after three steps; observes the step, resets to 7 and counts its resets."""

    def __init__(self, *, both_flags: bool = False) -> None:
        self.observation_space = gym.spaces.Discrete(10)
        self.action_space = gym.spaces.Discrete(2, start=5)
        self.resets: list[tuple[Any, Any]] = []
        self.both_flags = both_flags

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.resets.append((seed, options))
        self.now = 0
        return 7, {"from": "reset"}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.now += 1
        end = self.now == 3
        return self.now, float(action), end, end and self.both_flags, {"from": "step"}


class DrawnTaskEnv(gym.Env[Any, int]):
    """Keeps the task contract and draws a task at every reset; observes the task."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(0, 1, (1,), np.float64)
        self.action_space = gym.spaces.Discrete(2)
        self.task_space = gym.spaces.Dict({"goal": gym.spaces.Box(0, 1, (), np.float64)})
        self.pinned: dict[str, Any] | None = None
        self.task: dict[str, Any] = {"goal": 0.0}

    def sample_tasks(self, n_tasks: int) -> metaenvs.Tasks:
        return metaenvs.Tasks({"goal": self.np_random.random(n_tasks)})

    def set_task(self, task: dict[str, Any] | None) -> None:
        if task is not None and set(task) != {"goal"}:
            raise ValueError(f"A task names 'goal', got {sorted(task)}.")
        self.pinned = task

    def get_task(self) -> dict[str, Any]:
        return self.task

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if options is not None and "task" in options:
            self.set_task(options["task"])
        self.task = self.pinned or {"goal": self.np_random.random()}
        return np.array([self.task["goal"]]), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.array([self.task["goal"]]), 0.0, action == 1, False, {}


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs) or np.isscalar(ours)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - OVER_THE_TRIAL:
            assert_same(ours[name], theirs[name])
    elif isinstance(ours, tuple):
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            assert_same(ours_part, theirs_part)
    else:
        np.testing.assert_array_equal(ours, theirs)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype


@pytest.mark.parametrize("arguments", TRIAL_ARGUMENTS, ids=str)
@pytest.mark.parametrize(
    "make", [partial(KrazyWorldEnv, preset="easy"), ExplorationBanditEnv], ids=["krazy", "bandit"]
)
def test_equals_the_native_trial_step_for_step(make: Any, arguments: dict[str, Any]) -> None:
    # Not gymnasium.make, which takes max_episode_steps for a TimeLimit of its own.
    native = make(task_in_info=True, **arguments)
    foreign = TrialEnv(make(task_in_info=True, episodes_per_trial=1), **arguments)
    assert foreign.observation_space == native.observation_space
    assert foreign.action_space == native.action_space
    rng = np.random.default_rng(0)
    assert_same(foreign.reset(seed=3), native.reset(seed=3))
    task = native.unwrapped.get_task()
    for env in (native, foreign):
        env.unwrapped.set_task(task)
    steps = 0
    for _ in range(4):
        while True:
            action = int(rng.integers(native.action_space.n))
            ours, theirs = foreign.step(action), native.step(action)
            assert_same(ours, theirs)
            steps += 1
            if ours[2] or ours[3]:
                break
        assert_same(foreign.reset(), native.reset())
    assert steps >= 4 * arguments["episodes_per_trial"]


def test_one_episode_passes_the_flags_of_the_episode() -> None:
    env = TrialEnv(CountdownEnv(both_flags=True))
    env.reset()
    env.step(5)
    env.step(5)
    observation, _, terminated, truncated, info = env.step(5)
    assert (observation, terminated, truncated) == (3, True, True)
    assert info == {
        "from": "step", "episode_index": 0, "episode_end": True, "episode_terminated": True,
    }  # fmt: skip


def test_inner_ends_are_ordinary_steps() -> None:
    env = TrialEnv(CountdownEnv(), episodes_per_trial=2)
    assert env.reset(seed=1)[1]["from"] == "reset"
    seen = [env.step(6) for _ in range(6)]
    assert [step[0] for step in seen] == [1, 2, 7, 1, 2, 3]
    assert [step[1] for step in seen] == [6.0] * 6
    assert [step[2] for step in seen] == [False] * 5 + [True]
    assert not any(step[3] for step in seen)
    assert [step[4]["episode_index"] for step in seen] == [0, 0, 0, 1, 1, 1]
    assert [step[4]["episode_end"] for step in seen] == [False, False, True] * 2
    assert [step[4]["episode_final_obs"] for step in seen] == [0, 0, 3] * 2
    assert all(step[4]["from"] == "step" for step in seen)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(5)


def test_seeds_are_for_trials_and_options_for_all_their_episodes() -> None:
    bare = CountdownEnv()
    env = TrialEnv(bare, episodes_per_trial=2)
    options = {"wind": 2}
    env.reset(seed=9, options=options)
    for _ in range(6):
        env.step(5)
    env.reset()
    for _ in range(3):
        env.step(5)
    assert bare.resets == [(9, options), (None, options), (None, None), (None, None)]
    assert options == {"wind": 2}


def test_trial_inputs_of_shifted_categories() -> None:
    env = TrialEnv(CountdownEnv(), episodes_per_trial=2, trial_inputs="flat")
    start, _ = env.reset()
    assert start.tolist() == [*np.eye(10)[7].tolist(), 0, 0, 0, 0]
    env.step(5)
    env.step(5)
    inner, *_ = env.step(6)
    assert inner.tolist() == [*np.eye(10)[7].tolist(), 0, 1, 6, 1]
    assert env.observation_space.contains(inner)
    as_dict = TrialEnv(CountdownEnv(), trial_inputs="dict")
    as_dict.reset()
    observation, *_ = as_dict.step(6)
    assert as_dict.observation_space.contains(observation)
    assert observation["previous_action"] == 2


def test_a_trial_has_one_task() -> None:
    env = TrialEnv(DrawnTaskEnv(), episodes_per_trial=3)
    goals = []
    for trial in range(4):
        observation, _ = env.reset(seed=0 if trial == 0 else None)
        goals.append(observation[0])
        for episode in range(3):
            observation, _, terminated, _, _ = env.step(1)
            assert observation[0] == goals[-1]
            assert terminated == (episode == 2)
    assert len(set(goals)) == 4


def test_pins_are_for_whole_trials() -> None:
    env = TrialEnv(DrawnTaskEnv(), episodes_per_trial=3)
    assert env.unwrapped is env
    observation, _ = env.reset(seed=0)
    drawn = observation[0]
    env.step(1)
    env.unwrapped.set_task({"goal": 0.25})
    assert env.step(1)[0][0] == drawn
    env.step(1)
    for _ in range(2):
        assert env.reset(seed=0)[0][0] == 0.25
        env.step(1)
        env.step(1)
    with pytest.raises(ValueError, match="'goal'"):
        env.set_task({"speed": 1.0})
    assert env.reset()[0][0] == 0.25
    env.set_task(None)
    assert env.step(1)[0][0] == 0.25
    assert env.reset(seed=0)[0][0] == drawn
    env.reset(options={"task": {"goal": 0.75}})
    assert env.step(1)[0][0] == 0.75
    assert env.reset()[0][0] == 0.75
    assert env.get_task() == {"goal": 0.75}
    assert env.task_space == env.env.task_space


def test_without_the_contract_nothing_of_it_is_there() -> None:
    env = TrialEnv(gym.make("CartPole-v1"), episodes_per_trial=2)
    assert not env.has_wrapper_attr("set_task")
    assert not hasattr(env, "task_space")
    assert env.unwrapped is env.env.unwrapped


@pytest.mark.parametrize("trial_inputs", [None, "dict", "flat"])
def test_cartpole_matches_a_loop_by_hand(trial_inputs: Any) -> None:
    env = TrialEnv(
        gym.make("CartPole-v1", max_episode_steps=12),
        episodes_per_trial=3,
        trial_inputs=trial_inputs,
    )
    bare = gym.make("CartPole-v1", max_episode_steps=12)

    def base(observation: Any) -> Any:
        if trial_inputs == "dict":
            return observation["observation"]
        return observation if trial_inputs is None else observation[:4]

    rng = np.random.default_rng(1)
    observation, _ = env.reset(seed=4)
    expected, _ = bare.reset(seed=4)
    for episode in range(3):
        episode_end = False
        while not episode_end:
            np.testing.assert_array_equal(base(observation), expected)
            action = int(rng.integers(2))
            observation, reward, terminated, truncated, info = env.step(action)
            expected, expected_reward, ended, cut, _ = bare.step(action)
            episode_end = ended or cut
            assert env.observation_space.contains(observation)
            assert reward == expected_reward
            assert (info["episode_end"], info["episode_index"]) == (episode_end, episode)
            assert (terminated, truncated) == (episode_end and episode == 2, False)
            if episode_end:
                np.testing.assert_array_equal(info["episode_final_obs"], expected)
                if episode < 2:
                    expected, _ = bare.reset()


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped:UserWarning")
@pytest.mark.filterwarnings("ignore:.*A Box observation space:UserWarning")
@pytest.mark.parametrize("trial_inputs", [None, "dict", "flat"])
def test_gymnasiums_checker(trial_inputs: Any) -> None:
    arguments = {"episodes_per_trial": 2, "trial_inputs": trial_inputs}
    check_env(TrialEnv(gym.make("CartPole-v1"), **arguments), skip_render_check=True)
    check_env(TrialEnv(gym.make(KRAZY_WORLD), **arguments), skip_render_check=True)


@pytest.mark.parametrize("episodes_per_trial", [1, 3])
def test_keeps_the_task_contract(episodes_per_trial: int) -> None:
    arguments = {"episodes_per_trial": episodes_per_trial, "trial_inputs": "flat"}
    check_meta_env(TrialEnv(gym.make(KRAZY_WORLD), **arguments))
    check_meta_env(TrialEnv(gym.make(BANDIT, episodes_per_trial=1), **arguments))


def test_spec_and_pickle_make_it_again() -> None:
    env = TrialEnv(gym.make(KRAZY_WORLD), episodes_per_trial=2, trial_inputs="flat")
    again = gym.make(env.spec)
    assert isinstance(again, TrialEnv)
    assert_same(again.reset(seed=5), env.reset(seed=5))
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(30):
        ours = env.step(1)
        assert_same(copy.step(1), ours)
        if ours[2]:
            break


def test_in_a_vector_of_trials_each_row_keeps_its_task() -> None:
    envs = gym.vector.SyncVectorEnv(
        [lambda: TrialEnv(DrawnTaskEnv(), episodes_per_trial=2) for _ in range(3)]
    )
    start, _ = envs.reset(seed=0)
    observation, *_ = envs.step([1, 1, 1])
    np.testing.assert_array_equal(observation, start)
    envs.call("set_task", {"goal": 0.5})
    envs.step([1, 1, 1])
    assert envs.step([1, 1, 1])[0].tolist() == [[0.5]] * 3


@pytest.mark.parametrize("name", ["episodes_per_trial", "episode_steps", "max_episode_steps"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_numbers_are_checked(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        TrialEnv(CountdownEnv(), **{name: value})


def test_clear_errors() -> None:
    with pytest.raises(ValueError, match="trials of 5 episodes already"):
        TrialEnv(gym.make(BANDIT), episodes_per_trial=2)
    with pytest.raises(ValueError, match="trials of 2 episodes already"):
        TrialEnv(TrialEnv(CountdownEnv(), episodes_per_trial=2))
    with pytest.raises(ValueError, match="FlattenObservation"):
        TrialEnv(gym.make("Blackjack-v1"), trial_inputs="dict")
    env = TrialEnv(CountdownEnv())
    with pytest.raises(gym.error.ResetNeeded):
        env.step(5)
    env = TrialEnv(CountdownEnv(), trial_inputs="flat")
    env.reset()
    env.env.now = 40
    with pytest.raises(ValueError, match="outside its observation space"):
        env.step(5)
