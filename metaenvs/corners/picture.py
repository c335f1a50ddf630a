"""The picture of a walk among four corners, and the same in letters.

Positions are scaled so that the corners lie at (±1, ±1), y pointing up.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.corners.four_corners import corner_x, corner_y

__all__ = ["draw_corners", "position_to_text"]

Floats = npt.NDArray[np.float64]

SIDE = 240
SUPERSAMPLING = 2
REACH = 1.4
TEXT_SIZE = 9
BACKGROUND, CELLS, DIAMOND = (250, 249, 245), (238, 234, 224), (226, 222, 212)
CORNER, GOAL, VISITED = (190, 192, 204), (240, 190, 60), (40, 40, 60)
TRAIL_START, TRAIL_END, AGENT = (168, 204, 244), (38, 98, 217), (20, 40, 120)


def draw_corners(
    trail: Floats,
    *,
    goal: int,
    visited: npt.NDArray[np.uint8],
    corner_radius: float,
    diamond_radius: float = 0.0,
    cells: int = 0,
) -> npt.NDArray[np.uint8]:
    """Paint a walk; where it leaves the picture it goes on along its edge.

    Args:
        trail: (steps + 1, 2), x and y; light at its start, dark at its end.
        goal: The corner painted in gold.
        visited: (4,), 1 for corners with a dark rim.
        corner_radius: Radius of the discs.
        diamond_radius: Of the shaded diamond around the origin.
        cells: Cells on a side of the grid below, 0 for none.

    Returns:
        (240, 240, 3).
    """
    axis = ((np.arange(SIDE * SUPERSAMPLING) + 0.5) / (SIDE * SUPERSAMPLING) * 2 - 1) * REACH
    x, y = axis[None, :], -axis[:, None]
    image = np.empty((len(axis), len(axis), 3))
    image[:] = BACKGROUND
    if cells:
        half = cells / (cells - 1)
        column, row = (np.floor((part + half) * (cells - 1) / 2) for part in (x, y))
        odd = (column + row) % 2 == 1
        image[(np.abs(x) < half) & (np.abs(y) < half) & odd] = CELLS
    image[np.abs(x) + np.abs(y) < diamond_radius] = DIAMOND
    for corner in range(4):
        distance = np.hypot(x - corner_x(corner), y - corner_y(corner))
        if visited[corner]:
            image[distance < corner_radius + 0.03] = VISITED
        image[distance < corner_radius] = GOAL if corner == goal else CORNER
    kept = np.clip(trail, -0.97 * REACH, 0.97 * REACH)
    ages = np.linspace(0, 1, max(len(kept) - 1, 1))[:, None]
    colours = (1 - ages) * TRAIL_START + ages * TRAIL_END
    for (first, last), colour in zip(pairwise(kept), colours, strict=False):
        image[_distance_to_segment(x, y, first, last) < 0.016] = colour
    image[np.hypot(x - kept[-1, 0], y - kept[-1, 1]) < 0.05] = AGENT
    blocks = image.reshape(SIDE, SUPERSAMPLING, SIDE, SUPERSAMPLING, 3)
    return np.asarray(np.rint(blocks.mean((1, 3))), np.uint8)


def _distance_to_segment(x: Floats, y: Floats, first: Floats, last: Floats) -> Floats:
    """From every pixel to the line between two points."""
    right, up = last - first
    length = max(right * right + up * up, 1e-12)
    along = np.clip(((x - first[0]) * right + (y - first[1]) * up) / length, 0, 1)
    return np.asarray(np.hypot(x - first[0] - along * right, y - first[1] - along * up))


def position_to_text(x: Any, y: Any, goal: int, size: int = TEXT_SIZE) -> str:
    """G for the goal, o for the other corners, @ for the agent, in ``size`` lines."""
    letters = np.full((size, size), ".")
    for corner in range(4):
        row, column = -(corner_y(corner) > 0), -(corner_x(corner) > 0)
        letters[row, column] = "G" if corner == goal else "o"
    column, row = (round((min(max(float(part), -1), 1) + 1) / 2 * (size - 1)) for part in (x, y))
    letters[row, column] = "@"
    return "\n".join("".join(line) for line in letters[::-1])
