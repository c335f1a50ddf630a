"""Published task sets of which only the dynamics varies, as data.

Sources: CaDM (Lee et al. 2020), T-MCL (Seo et al. 2020) and DOMINO (Mu et al. 2022), from their
code; SaMI (2024) for DOMINO's extreme sets; RIA (Guo et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metaenvs.locomotion.distributions import Region, Split
from metaenvs.locomotion.goals import Reward
from metaenvs.locomotion.robots import Start
from metaenvs.locomotion.settings import Observation, Setting

__all__ = [
    "ANT_ACTUATORS", "CHANGED_DYNAMICS", "CHEETAH_JOINTS", "Numbers", "crippled", "product",
]  # fmt: skip

Numbers = tuple[float, ...]

WIDE = (0.75, 0.85, 1.0, 1.15, 1.25)
NARROW = (0.8, 0.9, 1.0, 1.15, 1.25)
HALVES = (0.5, 0.75, 1.0, 1.25, 1.5)
CHEETAH_JOINTS, ANT_ACTUATORS = 6, 8
ANT_LEGS = ((2, 3), (4, 5), (6, 7), (0, 1))
"""Actuators (hip, ankle) of each leg of Ant."""


def crippled(size: int, *joints: Sequence[int]) -> tuple[Numbers, ...]:
    """Strengths of ``size`` actuators, one vector for each group of joints without torque."""
    return tuple(tuple(float(index not in group) for index in range(size)) for group in joints)


def product(**values: Sequence[Any]) -> Split:
    """One region: the product of its sets."""
    return Split((values,))


def both(values: Numbers, *names: str) -> Region:
    """The same set for each of some factors."""
    return dict.fromkeys(names, values)


def diagonal(*sets: Numbers, names: tuple[str, ...]) -> Split:
    """CaDM's test regions: all factors low, or all high."""
    return Split(tuple(both(values, *names) for values in sets))


def corners(low: Numbers, high: Numbers, *names: str) -> Split:
    """DOMINO's test regions: every combination of two factors low or high."""
    first, second = names
    return Split(tuple({first: one, second: other} for one in (low, high) for other in (low, high)))


LEGS = crippled(ANT_ACTUATORS, *ANT_LEGS)
JOINTS = crippled(CHEETAH_JOINTS, *((joint,) for joint in range(CHEETAH_JOINTS)))
BOTH_FRONT_JOINTS = crippled(CHEETAH_JOINTS, (4, 5))
MASS_DAMPING = ("mass_scale", "damping_scale")
LEG_MASS_DAMPING = ("leg_mass_scale", "leg_damping_scale")

CHEETAH: dict[str, Any] = {
    "robot": "half_cheetah",
    "reward": Reward(control_weight=0.1),
    "observation": Observation(x_velocity=True),
    "start": Start(positions=1e-3, velocities=1e-3, normal_positions=True, normal_velocities=True),
}
ANT: dict[str, Any] = {
    "robot": "ant",
    "reward": Reward(control_weight=0.005, alive_bonus=0.05, bonus_needs_health=False),
    "observation": Observation(x_velocity=True),
}
CRIPPLED_ANT: dict[str, Any] = {
    "robot": "ant",
    "reward": Reward(alive_bonus=0.05, bonus_needs_health=False),
    "observation": Observation(hidden_positions=0, rotation=True, torso=True),
}
HUMANOID: dict[str, Any] = {
    "robot": "slim_humanoid",
    "goal_weight": 0.25 / 0.015,
    "speed_before_step": True,
    "reward": Reward(control_weight=0.1, alive_bonus=5.0),
}
HOPPER: dict[str, Any] = {
    "robot": "hopper",
    "reward": Reward(control_weight=1e-3, alive_bonus=1.0, bonus_needs_health=False),
    "episode_steps": 500,
}

CADM = {
    "CaDMHalfCheetah": Setting(
        **CHEETAH,
        splits={
            "train": product(mass_scale=WIDE, damping_scale=WIDE),
            "moderate": diagonal((0.4, 0.5), (1.5, 1.6), names=MASS_DAMPING),
            "extreme": diagonal((0.2, 0.3), (1.7, 1.8), names=MASS_DAMPING),
        },
    ),
    "CaDMAnt": Setting(
        **ANT,
        splits={
            "train": product(leg_mass_scale=(0.85, 0.9, 0.95, 1.0)),
            "moderate": product(leg_mass_scale=(0.4, 0.45, 0.5, 0.55, 0.6)),
            "extreme": product(leg_mass_scale=(0.2, 0.25, 0.3, 0.35, 0.4)),
        },
    ),
    "CaDMCrippledHalfCheetah": Setting(
        **CHEETAH,
        splits={
            "train": product(actuator_strength=JOINTS[:4]),
            "moderate": product(actuator_strength=JOINTS[4:]),
            "extreme": product(actuator_strength=BOTH_FRONT_JOINTS),
        },
    ),
    "CaDMSlimHumanoid": Setting(
        **HUMANOID,
        splits={
            "train": product(mass_scale=NARROW, damping_scale=NARROW),
            "moderate": diagonal((0.6, 0.7), (1.5, 1.6), names=MASS_DAMPING),
            "extreme": diagonal((0.4, 0.5), (1.7, 1.8), names=MASS_DAMPING),
        },
    ),
}

