"""The games as PettingZoo sees them."""

from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.matrix_games.games import GAMES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # What libraries warn of while they are imported.
    pettingzoo_test = pytest.importorskip("pettingzoo.test")

from metaenvs.matrix_games.parallel_env import IteratedGameParallelEnv


@pytest.mark.parametrize("game", list(GAMES))
def test_pettingzoos_own_tests(game: str) -> None:
    pettingzoo_test.parallel_api_test(IteratedGameParallelEnv(game=game), num_cycles=250)
    pettingzoo_test.parallel_seed_test(lambda: IteratedGameParallelEnv(game=game))


def test_a_game() -> None:
    env = IteratedGameParallelEnv(episode_steps=2)
    observations, infos = env.reset(seed=3)
    assert observations == {"player_0": 0, "player_1": 0} and infos.keys() == observations.keys()
    for player in env.agents:
        assert observations[player] in env.observation_space(player)
    observations, rewards, terminated, truncated, _ = env.step({"player_0": 0, "player_1": 1})
    assert observations == {"player_0": 2, "player_1": 3}
    assert rewards == {"player_0": -3, "player_1": 0}
    assert not any(terminated.values()) and not any(truncated.values())
    _, rewards, terminated, truncated, _ = env.step({"player_1": 1, "player_0": 1})
    assert rewards == {"player_0": -2, "player_1": -2}
    assert not any(terminated.values()) and all(truncated.values())
    assert env.agents == []
    with pytest.raises(gym.error.ResetNeeded):
        env.step({"player_0": 0, "player_1": 1})


def test_ways_to_render() -> None:
    for mode in ("ansi", "rgb_array"):
        env = IteratedGameParallelEnv(render_mode=mode)
        env.reset()
        env.step({"player_0": 0, "player_1": 1})
        if mode == "ansi":
            assert env.render() == "first:  C\nsecond: D"
        else:
            assert env.render().shape == (48, 616, 3)
            assert np.abs(env.render()[14, 14].astype(int) - env.render()[34, 14]).max() > 100


def test_bad_arguments_and_actions() -> None:
    with pytest.raises(ValueError, match="render_mode must be None"):
        IteratedGameParallelEnv(render_mode="human")
    env = IteratedGameParallelEnv()
    env.reset()
    with pytest.raises(ValueError, match="actions must be of"):
        env.step({"player_0": 0})
    with pytest.raises(ValueError, match="actions must be 0 or 1"):
        env.step({"player_0": 0, "player_1": 2})
