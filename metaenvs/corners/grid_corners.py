"""The four corners on a grid: small enough for exact calculations and quick tests."""

from __future__ import annotations

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
from metaenvs.spaces import codes_space
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["GridCornersEnv", "GridCornersVectorEnv", "grid_corners"]

RIGHT, LEFT, UP, DOWN = 0, 1, 2, 3

PARAMETERS_DTYPE = np.dtype([("size", np.int32), ("task_visible", np.bool_)], align=True)
STATE_DTYPE = np.dtype(
    [("x", np.int32), ("y", np.int32), ("corner", np.int32), ("visited", np.uint8, (4,))],
    align=True,
)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """In the middle."""
    state.x = parameters.size // 2
    state.y = parameters.size // 2
    state.corner = -1
    for corner in range(4):
        state.visited[corner] = 0


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Move to a neighbour, or stay at the border; the goal's cell pays."""
    last = parameters.size - 1
    if action == RIGHT:
        state.x = min(state.x + 1, last)
    elif action == LEFT:
        state.x = max(state.x - 1, 0)
    elif action == UP:
        state.y = min(state.y + 1, last)
    else:
        state.y = max(state.y - 1, 0)
    state.corner = -1
    for corner in range(4):
        # Twice the distance from the middle, as large as can be at a corner.
        right = corner_x(corner) * (2 * state.x - last)
        up = corner_y(corner) * (2 * state.y - last)
        if right == last and up == last:
            state.corner = corner
            state.visited[corner] = 1
    return np.float64(state.corner == task.corner), False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """The cell and, where it is visible, the task."""
    observation[0] = state.x
    observation[1] = state.y
    if parameters.task_visible:
        observation[2] = task.corner


def grid_corners(*, size: int = 9, task_visible: bool = False) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    if isinstance(size, bool) or not isinstance(size, int) or not 3 <= size <= 99 or size % 2 == 0:
        raise ValueError(f"size must be an odd integer from 3 to 99, got {size!r}.")
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["size"] = size
    parameters["task_visible"] = task_visible
    return ArrayFamily(
        task_space=new_task_space(),
        observation_space=codes_space([size, size] + [4] * task_visible),
        action_space=gym.spaces.Discrete(4),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=REPORT_FIELDS,
        episode_steps=2 * (size - 1),
        splits=("all",),
        render=_render,
        render_text=_render_text,
    )


def _scaled(parameters: Any, cells: Any) -> Any:
    """Cells from -1 to 1."""
    last = int(parameters["size"]) - 1
    return 2 * np.asarray(cells) / last - 1


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    """The way so far over the grid, and the corners."""
    size = int(parameters["size"])
    return draw_corners(
        _scaled(parameters, [(state["x"], state["y"]) for state in states]),
        goal=int(task["corner"]),
        visited=states[-1]["visited"],
        corner_radius=0.8 / (size - 1),
        cells=size,
    )


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    x, y = _scaled(parameters, (states[-1]["x"], states[-1]["y"]))
    return position_to_text(x, y, int(task["corner"]), size=int(parameters["size"]))


class GridCornersVectorEnv(ArrayVectorEnv):
    """Many grids in one batch; the manual is :class:`GridCornersEnv`."""

    family = staticmethod(grid_corners)


class GridCornersEnv(ArrayEnv):
    """A walk over a small grid, one of whose four corners pays.

    ## Description
    The discrete, small sibling of `metaenvs/PointCorners-v0`: from the middle of a 9 by 9 grid
    every corner is eight steps away, an episode is sixteen steps, and nothing is paid but in the
    corner that is the goal, which is hidden. Whatever a policy is expected to earn, before and
    after adaptation, can be calculated exactly.

    ## Action Space
    `Discrete(4)`: 0 right, 1 left, 2 up, 3 down. At the border a move outwards stays.

    ## Observation Space
    `MultiDiscrete([size, size])`: column from the left and row from below. With
    `task_visible=True` a third code: the goal.

    ## Task Space
    `Dict(corner: Box(0, 3, (), int16))`: 0 left below, 1 right below, 2 left above, 3 right above.

    ## Splits
    `"all"` only: there are four tasks, drawn uniformly.

    ## Rewards
    1 for every step after which the agent is in the goal's cell, else 0. Deterministic.

    ## Starting State
    The middle cell.

    ## Episode End
    Never terminated; truncated after `2 * (size - 1)` steps (16).

    ## Arguments
    - `size` (9): cells on a side, odd, 3 to 99.
    - Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `corner`: the corner in which the agent is (-1: none); `corners_visited`: how many the episode
    has seen; and the entries of every family.

    ## Reference Scores
    Expected return of an episode of the defaults: the uniformly random policy makes 0.0338 (by
    powers of its transition matrix), the optimum is 9: there in eight steps, paid nine times.

    ## Version History
    - v0: first version.
    """

    vector_env = GridCornersVectorEnv
