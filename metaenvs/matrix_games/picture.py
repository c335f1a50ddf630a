"""The course of an iterated game as a picture, and as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["course_to_text", "draw_course"]

CELL, GAP, MOST_STEPS = 12, 8, 50
BACKGROUND, EMPTY = (250, 249, 245), (238, 236, 228)
COOPERATED, DEFECTED = (38, 98, 217), (214, 84, 60)


def draw_course(codes: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Paint what was played: a column per step, the first player above, the second below.

    Blue is to cooperate, red to defect; at most the last 50 steps are shown.

    Args:
        codes: What the first player remembered, from the start on, the latest last.

    Returns:
        (48, 616, 3).
    """
    image = np.empty((2 * CELL + 3 * GAP, MOST_STEPS * CELL + 2 * GAP, 3), np.uint8)
    image[:] = BACKGROUND
    played = [(code - 1) for code in codes if code > 0][-MOST_STEPS:]
    for player in range(2):
        top = GAP + player * (CELL + GAP)
        for step in range(MOST_STEPS):
            left = GAP + step * CELL
            colour = EMPTY
            if step < len(played):
                action = played[step] % 2 if player else played[step] // 2
                colour = DEFECTED if action else COOPERATED
            image[top : top + CELL, left + 1 : left + CELL - 1] = colour
    return image


def course_to_text(codes: Sequence[int]) -> str:
    """A line of C and D for each player."""
    played = [(code - 1) for code in codes if code > 0]
    first = "".join("CD"[pair // 2] for pair in played)
    second = "".join("CD"[pair % 2] for pair in played)
    return f"first:  {first}\nsecond: {second}"
