"""Rewards of steps under other tasks' goals, as a pure function on batches.

What a step pays splits into what its goal pays, a function of the robot's place and velocity after
the step, and the rest (bonus and costs), which is the same for every goal. ``info`` tells both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.locomotion.goals import GOALS
from metaenvs.locomotion.published import PUBLISHED
from metaenvs.locomotion.rules import DIRECTION, FORWARD, VELOCITY
from metaenvs.locomotion.settings import Setting
from metaenvs.tasks import Tasks

__all__ = ["reward_under"]

MEASURED = ("x_position", "y_position", "x_velocity", "y_velocity", "reward_goal", "reward_rest")


def reward_under(
    tasks: Tasks | Mapping[str, npt.ArrayLike], steps: Mapping[str, Any], setting: str | Setting
) -> npt.NDArray[np.float64]:
    """Rewards that steps would have had, had the goals been those of ``tasks``.

    The dynamics is that of the tasks in which the steps were made.

    Args:
        tasks: Goals; arrays that broadcast against those of ``steps`` (a position has a last axis
            of 2 more).
        steps: Entries of ``info``, arrays of any one shape: ``x_position``, ``y_position`` (m),
            ``x_velocity``, ``y_velocity`` (m/s), ``reward_goal`` and ``reward_rest``.
        setting: As for ``make``.

    Returns:
        Rewards, of the shape that ``steps`` and ``tasks`` broadcast to.

    Raises:
        KeyError: An entry missing.
    """
    setting = PUBLISHED[setting] if isinstance(setting, str) else setting
    goal = GOALS[setting.goal]
    x, y, x_velocity, y_velocity, paid, rest = (np.asarray(steps[name]) for name in MEASURED)
    aim = np.zeros(0) if goal.task is None else np.asarray(tasks[goal.task])
    if goal.kind == FORWARD:
        pays = paid
    elif goal.kind == DIRECTION:
        pays = setting.goal_weight * (x_velocity * np.cos(aim) + y_velocity * np.sin(aim))
    else:
        if goal.kind == VELOCITY:
            miss = np.abs(x_velocity - aim)
        else:
            across, along = np.abs(x - aim[..., 0]), np.abs(y - aim[..., 1])
            miss = np.hypot(across, along) if np.isfinite(goal.radius) else across + along
        pays = np.where(miss > goal.radius, 0.0, goal.peak - goal.slope * miss)
    return np.asarray(pays + rest, np.float64)
