"""A setting: robot, variation, goal and all else that a paper's experiment fixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaenvs.locomotion.distributions import Split
from metaenvs.locomotion.goals import Reward
from metaenvs.locomotion.robots import Start

__all__ = ["Observation", "Setting"]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What is seen: the parts below, always in this order."""

    x_velocity: bool = False
    """Velocity along x over the last environment step."""
    hidden_positions: int | None = None
    """Of the generalised positions and velocities, which are always seen, the first so many
    positions are left out; None is the robot's own number."""
    rotation: bool = False
    """The torso's rotation matrix (9)."""
    torso: bool = False
    """The torso's position (3)."""
    contact_forces: bool = False
    """External contact forces on all bodies, each clipped to plus or minus 1."""
    contact_world: bool = False
    """Whether those on the world (six zeros) come with them, as in Gymnasium's version 2."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything that decides an environment but for the arguments that all families share."""

    robot: str
    goal: str = "forward"
    goal_weight: float = 1.0
    """Of forward and direction goals."""
    speed_before_step: bool = False
    """Whether the speed is the root's velocity before the step, instead of the distance over the
    step's duration."""
    reward: Reward = field(default_factory=Reward)
    observation: Observation = field(default_factory=Observation)
    start: Start | None = None
    """None is the robot's own."""
    splits: Mapping[str, Split]
    """By name; the first is the default. They name the factors that vary."""
    hashed: bool = False
    """Whether there is one distribution, "all", of which "train" and "test" are sides of the
    content's hash."""
    n_tasks: Mapping[str, int | None] = field(default_factory=dict)
    """Default number of tasks of a split that is not a finite set."""
    episode_steps: int = 1000
    episodes_per_trial: int = 1
