"""Pictures of tables show rewards, laws, the path and the current state."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

import metaenvs  # noqa: F401
from metaenvs.tabular.bandit import ARM, BACKGROUND, BEST, PULLED
from metaenvs.tabular.picture import (
    ALWAYS,
    CELL,
    FULL_REWARD,
    GAP,
    HERE,
    NEVER,
    NO_REWARD,
    VISIT,
    draw_table,
)


def test_every_block_shows_its_table() -> None:
    transitions = np.zeros((3, 2, 3))
    transitions[:, 0, 1] = transitions[:, 1, 2] = 1.0
    rewards = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    image = draw_table(transitions, rewards, [0, 2, 1])
    half = CELL // 2

    def colours(row: int, first_column: int, number: int, gaps: int) -> list[tuple[int, ...]]:
        height = GAP + row * CELL + half
        start = gaps * GAP + first_column * CELL + half
        return [tuple(image[height, start + CELL * index].tolist()) for index in range(number)]

    assert colours(0, 0, 2, 1) == [NO_REWARD, FULL_REWARD]
    assert colours(1, 0, 2, 1) == [FULL_REWARD, NO_REWARD]
    assert colours(0, 2, 3, 2) == [NEVER, ALWAYS, NEVER]
    assert colours(0, 5, 3, 3) == [NEVER, NEVER, ALWAYS]
    assert [colours(row, 8, 3, 4).index(VISIT) for row in range(3)] == [0, 2, 1]
    assert tuple(image[GAP + CELL + half, 1]) == HERE
    assert tuple(image[GAP + half, 1]) != HERE


def test_text_of_a_process() -> None:
    env = gym.make("metaenvs/TabularMDP-v0", num_states=2, num_actions=2, render_mode="ansi")
    task = {"transitions": np.tile([0.25, 0.75], (2, 2, 1)), "rewards": [[1.0, 2.0], [3.0, 4.0]]}
    env.reset(seed=0, options={"task": task})
    assert env.render().splitlines() == [
        "state 0",
        "action 0: reward 1.000, to 1 with 0.750",
        "action 1: reward 2.000, to 1 with 0.750",
    ]
    observation, *_ = env.step(1)
    assert env.render().splitlines()[0] == f"state {observation[0]} after action 1"


def test_picture_of_a_bandit() -> None:
    env = gym.make("metaenvs/Bandit-v0", num_arms=2, render_mode="rgb_array")
    env.reset(seed=0, options={"task": {"means": [0.5, 1.0]}})
    env.step(0)
    image = env.render()
    assert tuple(image[30, 18]) == BACKGROUND and tuple(image[100, 18]) == ARM
    assert tuple(image[30, 54]) == BEST
    assert tuple(image[135, 18]) == PULLED and tuple(image[135, 54]) == BACKGROUND
