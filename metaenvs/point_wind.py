"""A point in a steady wind that is paid near a hidden place: goal and dynamics vary at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.env import ArrayEnv
from metaenvs.family import ArrayFamily
from metaenvs.kernels.random import random_normal, random_uniform
from metaenvs.kernels.row_function import row_function
from metaenvs.tasks import Tasks
from metaenvs.vector_env import ArrayVectorEnv
from metaenvs.walk_picture import distance_to_segment, finished_walk, new_canvas

__all__ = ["PointWindEnv", "PointWindVectorEnv", "point_wind", "wind_rewards"]

LONGEST_STEP = 0.1
STRONGEST_WIND = 0.05
GOAL_RADIUS = 0.2
TEXT_SIZE = 21
HORIZON, GOAL, ARROW = (226, 222, 212), (240, 190, 60), (120, 150, 130)
ARROW_FOOT, ARROW_SCALE = np.array([-1.0, -1.0]), 6.0

PARAMETERS_DTYPE = np.dtype(
    [
        ("noise", np.float64),
        ("vary_goal", np.bool_),
        ("vary_wind", np.bool_),
        ("sparse", np.bool_),
        ("task_visible", np.bool_),
    ],
    align=True,
)
STATE_DTYPE = np.dtype([("x", np.float64), ("y", np.float64)], align=True)


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """A place on the half circle, and a wind; what does not vary is (1, 0), and none."""
    task.goal_position[0] = 1.0
    task.goal_position[1] = 0.0
    if parameters.vary_goal:
        angle = math.pi * random_uniform(key, 0)
        task.goal_position[0] = math.cos(angle)
        task.goal_position[1] = math.sin(angle)
    for axis in range(2):
        task.wind[axis] = 0.0
        if parameters.vary_wind:
            task.wind[axis] = (2.0 * random_uniform(key, 1 + axis) - 1.0) * STRONGEST_WIND


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """At the origin."""
    state.x = 0.0
    state.y = 0.0


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Move, and be moved by the wind and at random; near the goal is paid."""
    right = min(max(np.float64(action[0]), -LONGEST_STEP), LONGEST_STEP)
    up = min(max(np.float64(action[1]), -LONGEST_STEP), LONGEST_STEP)
    state.x += right + task.wind[0] + parameters.noise * random_normal(key, 0)
    state.y += up + task.wind[1] + parameters.noise * random_normal(key, 2)
    across, along = state.x - task.goal_position[0], state.y - task.goal_position[1]
    distance = math.sqrt(across * across + along * along)
    if not parameters.sparse:
        return -distance, False
    if distance <= GOAL_RADIUS:
        return 1.0 - distance, False
    return 0.0, False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """The position and, where it is visible, the task."""
    observation[0] = state.x
    observation[1] = state.y
    if parameters.task_visible:
        for axis in range(2):
            observation[2 + axis] = task.goal_position[axis]
            observation[4 + axis] = task.wind[axis]


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """How far the goal is."""
    across, along = state.x - task.goal_position[0], state.y - task.goal_position[1]
    fields.goal_distance = math.sqrt(across * across + along * along)


def wind_rewards(
    next_observation: npt.ArrayLike,
    tasks: Tasks | Mapping[str, npt.ArrayLike],
    *,
    sparse: bool = True,
) -> npt.NDArray[np.float64]:
    """What steps would have paid in other tasks, for hindsight relabelling.

    Equal to ``step``'s rewards to the last bit. The wind under which they were made is no matter.

    Args:
        next_observation: (..., 2) or (..., 6), as observed after the steps (the episode's last in
            ``final_obs``).
        tasks: Entry ``goal_position`` (..., 2); leading axes broadcast: observations (n, 2) and
            goals (m, 1, 2) give (m, n).
        sparse: As for :func:`point_wind`.

    Returns:
        float64, of the shape to which all leading axes broadcast.
    """
    position = np.asarray(next_observation, np.float64)
    goal = np.asarray(tasks["goal_position"], np.float64)
    across, along = position[..., 0] - goal[..., 0], position[..., 1] - goal[..., 1]
    distance = np.sqrt(across * across + along * along)
    if not sparse:
        return np.asarray(-distance)
    return np.where(distance <= GOAL_RADIUS, 1.0 - distance, 0.0)


