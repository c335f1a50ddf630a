"""What these worlds share: four corners, one of which is the task.

0 lies left below, 1 right below, 2 left above, 3 right above.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from metaenvs.kernels.random import random_integer
from metaenvs.kernels.row_function import row_function

__all__ = ["REPORT_FIELDS", "corner_x", "corner_y", "draw_task", "new_task_space", "report"]

REPORT_FIELDS = [("corner", np.int32), ("corners_visited", np.int32)]


@row_function
def corner_x(corner: Any) -> Any:
    """-1 for a corner on the left, 1 on the right."""
    return 2 * (corner % 2) - 1


@row_function
def corner_y(corner: Any) -> Any:
    """-1 for a corner below, 1 above."""
    return 2 * (corner // 2) - 1


def new_task_space() -> gym.spaces.Dict:
    """The number of a corner."""
    return gym.spaces.Dict({"corner": gym.spaces.Box(0, 3, (), np.int16)})


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """Any corner is as likely as another."""
    task.corner = random_integer(key, 0, 4)


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """Which corner this is, and how many the episode has seen."""
    fields.corner = state.corner
    fields.corners_visited = 0
    for corner in range(4):
        fields.corners_visited += state.visited[corner]
