"""Random processes: what they observe, pay and refuse, and their reference scores."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.tabular.tabular_mdp import TabularMDPEnv
from metaenvs.tabular.values import backward_induction, policy_iteration, state_values

ENV_ID = "metaenvs/TabularMDP-v0"


def test_steps_follow_the_task() -> None:
    env = gym.make_vec(ENV_ID, num_envs=50, concentration=0.2)
    observation, _ = env.reset(seed=0)
    tasks = env.unwrapped.get_task()
    assert (observation == 0).all()
    rng = np.random.default_rng(0)
    for _ in range(19):
        place, actions = observation[:, 0], rng.integers(5, size=50)
        observation, reward, terminated, truncated, _ = env.step(actions)
        rows = np.arange(50)
        np.testing.assert_array_equal(reward, tasks["rewards"][rows, place, actions])
        assert (tasks["transitions"][rows, place, actions, observation[:, 0]] > 0).all()
        assert not (terminated | truncated).any()
    assert env.step(np.zeros(50, np.int64))[3].all()


def test_next_states_have_their_probabilities() -> None:
    law = np.array([0.1, 0.0, 0.0, 0.6, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0])
    task = {"transitions": np.tile(law, (10, 5, 1)), "rewards": np.zeros((10, 5))}
    env = gym.make_vec(ENV_ID, num_envs=1000)
    env.reset(seed=0, options={"task": task})
    counts = np.zeros(10)
    for _ in range(20):
        counts += np.bincount(env.step(np.ones(1000, np.int64))[0][:, 0], minlength=10)
    possible = law > 0
    assert not counts[~possible].any()
    expected = 20_000 * law[possible]
    assert ((counts[possible] - expected) ** 2 / expected).sum() < 20  # 2 degrees: p < 5e-5


def test_a_law_that_falls_short_of_one_goes_to_a_possible_state() -> None:
    law = np.zeros(10)
    law[7] = 1 - 9e-7
    task = {"transitions": np.tile(law, (10, 5, 1)), "rewards": np.zeros((10, 5))}
    env = gym.make_vec(ENV_ID, num_envs=20_000, episode_steps=1000)
    env.reset(seed=0, options={"task": task})
    # Of four million draws about four lie beyond the law's sum.
    for _ in range(200):
        observation = env.step(np.zeros(20_000, np.int64))[0]
        assert (observation == 7).all()


def test_the_visible_task_is_the_task() -> None:
    env = gym.make(ENV_ID, num_states=3, num_actions=2, task_visible=True)
    env.reset(seed=1)
    task = env.unwrapped.get_task()
    observation, *_ = env.step(1)
    place = int(observation[:3].argmax())
    np.testing.assert_array_equal(observation[:3], np.eye(3)[place])
    assert task["transitions"][0, 1, place] > 0
    told = np.concatenate([task["transitions"].ravel(), task["rewards"].ravel()])
    np.testing.assert_array_equal(observation[3:], told.astype(np.float32))


def test_rewards_are_uniform() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=0)
    rewards = np.sort(env.sample_tasks(400)["rewards"].ravel())
    gap = np.abs(rewards - (np.arange(len(rewards)) + 0.5) / len(rewards)).max()
    assert gap * len(rewards) ** 0.5 < 2.5  # Kolmogorov-Smirnov: p < 1e-5


def manual_scores() -> dict[str, list[str]]:
    lines = (TabularMDPEnv.__doc__ or "").split("## Reference Scores")[1].splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return {name: entries for name, *entries in cells[2:]}


def test_reference_scores() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=123)
    tasks = env.sample_tasks(2000)
    uniform = np.full((10, 5), 0.2)
    fresh = {
        "random": (
            state_values(tasks, uniform, discount=1.0, horizon=20)[:, 0],
            state_values(tasks, uniform)[:, 0],
        ),
        "optimal": (
            backward_induction(tasks, horizon=20)[0][:, 0, 0],
            policy_iteration(tasks)[0][:, 0],
        ),
    }
    manual = manual_scores()
    assert list(manual) == list(fresh)
    for name, columns in fresh.items():
        for samples, entry in zip(columns, manual[name], strict=True):
            error = samples.std() / len(samples) ** 0.5
            assert abs(samples.mean() - float(entry)) < 4 * error + 0.005, (name, samples.mean())


def test_laws_must_sum_to_one() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=0)
    task = env.sample_tasks(1)[0]
    task["transitions"] = task["transitions"].copy()
    task["transitions"][3, 2] *= 0.5
    with pytest.raises(ValueError, match=r"state 3 and action 2 sums to 0\.5"):
        env.set_task(task)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_states": 0}, "num_states must be an integer of at least 1"),
        ({"num_actions": 2.0}, "num_actions must be an integer of at least 1"),
        ({"num_states": 65}, "At most 64 states and 64 actions"),
        ({"concentration": 0.0}, "concentration must be a number from 1e-6 to 1e6"),
        ({"concentration": "small"}, "concentration must be a number from 1e-6 to 1e6"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.make(ENV_ID, **arguments)