def point_wind(
    *,
    sparse: bool = True,
    vary_goal: bool = True,
    vary_wind: bool = True,
    noise: float = 0.05,
    task_visible: bool = False,
) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    for name, value in (("sparse", sparse), ("vary_goal", vary_goal), ("vary_wind", vary_wind)):
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be True or False, got {value!r}.")
    if not (vary_goal or vary_wind):
        raise ValueError("vary_goal and vary_wind are both False: there would be one task only.")
    if not 0.0 <= noise <= 1.0:
        raise ValueError(f"noise must be a number from 0 to 1, got {noise!r}.")
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["noise"] = noise
    parameters["vary_goal"] = vary_goal
    parameters["vary_wind"] = vary_wind
    parameters["sparse"] = sparse
    parameters["task_visible"] = task_visible
    return ArrayFamily(
        task_space=gym.spaces.Dict(
            {
                "goal_position": gym.spaces.Box(-2.0, 2.0, (2,), np.float64),
                "wind": gym.spaces.Box(-0.1, 0.1, (2,), np.float64),
            }
        ),
        observation_space=gym.spaces.Box(-np.inf, np.inf, (2 + 4 * task_visible,), np.float64),
        action_space=gym.spaces.Box(-LONGEST_STEP, LONGEST_STEP, (2,), np.float32),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=[("goal_distance", np.float64)],
        episode_steps=30,
        n_tasks={"train": 40, "test": 10},
        render=_render,
        render_text=_render_text,
    )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    """The way so far, the half circle, the goal, and the wind as an arrow left below."""
    image, x, y = new_canvas()
    image[(np.abs(np.hypot(x, y) - 1.0) < 0.012) & (y > 0)] = HORIZON
    image[np.hypot(x - task["goal_position"][0], y - task["goal_position"][1]) < GOAL_RADIUS] = GOAL
    head = ARROW_FOOT + ARROW_SCALE * np.asarray(task["wind"])
    image[distance_to_segment(x, y, ARROW_FOOT, head) < 0.02] = ARROW
    image[np.hypot(x - head[0], y - head[1]) < 0.045] = ARROW
    return finished_walk(image, np.array([(state["x"], state["y"]) for state in states]))


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    """G for the goal, o for the start, @ for the point; 0.1 a letter."""
    letters = np.full((TEXT_SIZE, TEXT_SIZE), ".")
    half = TEXT_SIZE // 2
    places = ((0.0, 0.0), tuple(task["goal_position"]), (states[-1]["x"], states[-1]["y"]))
    for letter, place in zip("oG@", places, strict=True):
        column, row = (round(min(max(float(part), -1), 1) * half) + half for part in place)
        letters[row, column] = letter
    return "\n".join("".join(line) for line in letters[::-1])


class PointWindVectorEnv(ArrayVectorEnv):
    """Many points in one batch; the manual is :class:`PointWindEnv`."""

    family = staticmethod(point_wind)


class PointWindEnv(ArrayEnv):
    """A point in a hidden wind that must find a hidden place.

    ## Description
    The smallest world in which tasks differ in reward and in dynamics at once, and reward is
    sparse: the problem of transfer between tasks in hindsight (DRaT, Jiang et al. 2023), whose
    methods can be told apart on it within minutes, with the true densities of transitions known.
    A point walks from the origin; a wind, hidden and steady, adds to every step, and so does
    noise. Only near a hidden place on the half circle of radius 1 is it paid.

    It is put together of published parts, and no paper's experiment as a whole: winds are those of
    `point-robot-wind` in the code of FOCAL (Li et al. 2021), which has no noise and one goal at
    (1, 0) (`vary_goal=False, noise=0.0`); places and reward are of PEARL's sparse point robot
    (Rakelly et al. 2019).

    ## Action Space
    `Box(-0.1, 0.1, (2,), float32)`: how far to move along each axis. What lies outside is clipped
    to these bounds; a number that is not finite is an error.

    ## Observation Space
    `Box(-inf, inf, (2,), float64)`: the position. With `task_visible=True` six numbers: goal and
    wind follow.

    ## Task Space
    `Dict(goal_position: Box(-2, 2, (2,), float64), wind: Box(-0.1, 0.1, (2,), float64))`, the wind
    in distance per step. Drawn are goals at an angle uniform from 0 to π and a distance of 1, and
    winds uniform from -0.05 to 0.05 along each axis.

    ## Splits
    By the hash of the task's content; `"train"` is a list of 40 tasks and `"test"` of 10 unless
    `n_tasks` says otherwise, `"all"` a stream.

    ## Rewards
    1 less the Euclidean distance to the goal, after the step, where that is at most 0.2; else 0.
    `metaenvs.point_wind.wind_rewards` is the same as a pure function of observation and task, for
    relabelling.

    ## Starting State
    The origin.

    ## Episode End
    Never terminated; truncated after 30 steps.

    ## Arguments
    - `sparse` (True): False pays minus the distance, everywhere.
    - `vary_goal` (True): False leaves the goal at (1, 0).
    - `vary_wind` (True): False is without wind. One of both must vary.
    - `noise` (0.05): standard deviation of the normal noise on each coordinate of every step.
    - Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `goal_distance`: how far the goal is; and the entries of every family.

    ## Reference Scores
    Return of an episode with the defaults, mean over the stream of tasks
    (`tests/test_point_wind.py` has the policies and measures them anew).

    | Policy | Return |
    |---|---|
    | random (uniform actions) | 0.27 |
    | blind (0.1 towards the goal at every step, and on beyond it) | 1.13 |
    | against the wind to the goal, and stay | 20.77 |

    ## Version History
    - v0: first version.
    """

    vector_env = PointWindVectorEnv
    metadata = {**ArrayEnv.metadata, "render_fps": 10}
