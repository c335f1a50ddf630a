"""What pictures of a point that walks in the plane have in common: a canvas, and the trail.

Positions are scaled so that what matters lies within plus or minus 1, y pointing up.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["AGENT", "distance_to_segment", "finished_walk", "new_canvas"]

Floats = npt.NDArray[np.float64]

SIDE = 240
SUPERSAMPLING = 2
REACH = 1.4
BACKGROUND = (250, 249, 245)
TRAIL_START, TRAIL_END, AGENT = (168, 204, 244), (38, 98, 217), (20, 40, 120)


def new_canvas() -> tuple[Floats, Floats, Floats]:
    """An empty image (side, side, 3), and its pixels' x (1, side) and y (side, 1)."""
    side = SIDE * SUPERSAMPLING
    axis = ((np.arange(side) + 0.5) / side * 2 - 1) * REACH
    image = np.empty((side, side, 3))
    image[:] = BACKGROUND
    return image, axis[None, :], -axis[:, None]


def finished_walk(image: Floats, trail: Floats) -> npt.NDArray[np.uint8]:
    """The picture (240, 240, 3) of a canvas, which is changed, with the trail over the rest.

    Args:
        image: Of :func:`new_canvas`.
        trail: (steps + 1, 2), x and y; light at its start, dark at its end. Where it leaves the
            picture it goes on along its edge.
    """
    _, x, y = new_canvas()
    kept = np.clip(trail, -0.97 * REACH, 0.97 * REACH)
    ages = np.linspace(0, 1, max(len(kept) - 1, 1))[:, None]
    colours = (1 - ages) * TRAIL_START + ages * TRAIL_END
    for (first, last), colour in zip(pairwise(kept), colours, strict=False):
        image[distance_to_segment(x, y, first, last) < 0.016] = colour
    image[np.hypot(x - kept[-1, 0], y - kept[-1, 1]) < 0.05] = AGENT
    blocks = image.reshape(SIDE, SUPERSAMPLING, SIDE, SUPERSAMPLING, 3)
    return np.asarray(np.rint(blocks.mean((1, 3))), np.uint8)


def distance_to_segment(x: Floats, y: Floats, first: Floats, last: Floats) -> Floats:
    """From every pixel to the line between two points."""
    right, up = last - first
    length = max(right * right + up * up, 1e-12)
    along = np.clip(((x - first[0]) * right + (y - first[1]) * up) / length, 0, 1)
    return np.asarray(np.hypot(x - first[0] - along * right, y - first[1] - along * up))
