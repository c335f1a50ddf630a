"""Goals and the rest of the reward, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metaenvs.locomotion.rules import (
    DIRECTION,
    FORWARD,
    POSITION,
    POSITION_OR_START,
    STATE,
    VELOCITY,
)

__all__ = ["GOALS", "Goal", "Reward"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What the robot is paid for.

    Forward and direction: ``weight`` times the velocity along x, or along ``goal_direction``.
    Velocity and position: ``peak - slope * miss`` where the miss is at most ``radius`` and
    ``-outer_slope * miss`` elsewhere. The miss is the absolute difference to ``goal_velocity``, or
    the distance to ``goal_position``: Euclidean where ``radius`` is finite, the sum of both
    coordinates' otherwise.
    Position or start: ``peak - slope`` times the sum of both coordinates' distances between
    ``goal_position`` and the robot, or the origin where the robot is beyond ``radius`` (Euclidean).
    State: the sum over generalised positions and velocities, all of them, of ``goal_weights`` times
    the number less ``means`` over ``deviations``.
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
    outer_slope: float = 0.0
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()


HFR_MEANS = (
    -0.20322926, -0.10542416, 0.08975761, 0.014257359, 0.0019162365, 0.013203824, 0.0708331,
    -0.14905982, -0.042555157, -0.23979576, -0.042618774, 0.09794725, -0.100003116, -0.09296721,
    0.041516803, 0.036543626, -0.066054225, -0.15782882,
)  # fmt: skip
"""Of HalfCheetah's positions and velocities, as HFR's code has them (float32)."""

HFR_DEVIATIONS = (
    0.2466452, 0.07052327, 0.13050012, 0.21034946, 0.2675396, 0.22396524, 0.2895633, 0.2673045,
    0.26147732, 0.5503184, 0.69534636, 1.216309, 4.1919303, 5.5100183, 5.2831182, 5.203553,
    5.0157905, 4.957854,
)  # fmt: skip
"""Alike."""


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
    # HFR's Ant with one more within less than 0.5 of its velocity.
    "velocity_bonus": Goal(
        kind=VELOCITY, task="goal_velocity", peak=1.0, radius=math.nextafter(0.5, 0.0),
        outer_slope=1.0,
    ),
    "state": Goal(
        kind=STATE, task="goal_weights", size=len(HFR_MEANS),
        means=tuple(np.array(HFR_MEANS, np.float32).tolist()),
        deviations=tuple(np.array(HFR_DEVIATIONS, np.float32).tolist()),
    ),
}  # fmt: skip
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
