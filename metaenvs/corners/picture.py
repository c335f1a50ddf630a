"""The picture of a walk among four corners, and the same in letters.

Positions are scaled so that the corners lie at (±1, ±1), y pointing up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.corners.four_corners import corner_x, corner_y
from metaenvs.walk_picture import finished_walk, new_canvas

__all__ = ["draw_corners", "position_to_text"]

Floats = npt.NDArray[np.float64]

TEXT_SIZE = 9
CELLS, DIAMOND, DECOY = (238, 234, 224), (226, 222, 212), (230, 170, 160)
CORNER, GOAL, VISITED = (190, 192, 204), (240, 190, 60), (40, 40, 60)


def draw_corners(
    trail: Floats,
    *,
    goal: int,
    visited: npt.NDArray[np.uint8],
    corner_radius: float,
    diamond_radius: float = 0.0,
    cells: int = 0,
    decoy: tuple[float, float] | None = None,
) -> npt.NDArray[np.uint8]:
    """Paint a walk.

    Args:
        trail: (steps + 1, 2), as :func:`metaenvs.walk_picture.finished_walk` takes it.
        goal: The corner painted in gold.
        visited: (4,), 1 for corners with a dark rim.
        corner_radius: Radius of the discs.
        diamond_radius: Of the shaded diamond around the origin.
        cells: Cells on a side of the grid below, 0 for none.
        decoy: Least and greatest distance from both axes of a square on the goal's side.

    Returns:
        (240, 240, 3).
    """
    image, x, y = new_canvas()
    if cells:
        half = cells / (cells - 1)
        column, row = (np.floor((part + half) * (cells - 1) / 2) for part in (x, y))
        odd = (column + row) % 2 == 1
        image[(np.abs(x) < half) & (np.abs(y) < half) & odd] = CELLS
    image[np.abs(x) + np.abs(y) < diamond_radius] = DIAMOND
    if decoy is not None:
        right, up = x * corner_x(goal), y * corner_y(goal)
        image[(np.minimum(right, up) > decoy[0]) & (np.maximum(right, up) < decoy[1])] = DECOY
    for corner in range(4):
        distance = np.hypot(x - corner_x(corner), y - corner_y(corner))
        if visited[corner]:
            image[distance < corner_radius + 0.03] = VISITED
        image[distance < corner_radius] = GOAL if corner == goal else CORNER
    return finished_walk(image, trail)


def position_to_text(x: Any, y: Any, goal: int, size: int = TEXT_SIZE) -> str:
    """G for the goal, o for the other corners, @ for the agent, in ``size`` lines."""
    letters = np.full((size, size), ".")
    for corner in range(4):
        row, column = -(corner_y(corner) > 0), -(corner_x(corner) > 0)
        letters[row, column] = "G" if corner == goal else "o"
    column, row = (round((min(max(float(part), -1), 1) + 1) / 2 * (size - 1)) for part in (x, y))
    letters[row, column] = "@"
    return "\n".join("".join(line) for line in letters[::-1])
