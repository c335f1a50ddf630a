"""Iterated games against memory-one opponents: course, tasks, and reference scores."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import metaenvs
from metaenvs.matrix_games.as_mdp import as_mdp
from metaenvs.matrix_games.games import GAMES, STRATEGIES, payoffs_of
from metaenvs.matrix_games.iterated_game import IteratedGameEnv
from metaenvs.tabular.values import backward_induction, state_values

ENV_ID = "metaenvs/IteratedPrisonersDilemma-v0"
IDS = {
    "prisoners_dilemma": ENV_ID,
    "stag_hunt": "metaenvs/IteratedStagHunt-v0",
    "chicken": "metaenvs/IteratedChicken-v0",
    "matching_pennies": "metaenvs/IteratedMatchingPennies-v0",
}


@pytest.mark.parametrize(
    ("opponent", "expected"),
    [
        # Actions C D D C C: what the agent sees after each.
        ("all-C", [1, 3, 3, 1, 1]), ("all-D", [2, 4, 4, 2, 2]), ("tit-for-tat", [1, 3, 4, 2, 1]),
        ("grim", [1, 3, 4, 2, 2]), ("win-stay-lose-shift", [1, 3, 4, 1, 1]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("game", list(GAMES))
def test_courses_by_hand(game: str, opponent: str, expected: list[int]) -> None:
    env = gym.make(IDS[game])
    observation, _ = env.reset(options={"task": {"opponent": STRATEGIES[opponent]}})
    assert observation.tolist() == [0]
    steps = [env.step(action) for action in (0, 1, 1, 0, 0)]
    assert [int(step[0][0]) for step in steps] == expected
    by_code = np.ravel(GAMES[game][0])
    assert [step[1] for step in steps] == [by_code[code - 1] for code in expected]
    assert steps[-1][4]["cooperations"] == 3
    assert steps[-1][4]["opponent_cooperations"] == sum(code in (1, 3) for code in expected)


def test_an_episode_is_cut_and_never_terminates() -> None:
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    ends = [env.step(1)[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]


def test_an_opponent_cooperates_with_its_probabilities() -> None:
    table, num_rows = np.array([0.5, 0.9, 0.2, 0.6, 0.3]), 4000
    env = gym.make_vec(ENV_ID, num_envs=num_rows)
    env.reset(seed=0, options={"task": {"opponent": table}})
    rng = np.random.default_rng(0)
    counts, cooperations = np.zeros(5), np.zeros(5)
    seen = np.zeros(num_rows, np.int64)
    for _ in range(20):
        of_opponent = np.array([0, 1, 3, 2, 4])[seen]
        seen = env.step(rng.integers(2, size=num_rows))[0][:, 0].astype(np.int64)
        counts += np.bincount(of_opponent, minlength=5)
        cooperations += np.bincount(of_opponent, np.isin(seen, (1, 3)), 5)
    error = (table * (1 - table) / counts) ** 0.5
    assert (np.abs(cooperations / counts - table) < 4.5 * error).all()


def test_named_opponents_are_equally_likely() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=0)
    opponents = env.sample_tasks(3000)["opponent"]
    tables, counts = np.unique(opponents, axis=0, return_counts=True)
    assert sorted(map(tuple, tables)) == sorted(STRATEGIES.values())
    assert ((counts - 500) ** 2 / 500).sum() < 25  # chi-square, 5 degrees: p < 0.0002


def test_any_opponent_is_drawn_uniformly_and_split() -> None:
    env = gym.make(ENV_ID, opponents="any").unwrapped
    assert env.splits == ("train", "test", "all")
    env.reset(seed=0)
    ordered = np.sort(env.sample_tasks(2000)["opponent"], axis=0)
    gap = np.abs(ordered - (np.arange(2000)[:, None] + 0.5) / 2000).max()
    assert gap * 2000**0.5 < 2.5  # Kolmogorov-Smirnov: p < 1e-5


def test_the_visible_task_is_the_opponent() -> None:
    env = gym.make(ENV_ID, task_visible=True)
    table = np.array([0.1, 0.2, 0.3, 0.4, 1.0])
    observation, _ = env.reset(options={"task": {"opponent": table}})
    np.testing.assert_array_equal(observation, np.float32([1, 0, 0, 0, 0, *table]))
    observation, *_ = env.step(1)
    assert observation[:5].tolist() in ([0, 0, 0, 1, 0], [0, 0, 0, 0, 1])


@pytest.mark.parametrize("game", list(GAMES))
def test_reference_scores(game: str) -> None:
    lines = (IteratedGameEnv.__doc__ or "").split("## Reference Scores")[1].splitlines()
    (line,) = [line for line in lines if f"`{game}`" in line]
    process = as_mdp(list(STRATEGIES.values()), payoffs_of(game))
    uniform = state_values(process, np.full((5, 2), 0.5), discount=1.0, horizon=100)[:, 0]
    best, actions = backward_induction(process, horizon=100)
    entries = [entry.strip() for entry in line.split("|")[2:4]]
    assert entries == [f"{uniform.mean():.1f}", f"{best[:, 0, 0].mean():.1f}"]

    env = gym.make_vec(IDS[game], num_envs=600)
    which = np.arange(600) % 6
    tables = metaenvs.Tasks({"opponent": np.array(list(STRATEGIES.values()))[which]})
    rng = np.random.default_rng(0)
    for plays_best, expected in ((False, uniform), (True, best[:, 0, 0])):
        observation, _ = env.reset(seed=1, options={"task": tables})
        returns = np.zeros(600)
        for step in range(100):
            choice = rng.integers(2, size=600)
            if plays_best:
                choice = actions[which, step, observation[:, 0]]
            observation, reward, *_ = env.step(choice)
            returns += reward
        for opponent in range(6):
            samples = returns[which == opponent]
            error = samples.std() / len(samples) ** 0.5
            assert abs(samples.mean() - expected[opponent]) < 4.5 * error + 1e-9


def test_the_picture_and_the_text_show_the_course() -> None:
    pictures = gym.make(ENV_ID, render_mode="rgb_array")
    texts = gym.make(ENV_ID, render_mode="ansi")
    for env in (pictures, texts):
        env.reset(options={"task": {"opponent": STRATEGIES["tit-for-tat"]}})
        for action in (0, 1, 0):
            env.step(action)
    assert texts.render() == "first:  CDC\nsecond: CCD"
    image = pictures.render()
    assert image.shape == (48, 616, 3)
    blue = image[[14, 34], 14:50:12, 2] > 200
    red = image[[14, 34], 14:50:12, 0] > 200
    np.testing.assert_array_equal(blue, [[1, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(red, ~blue)


def test_bad_opponents() -> None:
    with pytest.raises(ValueError, match='opponents must be "named" or "any"'):
        gym.make(ENV_ID, opponents="mixed")
