"""The robots: Gymnasium's own model files, and what its environments do with them, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["ROBOTS", "Robot", "Start"]

INFINITY = math.inf


@dataclass(frozen=True, kw_only=True)
class Start:
    """Noise on the nominal pose at an episode's start: of what scale, and normal or uniform."""

    positions: float
    velocities: float
    normal_positions: bool = False
    normal_velocities: bool = False


@dataclass(frozen=True, kw_only=True)
class Robot:
    """One robot as Gymnasium's version-5 environment has it, unless said otherwise."""

    model_file: str
    """Name in Gymnasium's folder of MuJoCo assets."""
    frame_skip: int
    """Physics steps in one environment step."""
    hidden_positions: int
    """The first so many generalised positions are not observed (those without a fixed origin)."""
    velocity_bound: float = INFINITY
    """Observed velocities are clipped to plus or minus this."""
    start: Start
    """How episodes begin."""
    height_index: int = 0
    """Index of the height among the generalised positions."""
    healthy_height: tuple[float, float] = (-INFINITY, INFINITY)
    """Range of a healthy height (m)."""
    angle_index: int = 0
    """Index of the pitch among the generalised positions."""
    healthy_angle: tuple[float, float] = (-INFINITY, INFINITY)
    """Range of a healthy pitch (rad)."""
    state_bound: float = INFINITY
    """Positions from the third on and velocities stay within plus or minus this when healthy."""
    root_coordinates: int
    """The robot is where its first so many generalised positions say (x, or x and y). 0: where
    its torso's body frame is, which MuJoCo knows as of the beginning of the last physics step."""
    side_view: bool = True
    """Whether pictures look from the side; from above otherwise."""


ROBOTS: dict[str, Robot] = {
    "half_cheetah": Robot(
        model_file="half_cheetah.xml", frame_skip=5, hidden_positions=1,
        start=Start(positions=0.1, velocities=0.1, normal_velocities=True),
        height_index=1, angle_index=2, root_coordinates=1,
    ),
    "ant": Robot(
        model_file="ant.xml", frame_skip=5, hidden_positions=2,
        start=Start(positions=0.1, velocities=0.1, normal_velocities=True),
        height_index=2, healthy_height=(0.2, 1.0), root_coordinates=0, side_view=False,
    ),
    "hopper": Robot(
        model_file="hopper.xml", frame_skip=4, hidden_positions=1, velocity_bound=10.0,
        start=Start(positions=5e-3, velocities=5e-3),
        height_index=1, healthy_height=(0.7, INFINITY), angle_index=2, healthy_angle=(-0.2, 0.2),
        state_bound=100.0, root_coordinates=1,
    ),
    "walker2d": Robot(
        model_file="walker2d_v5.xml", frame_skip=4, hidden_positions=1, velocity_bound=10.0,
        start=Start(positions=5e-3, velocities=5e-3),
        height_index=1, healthy_height=(0.8, 2.0), angle_index=2, healthy_angle=(-1.0, 1.0),
        root_coordinates=1,
    ),
    # Nagabandi et al.'s humanoid without contact forces and inertias in its observation.
    "slim_humanoid": Robot(
        model_file="humanoid.xml", frame_skip=5, hidden_positions=2,
        start=Start(positions=0.01, velocities=0.01),
        height_index=2, healthy_height=(1.0, 2.0), root_coordinates=0,
    ),
    "swimmer": Robot(
        model_file="swimmer.xml", frame_skip=4, hidden_positions=2,
        start=Start(positions=0.1, velocities=0.1), root_coordinates=2, side_view=False,
    ),
}  # fmt: skip
"""By name."""
