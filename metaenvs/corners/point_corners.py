"""A point in the plane that is paid for approaching one of four corners, once it is on its way."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.corners.four_corners import (
    REPORT_FIELDS,
    corner_x,
    corner_y,
    draw_task,
    new_task_space,
    report,
)
from metaenvs.corners.picture import draw_corners, position_to_text
from metaenvs.env import ArrayEnv
from metaenvs.family import ArrayFamily
from metaenvs.kernels.random import random_uniform
from metaenvs.kernels.row_function import row_function
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["PointCornersEnv", "PointCornersVectorEnv", "point_corners"]

CORNER_DISTANCE = 2.0
START_DISTANCE = 0.2
LONGEST_STEP = 0.2
UNPAID_RADIUS = 0.5
VISIT_RADIUS = 0.5

PARAMETERS_DTYPE = np.dtype([("task_visible", np.bool_)], align=True)
STATE_DTYPE = np.dtype(
    [("x", np.float64), ("y", np.float64), ("corner", np.int32), ("visited", np.uint8, (4,))],
    align=True,
)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """Somewhere near the origin."""
    state.x = (2.0 * random_uniform(key, 0) - 1.0) * START_DISTANCE
    state.y = (2.0 * random_uniform(key, 1) - 1.0) * START_DISTANCE
    state.corner = -1
    for corner in range(4):
        state.visited[corner] = 0


@row_function
def distance_to_corner(x: Any, y: Any, corner: Any) -> Any:
    """Euclidean distance."""
    across = x - CORNER_DISTANCE * corner_x(corner)
    up = y - CORNER_DISTANCE * corner_y(corner)
    return math.sqrt(across * across + up * up)


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Move; progress is paid where the goal is the nearest corner and the origin is left."""
    before = distance_to_corner(state.x, state.y, task.corner)
    state.x += min(max(np.float64(action[0]), -LONGEST_STEP), LONGEST_STEP)
    state.y += min(max(np.float64(action[1]), -LONGEST_STEP), LONGEST_STEP)
    state.corner = -1
    for corner in range(4):
        if distance_to_corner(state.x, state.y, corner) < VISIT_RADIUS:
            state.corner = corner
            state.visited[corner] = 1
    # The nearest corner lies in the same quadrant; on an axis there are two.
    nearest = state.x * corner_x(task.corner) >= 0 and state.y * corner_y(task.corner) >= 0
    reward = 0.0
    if nearest and abs(state.x) + abs(state.y) >= UNPAID_RADIUS:
        reward = before - distance_to_corner(state.x, state.y, task.corner)
    return reward, False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """The position and, where it is visible, the goal's."""
    observation[0] = state.x
    observation[1] = state.y
    if parameters.task_visible:
        observation[2] = CORNER_DISTANCE * corner_x(task.corner)
        observation[3] = CORNER_DISTANCE * corner_y(task.corner)


def point_corners(*, task_visible: bool = False) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["task_visible"] = task_visible
    size = 4 if task_visible else 2
    return ArrayFamily(
        task_space=new_task_space(),
        observation_space=gym.spaces.Box(-np.inf, np.inf, (size,), np.float32),
        action_space=gym.spaces.Box(-LONGEST_STEP, LONGEST_STEP, (2,), np.float32),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=REPORT_FIELDS,
        episode_steps=100,
        splits=("all",),
        render=_render,
        render_text=_render_text,
    )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    """The way so far, the corners, and the diamond in which nothing is paid."""
    trail = np.array([(state["x"], state["y"]) for state in states])
    return draw_corners(
        trail / CORNER_DISTANCE,
        goal=int(task["corner"]),
        visited=states[-1]["visited"],
        corner_radius=VISIT_RADIUS / CORNER_DISTANCE,
        diamond_radius=UNPAID_RADIUS / CORNER_DISTANCE,
    )


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    state = states[-1]
    return position_to_text(
        state["x"] / CORNER_DISTANCE, state["y"] / CORNER_DISTANCE, int(task["corner"])
    )


class PointCornersVectorEnv(ArrayVectorEnv):
    """Many points in one batch; the manual is :class:`PointCornersEnv`."""

    family = staticmethod(point_corners)


class PointCornersEnv(ArrayEnv):
    """A point that must find out which of four corners pays.

    ## Description
    A point walks in the plane. One of the four corners (±2, ±2) is the goal, which it does not
    see. What it is paid says nothing until it has walked some way towards the right corner, so an
    agent must explore before it can adapt (Rothfuss et al. 2019, "ProMP: Proximal Meta-Policy
    Search", the sparse 2-D task; their
    code decides where text and code differ). It is the
    cheapest published task on which gradient-based meta-learners differ in how they credit
    exploration.

    ## Action Space
    `Box(-0.2, 0.2, (2,), float32)`: how far to move along each axis. What lies outside is clipped
    to these bounds; a number that is not finite is an error.

    ## Observation Space
    `Box(-inf, inf, (2,), float32)`: the position. With `task_visible=True` four numbers: the
    goal's position follows.

    ## Task Space
    `Dict(corner: Box(0, 3, (), int16))`: 0 is (-2, -2), 1 is (2, -2), 2 is (-2, 2), 3 is (2, 2).

    ## Splits
    `"all"` only: there are four tasks, drawn uniformly.

    ## Rewards
    The decrease of the Euclidean distance to the goal in this step, where after it the point is
    at least 0.5 (sum of the coordinates' sizes) from the origin and the goal is the nearest
    corner; else 0. Deterministic.

    This is the published rule, and it has a gap: going away is free inside the diamond and where
    another corner is nearest, so that stepping out of the diamond towards the goal and back again
    is paid at every second step. The return therefore tells how well a goal was found only for
    policies that do not go back and forth; `info["corner"]` tells it for all.

    ## Starting State
    Each coordinate uniform between -0.2 and 0.2, anew in every episode.

    ## Episode End
    Never terminated; truncated after 100 steps.

    ## Arguments
    Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `corner`: the corner within 0.5 of which the point is (-1: none); `corners_visited`: how many
    the episode has seen; and the entries of every family.

    ## Reference Scores
    Return of an episode, mean over starts and goals (`tests/corners/test_point_corners.py` has the
    policies and measures them anew).

    | Policy | Return |
    |---|---|
    | random (uniform actions) | 0.46 |
    | straight to the goal, and stay | 2.62 |
    | back and forth over the diamond's edge, at last to the goal | 15.24 |

    ## Version History
    - v0: first version.
    """

    vector_env = PointCornersVectorEnv
    metadata = {**ArrayEnv.metadata, "render_fps": 20}
