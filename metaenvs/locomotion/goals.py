"""Goals and the rest of the reward, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from metaenvs.locomotion.rules import (
    DIRECTION,
    FORWARD,
    POSITION,
    POSITION_OR_START,
    VELOCITY,
)

__all__ = ["GOALS", "Goal", "Reward"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What the robot is paid for.

    Forward and direction: ``weight`` times the velocity along x, or along ``goal_direction``.
    Velocity and position: ``peak - slope * miss`` where the miss is at most ``radius`` and 0
    elsewhere. The miss is the absolute difference to ``goal_velocity``, or the distance to
    ``goal_position``: Euclidean where ``radius`` is finite, the sum of both coordinates' otherwise.
    Position or start: ``peak - slope`` times the sum of both coordinates' distances between
    ``goal_position`` and the robot, or the origin where the robot is beyond ``radius`` (Euclidean).
    """

    kind: int
    task: str | None
    """The task's entry that it reads."""
    size: int = 1
    """Numbers in that entry."""
    weight: float = 1.0
    peak: float = 0.0
    slope: float = 1.0
    radius: float = math.inf


GOALS: Mapping[str, Goal] = {
    "forward": Goal(kind=FORWARD, task=None),
    "direction": Goal(kind=DIRECTION, task="goal_direction"),
    "velocity": Goal(kind=VELOCITY, task="goal_velocity"),
    "position": Goal(kind=POSITION, task="goal_position", size=2),
    # The sparse ones: HFR's for velocities, the specification's section 2.8 for the others.
    "sparse_velocity": Goal(kind=VELOCITY, task="goal_velocity", peak=2.0, radius=0.3),
    "sparse_velocity_unit": Goal(
        kind=VELOCITY, task="goal_velocity", peak=1.0, slope=1 / 0.3, radius=0.3
    ),
    "sparse_position": Goal(
        kind=POSITION, task="goal_position", size=2, peak=1.0, slope=1 / 0.8, radius=0.8
    ),
    # HFR's for positions; what it pays far from the goal differs from task to task.
    "position_or_start": Goal(
        kind=POSITION_OR_START, task="goal_position", size=2, peak=4.0, radius=0.8
    ),
}
"""By the name that ``make`` takes."""


@dataclass(frozen=True, kw_only=True)
class Reward:
    """What is paid and charged whatever the goal."""

    control_weight: float = 0.0
    """Times the sum of squared controls, as they act: after scaling and crippling."""
    contact_weight: float = 0.0
    """Times the sum of squared external contact forces, each clipped to plus or minus 1."""
    alive_bonus: float = 0.0
    """For every step."""
    bonus_needs_health: bool = True
    """Whether it is paid only where the robot is healthy."""
    ends_unhealthy: bool = False
    """Whether the episode ends (terminated) where the robot is not healthy."""
