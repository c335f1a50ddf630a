"""A Markov decision process as a picture of its tables and of a way through it, and as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["draw_table", "table_to_text"]

CELL, GAP = 10, 6
BACKGROUND, HERE = (250, 249, 245), (226, 232, 246)
NO_REWARD, FULL_REWARD = (236, 232, 220), (240, 170, 30)
NEVER, ALWAYS = (236, 238, 244), (30, 70, 170)
VISIT = (38, 98, 217)
MOST_STEPS = 20


def draw_table(
    transitions: npt.NDArray[np.float64], rewards: npt.NDArray[np.float64], path: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """Paint a row per state: its actions' rewards, their laws, and when it was visited.

    From the left: a block of rewards (a column per action, gold is the greatest), for each action
    a block of laws (a column per next state, dark is certain), and a column per step of the path's
    last 20. The row of the current state is shaded.

    Args:
        transitions: (states, actions, states).
        rewards: (states, actions).
        path: States visited, the current one last.

    Returns:
        (height, width, 3).
    """
    num_states, num_actions = rewards.shape
    span = max(float(np.ptp(rewards)), 1e-12)
    blocks = [_mixed((rewards - rewards.min()) / span, NO_REWARD, FULL_REWARD)]
    blocks += [_mixed(transitions[:, action], NEVER, ALWAYS) for action in range(num_actions)]
    steps = np.zeros((num_states, MOST_STEPS))
    recent = np.asarray(path[-MOST_STEPS:])
    steps[recent, np.arange(len(recent))] = 1
    blocks.append(_mixed(steps, BACKGROUND, VISIT))
    width = sum(block.shape[1] for block in blocks) * CELL + (len(blocks) + 1) * GAP
    image = np.empty((num_states * CELL + 2 * GAP, width, 3), np.uint8)
    image[:] = BACKGROUND
    row = GAP + path[-1] * CELL
    image[row : row + CELL] = HERE
    left = GAP
    for block in blocks:
        painted = np.kron(block, np.ones((CELL, CELL, 1), np.uint8))
        # A rim tells the cells apart and lets the shaded row through.
        inside = np.pad(np.ones((CELL - 2, CELL - 2), np.bool_), 1)
        shown = np.kron(np.ones(block.shape[:2], np.bool_), inside)
        if block is blocks[-1]:
            shown &= (painted != BACKGROUND).any(-1)
        image[GAP:-GAP, left : left + painted.shape[1]][shown] = painted[shown]
        left += painted.shape[1] + GAP
    return image


def _mixed(shares: Any, none: tuple[int, ...], full: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Colours between two, (rows, columns, 3) of shares (rows, columns)."""
    part = np.asarray(shares)[..., None]
    return np.asarray(np.rint((1 - part) * none + part * full), np.uint8)


def table_to_text(
    transitions: npt.NDArray[np.float64],
    rewards: npt.NDArray[np.float64],
    place: int,
    last_action: int,
) -> str:
    """State and last action (-1: none), and for each action its reward and likeliest next state."""
    lines = [f"state {place}" + (f" after action {last_action}" if last_action >= 0 else "")]
    for action, reward in enumerate(rewards[place]):
        following = int(transitions[place, action].argmax())
        chance = transitions[place, action, following]
        lines.append(f"action {action}: reward {reward:.3f}, to {following} with {chance:.3f}")
    return "\n".join(lines)