TMCL = {
    "TMCLHopper": Setting(
        **HOPPER,
        splits={
            "train": product(mass_scale=HALVES),
            "test": diagonal((0.25, 0.375), (1.75, 2.0), names=("mass_scale",)),
        },
    ),
    "TMCLHalfCheetah": Setting(
        **CHEETAH,
        splits={
            "train": product(mass_scale=(0.25, 0.5, 1.5, 2.5)),
            "test": diagonal((0.1, 0.15), (2.75, 3.0), names=("mass_scale",)),
        },
    ),
    "TMCLSlimHumanoid": Setting(
        **HUMANOID,
        splits={
            "train": product(mass_scale=NARROW),
            "test": diagonal((0.6, 0.7), (1.5, 1.6), names=("mass_scale",)),
        },
    ),
    "TMCLCrippledAnt": Setting(
        **CRIPPLED_ANT,
        splits={
            "train": product(actuator_strength=LEGS[:3]),
            "test": product(actuator_strength=LEGS[3:]),
        },
    ),
}

DOMINO = {
    "DOMINOHalfCheetah": Setting(
        **CHEETAH,
        splits={
            "train": product(mass_scale=WIDE, damping_scale=WIDE),
            "test": corners((0.4, 0.5), (1.5, 1.6), *MASS_DAMPING),
            "extreme": corners((0.2, 0.3), (1.7, 1.8), *MASS_DAMPING),
        },
    ),
    "DOMINOAnt": Setting(
        **ANT,
        splits={
            "train": product(leg_mass_scale=WIDE, leg_damping_scale=WIDE),
            "test": corners((0.4, 0.5), (1.5, 1.6), *LEG_MASS_DAMPING),
        },
    ),
    "DOMINOSlimHumanoid": Setting(
        **HUMANOID,
        splits={
            "train": product(mass_scale=NARROW, damping_scale=NARROW),
            "test": corners((0.6, 0.7), (1.5, 1.6), *MASS_DAMPING),
            "extreme": corners((0.4, 0.5), (1.7, 1.8), *MASS_DAMPING),
        },
    ),
    "DOMINOHopper": Setting(
        **HOPPER,
        splits={
            "train": product(mass_scale=HALVES, damping_scale=HALVES),
            "test": corners((0.25, 0.375), (1.75, 2.0), *MASS_DAMPING),
            # SaMI's {0.4, 0.5, 1.7, 1.8} squared, without (0.5, 0.5), which is a training task.
            "extreme": Split(
                (
                    {"mass_scale": (0.4, 1.7, 1.8), "damping_scale": (0.4, 0.5, 1.7, 1.8)},
                    {"mass_scale": (0.5,), "damping_scale": (0.4, 1.7, 1.8)},
                ),
                (12 / 15, 3 / 15),
            ),
        },
    ),
    "DOMINOCrippledAnt": Setting(
        **CRIPPLED_ANT,
        splits={
            "train": product(actuator_strength=LEGS[:3], mass_scale=WIDE),
            "test": product(actuator_strength=LEGS[3:], mass_scale=(0.4, 0.5, 1.5, 1.6)),
        },
    ),
    "DOMINOCrippledHalfCheetah": Setting(
        **CHEETAH,
        splits={
            "train": product(actuator_strength=JOINTS[:4], mass_scale=WIDE),
            "test": product(actuator_strength=JOINTS[4:], mass_scale=(0.4, 0.5, 1.5, 1.6)),
        },
    ),
}

RIA = {
    # RIA varies the damping as well, of which Gymnasium's swimmer has none.
    "RIASwimmer": Setting(
        robot="swimmer",
        reward=Reward(control_weight=1e-4),
        splits={
            "train": product(mass_scale=NARROW),
            "moderate": diagonal((0.6, 0.7), (1.5, 1.6), names=("mass_scale",)),
            "extreme": diagonal((0.4, 0.5), (1.7, 1.8), names=("mass_scale",)),
        },
    ),
}

CHANGED_DYNAMICS: Mapping[str, Setting] = {**CADM, **TMCL, **DOMINO, **RIA}
"""By the name of the id, without its namespace and version."""
