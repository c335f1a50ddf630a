"""Games between two players: the same as against an opponent that plays the second's part."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.matrix_games.games import GAMES
from metaenvs.matrix_games.self_play import SelfPlayBatch


@pytest.mark.parametrize("game", list(GAMES))
def test_both_players_see_and_are_paid_what_the_tables_say(game: str) -> None:
    batch = SelfPlayBatch(4, game=game, episode_steps=2)
    assert batch.reset().tolist() == [[0, 0]] * 4
    actions = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    codes, rewards, over = batch.step(actions)
    assert codes.tolist() == [[1, 1], [2, 3], [3, 2], [4, 4]]
    payoffs = np.array(GAMES[game])
    np.testing.assert_array_equal(rewards, payoffs.reshape(2, 4).T)
    assert not over
    assert batch.step(actions)[2]
    with pytest.raises(gym.error.ResetNeeded):
        batch.step(actions)
    assert batch.reset().shape == (4, 2)


def test_the_first_players_game_is_the_familys() -> None:
    """An opponent of certain actions is a second player who follows its table."""
    table = np.array([1, 0, 1, 1, 0])
    env = gym.make_vec("metaenvs/IteratedPrisonersDilemma-v0", num_envs=8)
    env.reset(options={"task": {"opponent": table}})
    batch = SelfPlayBatch(8)
    codes = batch.reset()
    rng = np.random.default_rng(0)
    for _ in range(100):
        first = rng.integers(2, size=8)
        observation, reward, _, truncated, _ = env.step(first)
        codes, rewards, over = batch.step(np.stack([first, 1 - table[codes[:, 1]]], 1))
        np.testing.assert_array_equal(codes[:, 0], observation[:, 0])
        np.testing.assert_array_equal(rewards[:, 0], reward)
        assert (truncated == over).all()
    assert over


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((3, 2)), "actions must be integers of shape"),
        (np.zeros((2, 3), int), "actions must be integers of shape"),
        ([[0, 1], [0, 2], [1, 1]], r"must be 0 or 1, got \[0, 2\] in game 1"),
    ],
)
def test_bad_actions(actions: Any, message: str) -> None:
    batch = SelfPlayBatch(3)
    batch.reset()
    with pytest.raises(ValueError, match=message):
        batch.step(actions)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="num_games must be an integer of at least 1"):
        SelfPlayBatch(0)
    with pytest.raises(ValueError, match="episode_steps must be an integer of at least 1"):
        SelfPlayBatch(1, episode_steps=0)
    with pytest.raises(ValueError, match="game must be one of"):
        SelfPlayBatch(1, game="poker")
