"""Pictures of walks among corners show the task, the way and what was visited."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.corners.picture import CORNER, DECOY, GOAL, VISITED, draw_corners
from metaenvs.walk_picture import AGENT

IDS = ("metaenvs/PointCorners-v0", "metaenvs/GridCorners-v0", "metaenvs/DecoyCorners-v0")
MIDDLES = [(205, 34), (205, 205), (34, 34), (34, 205)]  # Rows from above, and columns.


def test_corners_lie_where_their_sides_say() -> None:
    visited = np.array([0, 1, 0, 0], np.uint8)
    for goal in range(4):
        image = draw_corners(np.zeros((1, 2)), goal=goal, visited=visited, corner_radius=0.25)
        assert image.shape == (240, 240, 3) and image.dtype == np.uint8
        for corner, (row, column) in enumerate(MIDDLES):
            assert tuple(image[row, column]) == (GOAL if corner == goal else CORNER)
            rim = tuple(image[row, column - 22])
            assert (rim == VISITED) == (corner == 1)
        assert tuple(image[120, 120]) == AGENT


def test_the_decoy_lies_on_the_goals_side() -> None:
    """Its middle, 0.3 from both axes; 26 pixels at the scale of the corners' 86."""
    for goal in range(4):
        image = draw_corners(
            np.zeros((1, 2)), goal=goal, visited=np.zeros(4, np.uint8), corner_radius=0.2,
            decoy=(0.1, 0.5),
        )  # fmt: skip
        shaded = {
            corner
            for corner, (row, column) in enumerate(MIDDLES)
            if tuple(image[120 + round(0.3 * (row - 120)), 120 + round(0.3 * (column - 120))])
            == DECOY
        }
        assert shaded == {goal}


def test_a_walk_out_of_the_picture_goes_along_its_edge() -> None:
    trail = np.array([(0.0, 0.0), (9.0, 0.0)])
    image = draw_corners(trail, goal=0, visited=np.zeros(4, np.uint8), corner_radius=0.1)
    dark = (image == AGENT).all(-1)
    assert dark[120, 230:].any() and not dark[:, :225].any()


@pytest.mark.parametrize("env_id", IDS)
def test_the_trail_grows_with_the_episode(env_id: str) -> None:
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=0, options={"task": {"corner": 2}})
    painted = []
    for _ in range(4):
        image = env.render()
        painted.append(int((image[..., 2].astype(int) - image[..., 0] > 60).sum()))
        continuous = isinstance(env.action_space, gym.spaces.Box)
        env.step(np.array([0.2, 0.0], np.float32) if continuous else 0)
    assert painted == sorted(set(painted))


@pytest.mark.parametrize("env_id", IDS)
def test_text(env_id: str) -> None:
    env = gym.make(env_id, render_mode="ansi")
    env.reset(seed=0, options={"task": {"corner": 2}})
    lines = env.render().splitlines()
    assert [lines[0][0], lines[0][-1], lines[-1][0], lines[-1][-1]] == ["G", "o", "o", "o"]
    assert lines[4][4] == "@"
