"""Trials of several episodes, against trials put together by hand from single episodes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from metaenvs import Tasks
from metaenvs.family import ArrayFamily
from metaenvs.kernels.random import fold, random_uniform
from metaenvs.kernels.row_function import row_function
from metaenvs.vector_env import ArrayVectorEnv

EASY = "metaenvs/KrazyWorldEasy-v0"
MODES = list(AutoresetMode)


class TrialByHand:
    """One row's trial, in Python: episodes of a single environment with one task, in a row.

    Krazy World's episodes are functions of task and actions alone, which makes this possible.
    """

    def __init__(
        self, task: dict[str, Any], episodes: int, episode_steps: int, max_steps: int | None
    ) -> None:
        self.env: Any = gym.make(EASY, episode_steps=episode_steps)
        self.env.unwrapped.set_task(task)
        self.episodes, self.max_steps = episodes, max_steps
        self.observation = self.env.reset()[0]
        self.episode = self.time = 0

    def step(self, action: int) -> dict[str, Any]:
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self.time += 1
        told: dict[str, Any] = {
            "episode_index": self.episode,
            "episode_terminated": terminated,
            "episode_end": terminated or truncated,
            "reward": reward,
            "final": observation,
        }
        last = self.episode + 1 == self.episodes
        told["terminated"] = told["episode_end"] and last
        if self.episodes == 1:
            told["terminated"] = terminated
        out_of_time = self.max_steps is not None and self.time >= self.max_steps
        told["truncated"] = not told["terminated"] and (
            out_of_time or (self.episodes == 1 and truncated)
        )
        if told["truncated"]:
            told["episode_end"] = True
        elif told["episode_end"] and not last:
            observation = self.env.reset()[0]
            self.episode += 1
        told["observation"] = observation
        return told


def random_actions(num_steps: int, num_rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(4, size=(num_steps, num_rows))


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("max_episode_steps", [None, 6, 12])
@pytest.mark.parametrize("episodes", [1, 2, 4])
def test_trials_are_those_put_together_by_hand(
    episodes: int, max_episode_steps: int | None, mode: AutoresetMode
) -> None:
    num_rows, episode_steps = 6, 5
    env: Any = gym.make_vec(
        EASY,
        num_envs=num_rows,
        episodes_per_trial=episodes,
        episode_steps=episode_steps,
        max_episode_steps=max_episode_steps,
        trial_inputs="dict",
        autoreset_mode=mode,
    )
    tasks = env.unwrapped.sample_tasks(num_rows)
    env.unwrapped.set_task(tasks)

    def begin(row: int) -> TrialByHand:
        return TrialByHand(tasks[row], episodes, episode_steps, max_episode_steps)

    seen, info = env.reset(seed=0)
    trials = [begin(row) for row in range(num_rows)]
    finished = np.zeros(num_rows, np.bool_)
    counts = {"inner ends": 0, "deaths": 0, "ends": 0, "cut": 0}
    for actions in random_actions(60, num_rows):
        seen, reward, terminated, truncated, info = env.step(actions)
        for row in range(num_rows):
            action, inputs = actions[row], {name: seen[name][row] for name in seen}
            if finished[row]:  # NEXT_STEP: this step has begun a trial.
                trials[row] = begin(row)
                np.testing.assert_array_equal(inputs["observation"], trials[row].observation)
                expect_inputs(inputs, 0, 0.0, False)
                assert (reward[row], terminated[row], truncated[row]) == (0.0, False, False)
                assert (info["episode_end"][row], info["episode_index"][row]) == (False, 0)
                continue
            told = trials[row].step(action)
            assert reward[row] == told["reward"]
            assert terminated[row] == told["terminated"]
            assert truncated[row] == told["truncated"]
            over = told["terminated"] or told["truncated"]
            if episodes > 1:
                assert info["_episode_final_obs"][row] == told["episode_end"]
            if episodes > 1 and told["episode_end"]:
                np.testing.assert_array_equal(info["episode_final_obs"][row], told["final"])
            flags = info
            if over and mode == AutoresetMode.SAME_STEP:
                final = info["final_obs"][row]
                np.testing.assert_array_equal(final["observation"], told["final"])
                expect_inputs(final, action + 1, told["reward"], True)
                trials[row] = begin(row)
                np.testing.assert_array_equal(inputs["observation"], trials[row].observation)
                expect_inputs(inputs, 0, 0.0, False)
                assert (info["episode_end"][row], info["episode_index"][row]) == (False, 0)
                flags = info["final_info"]
            else:
                np.testing.assert_array_equal(inputs["observation"], told["observation"])
                expect_inputs(inputs, action + 1, told["reward"], told["episode_end"])
            for name in ("episode_end", "episode_terminated", "episode_index"):
                assert flags[name][row] == told[name], name
            counts["inner ends"] += told["episode_end"] and not over
            counts["deaths"] += told["episode_terminated"]
            counts["ends"] += over
            counts["cut"] += told["truncated"]
        over = terminated | truncated
        finished = over & (mode == AutoresetMode.NEXT_STEP)
        if mode == AutoresetMode.DISABLED and over.any():
            seen, info = env.reset(options={"reset_mask": over})
            for row in np.flatnonzero(over):
                trials[row] = begin(row)
                np.testing.assert_array_equal(seen["observation"][row], trials[row].observation)
                expect_inputs({name: seen[name][row] for name in seen}, 0, 0.0, False)
    # What the comparison is about has really happened.
    assert counts["ends"] > 8 and counts["deaths"] > 3
    assert (counts["inner ends"] > 10) == (episodes > 1)
    may_be_cut = episodes == 1 or (max_episode_steps or 1000) < episodes * episode_steps
    assert (counts["cut"] > 0) == may_be_cut


def expect_inputs(inputs: dict[str, Any], action: int, reward: float, end: bool) -> None:
    """The dictionary that a learner reads, but for the observation."""
    assert list(inputs) == ["episode_end", "observation", "previous_action", "previous_reward"] or (
        list(inputs) == ["observation", "previous_action", "previous_reward", "episode_end"]
    )
    assert inputs["previous_action"] == action
    assert inputs["previous_reward"].tolist() == [np.float32(reward)]
    assert inputs["episode_end"] == end


def flattened(env: Any, inputs: dict[str, Any]) -> np.ndarray:
    """The vector of ``trial_inputs="flat"``, by hand from the dictionary of the other kind."""
    sizes = env.single_observation_space["observation"].nvec
    num_actions = env.single_action_space.n
    vectors = []
    for row in range(env.num_envs):
        codes = zip(sizes, inputs["observation"][row], strict=True)
        parts = [np.eye(size)[code] for size, code in codes]
        parts.append(np.eye(num_actions + 1)[inputs["previous_action"][row]][1:])
        parts.append(inputs["previous_reward"][row])
        parts.append(inputs["episode_end"][[row]])
        vectors.append(np.concatenate(parts).astype(np.float32))
    return np.stack(vectors)


@pytest.mark.parametrize("mode", MODES[:2], ids=lambda mode: mode.name)
def test_flat_inputs_are_the_dictionary_laid_out(mode: AutoresetMode) -> None:
    arguments: dict[str, Any] = {
        "num_envs": 4, "episodes_per_trial": 2, "episode_steps": 4, "autoreset_mode": mode
    }  # fmt: skip
    as_dict: Any = gym.make_vec(EASY, trial_inputs="dict", **arguments)
    as_flat = [
        gym.make_vec(EASY, trial_inputs="flat", one_hot=one_hot, **arguments)
        for one_hot in (False, True)
    ]
    inputs = as_dict.reset(seed=0)[0]
    vectors = [env.reset(seed=0)[0] for env in as_flat]
    finals = 0
    for actions in random_actions(40, 4):
        assert inputs in as_dict.observation_space
        for vector in vectors:
            assert vector in as_flat[0].observation_space
            np.testing.assert_array_equal(vector, flattened(as_dict, inputs))
        inputs, _, _, _, info = as_dict.step(actions)
        results = [env.step(actions) for env in as_flat]
        vectors = [result[0] for result in results]
        for row in np.flatnonzero(info.get("_final_obs", [])):
            final = {name: np.array([value] * 4) for name, value in info["final_obs"][row].items()}
            assert final["episode_end"][0] == 1
            for result in results:
                np.testing.assert_array_equal(
                    result[4]["final_obs"][row], flattened(as_dict, final)[0]
                )
            finals += 1
    assert (finals >= 20) == (mode == AutoresetMode.SAME_STEP)


def test_the_familys_defaults_are_those_of_its_page() -> None:
    env: Any = gym.make_vec("metaenvs/ExplorationBandit-v0", num_envs=2)
    assert env.unwrapped.episodes_per_trial == 5
    env.reset(seed=0)
    ends = [env.step(np.zeros(2, int))[2].all() for _ in range(5)]
    assert ends == [False, False, False, False, True]
    single: Any = gym.make(EASY, episode_steps=3, episodes_per_trial=2, max_episode_steps=None)
    assert single.unwrapped.episodes_per_trial == 2


def test_a_trial_may_be_cut_in_the_single_environment_too() -> None:
    """Without gymnasium.make, which would take max_episode_steps for its own time limit."""
    from metaenvs.exploration_bandit import ExplorationBanditEnv

    env = ExplorationBanditEnv(max_episode_steps=3)
    env.reset(seed=0)
    assert [env.step(0)[2:4] for _ in range(3)] == [(False, False)] * 2 + [(False, True)]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)


@pytest.mark.parametrize(("limit", "last"), [(4, 4), (1000, 6)])
def test_make_cuts_the_trial_where_make_vec_does_and_says_less(limit: int, last: int) -> None:
    """What docs/trials.md says of ``max_episode_steps``; two episodes of three steps each."""
    arguments: Any = {"episode_steps": 3, "episodes_per_trial": 2, "max_episode_steps": limit}
    env: Any = gym.make("metaenvs/GridCorners-v0", **arguments)
    envs: Any = gym.make_vec("metaenvs/GridCorners-v0", num_envs=1, **arguments)
    env.reset(seed=0)
    envs.reset(seed=0)
    cut = last == limit
    for step in range(1, last + 1):
        _, _, terminated, truncated, info = env.step(0)
        _, _, all_terminated, all_truncated, infos = envs.step(np.zeros(1, np.int64))
        over = (step == last and not cut, step == last and cut)
        assert (terminated, truncated) == (all_terminated[0], all_truncated[0]) == over
        assert infos["episode_end"][0] == (step % 3 == 0 or step == last)
        assert info["episode_end"] == (step % 3 == 0)


# ---------------------------------------------------------------------- continuous spaces

PARAMETERS = np.dtype([("noise", np.float64)], align=True)
STATE = np.dtype([("position", np.float64, (2,))], align=True)


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    task.drift[0] = random_uniform(key, 0)
    task.drift[1] = random_uniform(key, 1)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    state.position[0] = random_uniform(key, 0)
    state.position[1] = episode


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    state.position[0] += action[0] + task.drift[0]
    state.position[1] += parameters.noise * random_uniform(key, 0)
    return action[1] + task.drift[1], False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    observation[0] = state.position[0]
    observation[1] = state.position[1]


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    fields.height = state.position[1]


def drifting(*, task_visible: bool = False) -> ArrayFamily:
    """A point that drifts: continuous in everything, with noise in starts and steps."""
    parameters = np.zeros(1, PARAMETERS)
    parameters["noise"] = 0.25
    return ArrayFamily(
        task_space=gym.spaces.Dict(drift=gym.spaces.Box(0.0, 1.0, (2,), np.float64)),
        observation_space=gym.spaces.Box(-np.inf, np.inf, (2,), np.float64),
        action_space=gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
        parameters=parameters,
        state_dtype=STATE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=[("height", np.float32)],
        episode_steps=3,
        splits=("all",),
    )


class DriftingVectorEnv(ArrayVectorEnv):
    family = staticmethod(drifting)


def uniform(counter: int, *path: int) -> float:
    """Draw ``counter`` of the stream at the end of a path of sub-streams."""
    key = np.zeros(1, np.uint64)
    for number in path:
        key = fold(key, np.array([number], np.uint64))
    return float(random_uniform(key, np.array([counter], np.uint64))[0])


def test_streams_are_functions_of_seed_trial_episode_and_step() -> None:
    """Every number of a continuous family, from the documented paths of sub-streams."""
    seed, task_stream = 11, 0xFFFFFFFF
    env: Any = DriftingVectorEnv(1, episodes_per_trial=2)
    observation, _ = env.reset(seed=seed)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 1, 2)).astype(np.float32)
    steps = iter(actions)
    for trial in range(2):
        drift = [uniform(position, seed, trial, task_stream, 0) for position in (0, 1)]
        assert env.unwrapped.get_task() == Tasks({"drift": [drift]})
        for episode in range(2):
            first = uniform(0, seed, trial, episode)
            position = np.array([first, episode])
            np.testing.assert_array_equal(observation[0], position)
            for time in (1, 2, 3):
                action = next(steps)
                observation, reward, terminated, truncated, info = env.step(action)
                position[0] += float(action[0, 0]) + drift[0]
                position[1] += 0.25 * uniform(0, seed, trial, episode, time)
                assert reward[0] == float(action[0, 1]) + drift[1]
                assert info["height"][0] == np.float32(position[1])
                end = info["episode_final_obs"][0] if time == 3 else observation[0]
                np.testing.assert_array_equal(end, position)
                assert terminated[0] == (episode == 1 and time == 3)
                assert not truncated[0]
        observation = env.step(next(steps))[0]


@pytest.mark.parametrize("kind", ["dict", "flat"])
def test_continuous_trial_inputs(kind: Any) -> None:
    env: Any = DriftingVectorEnv(2, episodes_per_trial=2, trial_inputs=kind)
    plain: Any = DriftingVectorEnv(2, episodes_per_trial=2)
    inputs, observation = env.reset(seed=0)[0], plain.reset(seed=0)[0]
    action, reward, end = np.zeros((2, 2), np.float32), np.zeros(2), np.zeros(2)
    for new_action in np.random.default_rng(1).uniform(-1, 1, (15, 2, 2)).astype(np.float32):
        assert inputs in env.observation_space
        if kind == "dict":
            np.testing.assert_array_equal(inputs["observation"], observation)
            np.testing.assert_array_equal(inputs["previous_action"], action)
            np.testing.assert_array_equal(inputs["previous_reward"][:, 0], np.float32(reward))
            np.testing.assert_array_equal(inputs["episode_end"], end)
        else:
            columns = [observation, action, reward[:, None], end[:, None]]
            expected = np.concatenate([column.astype(np.float32) for column in columns], axis=1)
            np.testing.assert_array_equal(inputs, expected)
        inputs = env.step(new_action)[0]
        begun = end.astype(np.bool_) & (plain.unwrapped.get_state()["rows/finished"])
        observation, reward, _, _, info = plain.step(new_action)
        action = np.where(begun[:, None], np.float32(0), new_action)
        end = info["episode_end"].astype(float)


def test_continuous_actions_must_be_finite_numbers_of_the_right_shape() -> None:
    env: Any = DriftingVectorEnv(3)
    env.reset(seed=0)
    before = env.get_state()
    for bad in (np.nan, np.inf):
        actions = np.zeros((3, 2), np.float32)
        actions[1, 1] = bad
        with pytest.raises(ValueError, match=r"actions must lie in Box.* in row 1"):
            env.step(actions)
    with pytest.raises(ValueError, match=r"shape \(3, 2\), got \(3,\)"):
        env.step(np.zeros(3))
    with pytest.raises(ValueError, match="float32 numbers, got dtype bool"):
        env.step(np.zeros((3, 2), np.bool_))
    np.testing.assert_equal(env.get_state(), before)
    transposed = np.asfortranarray(np.arange(6.0).reshape(3, 2) / 10)
    twin: Any = DriftingVectorEnv(3)
    twin.reset(seed=0)
    expected = twin.step(np.ascontiguousarray(transposed, np.float32))
    np.testing.assert_array_equal(env.step(transposed)[0], expected[0])
