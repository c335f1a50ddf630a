"""A point in the plane that ends its episode in one of four corners, past a decoy on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
from metaenvs.kernels.row_function import row_function
from metaenvs.tasks import Tasks
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["DecoyCornersEnv", "DecoyCornersVectorEnv", "decoy_corners", "decoy_rewards"]

# The float32 number nearest to 0.1 and a little more: the first full step enters the decoy.
LONGEST_STEP = float(np.float32(0.1))
GOAL_RADIUS = 0.2
DECOY_NEAR, DECOY_FAR = 0.1, 0.5
STEP_REWARD, DECOY_REWARD, GOAL_REWARD = -1.0, -3.0, 0.0

PARAMETERS_DTYPE = np.dtype([("task_visible", np.bool_)], align=True)
STATE_DTYPE = np.dtype(
    [("x", np.float64), ("y", np.float64), ("corner", np.int32), ("visited", np.uint8, (4,))],
    align=True,
)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """At the origin."""
    state.x = 0.0
    state.y = 0.0
    state.corner = -1
    for corner in range(4):
        state.visited[corner] = 0


@row_function
def is_at_corner(x: Any, y: Any, corner: Any) -> Any:
    """Whether a point lies within the goal's radius of a corner."""
    across, up = x - corner_x(corner), y - corner_y(corner)
    return math.sqrt(across * across + up * up) <= GOAL_RADIUS


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Move; every step costs, one into the goal's decoy more, and the goal ends the episode."""
    state.x += min(max(np.float64(action[0]), -LONGEST_STEP), LONGEST_STEP)
    state.y += min(max(np.float64(action[1]), -LONGEST_STEP), LONGEST_STEP)
    state.corner = -1
    for corner in range(4):
        if is_at_corner(state.x, state.y, corner):
            state.corner = corner
            state.visited[corner] = 1
    if state.corner == task.corner:
        return GOAL_REWARD, True
    right, up = state.x * corner_x(task.corner), state.y * corner_y(task.corner)
    if min(right, up) > DECOY_NEAR and max(right, up) < DECOY_FAR:
        return DECOY_REWARD, False
    return STEP_REWARD, False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """The position and, where it is visible, the goal's."""
    observation[0] = state.x
    observation[1] = state.y
    if parameters.task_visible:
        observation[2] = corner_x(task.corner)
        observation[3] = corner_y(task.corner)


def decoy_rewards(
    next_observation: npt.ArrayLike, tasks: Tasks | Mapping[str, npt.ArrayLike]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """What steps would have paid in other tasks, and whether they would have ended the episode.

    For hindsight relabelling: equal to ``step``'s answers to the last bit.

    Args:
        next_observation: (..., 2) or (..., 4), as observed after the steps (the episode's last
            in ``final_obs``).
        tasks: Entry ``corner`` (...); leading axes broadcast: observations (n, 2) and corners
            (m, 1) give (m, n).

    Returns:
        Rewards, float64, and whether the goal was reached, of the shape to which all broadcast.
    """
    position, corner = np.asarray(next_observation, np.float64), np.asarray(tasks["corner"])
    x, y = position[..., 0], position[..., 1]
    side_x, side_y = corner_x(corner), corner_y(corner)
    across, up = x - side_x, y - side_y
    reached = np.sqrt(across * across + up * up) <= GOAL_RADIUS
    least, most = np.minimum(x * side_x, y * side_y), np.maximum(x * side_x, y * side_y)
    elsewhere = np.where((least > DECOY_NEAR) & (most < DECOY_FAR), DECOY_REWARD, STEP_REWARD)
    return np.where(reached, GOAL_REWARD, elsewhere), reached


def decoy_corners(*, task_visible: bool = False) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["task_visible"] = task_visible
    return ArrayFamily(
        task_space=new_task_space(),
        observation_space=gym.spaces.Box(-np.inf, np.inf, (2 + 2 * task_visible,), np.float64),
        action_space=gym.spaces.Box(-LONGEST_STEP, LONGEST_STEP, (2,), np.float32),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=REPORT_FIELDS,
        episode_steps=20,
        splits=("all",),
        render=_render,
        render_text=_render_text,
    )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    """The way so far, the corners, and the goal's decoy."""
    return draw_corners(
        np.array([(state["x"], state["y"]) for state in states]),
        goal=int(task["corner"]),
        visited=states[-1]["visited"],
        corner_radius=GOAL_RADIUS,
        decoy=(DECOY_NEAR, DECOY_FAR),
    )


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    return position_to_text(states[-1]["x"], states[-1]["y"], int(task["corner"]))


class DecoyCornersVectorEnv(ArrayVectorEnv):
    """Many points in one batch; the manual is :class:`DecoyCornersEnv`."""

    family = staticmethod(decoy_corners)


class DecoyCornersEnv(ArrayEnv):
    """A point that must find one of four corners in time, and is charged on the straight way.

    ## Description
    HFR's `four-corners` (Wan et al. 2021, "Hindsight Foresight Relabeling for Meta-Reinforcement
    Learning", from the authors' code). A point starts in the middle of four corners (±1, ±1), one
    of which is the hidden goal. Every step costs 1 until it is there. On the straight way to each
    corner lies a square in which a step costs 3 if, and only if, that corner is the goal: the
    square is a decoy for whoever knows the goal, and the cheapest way to find it out.

    ## Action Space
    `Box(-0.1, 0.1, (2,), float32)`: how far to move along each axis. What lies outside is clipped
    to these bounds; a number that is not finite is an error.

    ## Observation Space
    `Box(-inf, inf, (2,), float64)`: the position. With `task_visible=True` four numbers: the
    goal's position follows.

    ## Task Space
    `Dict(corner: Box(0, 3, (), int16))`: 0 is (-1, -1), 1 is (1, -1), 2 is (-1, 1), 3 is (1, 1).

    ## Splits
    `"all"` only: there are four tasks, drawn uniformly, and the authors train and test on all.

    ## Rewards
    0 for the step after which the point is at most 0.2 from the goal; -3 for one after which it
    is between 0.1 and 0.5 from both axes on the goal's side of each; -1 for any other.
    Deterministic. `metaenvs.corners.decoy_corners.decoy_rewards` is the same as a pure function of
    observation and task, for relabelling; a relabelled step may end the episode, too.

    ## Starting State
    The origin.

    ## Episode End
    Terminated in the goal; truncated after 20 steps.

    ## Arguments
    Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `corner`: the corner within 0.2 of which the point is (-1: none); `corners_visited`: how many
    the episode has seen; and the entries of every family.

    ## Reference Scores
    Return of an episode (`tests/corners/test_decoy_corners.py` has the policies and measures them
    anew).

    | Policy | Return |
    |---|---|
    | random (uniform actions) | -23.04 |
    | stand still | -20 |
    | straight to the goal, through its decoy | -16 |
    | to the goal along an axis, past its decoy | -10 |

    ## Version History
    - v0: first version.
    """

    vector_env = DecoyCornersVectorEnv
    metadata = {**ArrayEnv.metadata, "render_fps": 10}
