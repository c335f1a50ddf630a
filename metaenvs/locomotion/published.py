"""The task sets of published experiments, as data.

Sources: CaDM (Lee et al. 2020), T-MCL (Seo et al. 2020) and DOMINO (Mu et al. 2022), from their
code; SaMI for DOMINO's extreme sets; LDM (Lee and Chung 2021); PEARL and VariBAD's
rand_param_envs; MetODS (Chalvidal et al. 2022); HFR (Wan et al. 2021); ITTS (Gutierrez and
Leonetti 2020); RIA (Guo et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from metaenvs.locomotion.distributions import Between, Disc, Powers, Region, Split
from metaenvs.locomotion.goals import Reward
from metaenvs.locomotion.robots import Start
from metaenvs.locomotion.settings import Observation, Setting

__all__ = ["PUBLISHED"]

Numbers = tuple[float, ...]

QUARTER = math.pi / 2
WIDE = (0.75, 0.85, 1.0, 1.15, 1.25)
NARROW = (0.8, 0.9, 1.0, 1.15, 1.25)
HALVES = (0.5, 0.75, 1.0, 1.25, 1.5)
CHEETAH_JOINTS, ANT_ACTUATORS = 6, 8
ANT_LEGS = ((2, 3), (4, 5), (6, 7), (0, 1))
"""Actuators (hip, ankle) of each leg of Ant."""


def crippled(size: int, *joints: Sequence[int]) -> tuple[Numbers, ...]:
    """Strengths of ``size`` actuators, one vector for each group of joints without torque."""
    return tuple(tuple(float(index not in group) for index in range(size)) for group in joints)


def product(**values: Sequence[object]) -> Split:
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
    return Split(
        tuple({first: one, second: other} for one in (low, high) for other in (low, high))
    )


LEGS = crippled(ANT_ACTUATORS, *ANT_LEGS)
JOINTS = crippled(CHEETAH_JOINTS, *((joint,) for joint in range(CHEETAH_JOINTS)))
BOTH_FRONT_JOINTS = crippled(CHEETAH_JOINTS, (4, 5))
MASS_DAMPING = ("mass_scale", "damping_scale")
LEG_MASS_DAMPING = ("leg_mass_scale", "leg_damping_scale")

CHEETAH = {
    "robot": "half_cheetah",
    "reward": Reward(control_weight=0.1),
    "observation": Observation(x_velocity=True),
    "start": Start(
        positions=1e-3, velocities=1e-3, normal_positions=True, normal_velocities=True
    ),
}
ANT = {
    "robot": "ant",
    "reward": Reward(control_weight=0.005, alive_bonus=0.05, bonus_needs_health=False),
    "observation": Observation(x_velocity=True),
}
CRIPPLED_ANT = {
    "robot": "ant",
    "reward": Reward(alive_bonus=0.05, bonus_needs_health=False),
    "observation": Observation(hidden_positions=0, rotation=True, torso=True),
}
HUMANOID = {
    "robot": "slim_humanoid",
    "goal_weight": 0.25 / 0.015,
    "speed_before_step": True,
    "reward": Reward(control_weight=0.1, alive_bonus=5.0),
}
HOPPER = {
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
            "extreme": corners((0.4, 0.5), (1.7, 1.8), *MASS_DAMPING),
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

TRIALS_OF_TWO = {"episode_steps": 200, "episodes_per_trial": 2}
ANT_COSTS = Reward(
    control_weight=0.5, contact_weight=0.5e-3, alive_bonus=1.0, bonus_needs_health=False,
    ends_unhealthy=True,
)  # fmt: skip

LDM = {
    "LDMAntDirection": Setting(
        robot="ant",
        goal="direction",
        reward=ANT_COSTS,
        **TRIALS_OF_TWO,
        splits={
            "train": product(goal_direction=tuple(QUARTER * turn for turn in range(4))),
            "test": product(goal_direction=tuple(QUARTER * (turn + 0.5) for turn in range(4))),
        },
    ),
    "LDMAntGoal": Setting(
        robot="ant",
        goal="position",
        reward=Reward(control_weight=0.1, contact_weight=0.5e-3),
        observation=Observation(hidden_positions=0, contact_forces=True, contact_world=True),
        **TRIALS_OF_TWO,
        splits={
            "train": Split(
                ({"goal_position": Disc(0.0, 1.0)}, {"goal_position": Disc(2.5, 3.0)}),
                (4 / 15, 11 / 15),
            ),
            "test": product(
                goal_position=((1.75, 0.0), (0.0, 1.75), (-1.75, 0.0), (0.0, -1.75))
            ),
            "probes": product(
                goal_position=tuple(
                    (radius * x, radius * y)
                    for radius in (0.5, 2.75)
                    for x, y in ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))
                )
            ),
        },
    ),
    "LDMHalfCheetahVelocity": Setting(
        robot="half_cheetah",
        goal="velocity",
        reward=Reward(control_weight=0.05),
        observation=Observation(torso=True),
        **TRIALS_OF_TWO,
        splits={
            "train": Split(
                ({"goal_velocity": Between(0.0, 0.5)}, {"goal_velocity": Between(3.0, 3.5)})
            ),
            "test": product(goal_velocity=(0.75, 1.25, 1.75, 2.25, 2.75)),
            "probes": product(goal_velocity=(0.25, 3.25)),
        },
    ),
}


def random_parameters(limit: float) -> dict[str, Powers]:
    """rand_param_envs: each element's own multiplier, log-uniform."""
    return {
        "body_mass_scale": Powers(1.5, -limit, limit),
        "body_inertia_scale": Powers(1.5, -limit, limit),
        "geom_friction_scale": Powers(1.5, -limit, limit),
        "dof_damping_scale": Powers(1.3, -limit, limit),
    }


LIST_OF_40 = {"train": 40, "test": 10}
LIST_OF_100 = {"train": 100, "test": 30}
WALKING = Reward(
    control_weight=1e-3, alive_bonus=1.0, bonus_needs_health=False, ends_unhealthy=True
)

RANDOM_PARAMETERS = {
    f"RandomParameters{name}": Setting(
        robot=robot,
        reward=WALKING,
        episode_steps=200,
        splits={"all": Split((random_parameters(3.0),))},
        hashed=True,
        n_tasks=LIST_OF_40,
    )
    for name, robot in (("Hopper", "hopper"), ("Walker2d", "walker2d"))
}

SPARSE = {
    "SparseHalfCheetahVelocity": Setting(
        robot="half_cheetah",
        goal="sparse_velocity",
        reward=Reward(control_weight=0.05),
        observation=Observation(torso=True),
        episode_steps=200,
        splits={"all": Split(({"goal_velocity": Between(0.0, 3.0), **random_parameters(1.0)},))},
        hashed=True,
        n_tasks=LIST_OF_100,
    ),
    "SparseAntGoal": Setting(
        robot="ant",
        goal="sparse_position",
        reward=Reward(control_weight=0.005),
        observation=Observation(hidden_positions=0),
        episode_steps=200,
        splits={
            "all": Split(
                ({"goal_position": Disc(2.0, 2.0, 0.0, math.pi), **random_parameters(1.0)},)
            )
        },
        hashed=True,
        n_tasks=LIST_OF_100,
    ),
    **{
        f"Sparse{name}Velocity": Setting(
            robot=robot,
            goal="sparse_velocity_unit",
            reward=Reward(control_weight=1e-3, alive_bonus=0.05, ends_unhealthy=True),
            episode_steps=200,
            splits={
                "all": Split(({"goal_velocity": Between(0.0, 1.5), **random_parameters(3.0)},))
            },
            hashed=True,
            n_tasks=LIST_OF_40,
        )
        for name, robot in (("Hopper", "hopper"), ("Walker2d", "walker2d"))
    },
}


def impairment(size: int, directions: Between | Numbers) -> dict[str, Split]:
    """Trained whole, tested with one actuator's torque frozen at zero."""
    return {
        "train": Split(({"goal_direction": directions, "actuator_strength": ((1.0,) * size,)},)),
        "impaired": Split(
            (
                {
                    "goal_direction": directions,
                    "actuator_strength": crippled(size, *((joint,) for joint in range(size))),
                },
            )
        ),
    }


METODS = {
    "MetODSAntDirection": Setting(
        robot="ant",
        goal="direction",
        reward=ANT_COSTS,
        episode_steps=200,
        splits=impairment(ANT_ACTUATORS, Between(0.0, 2 * math.pi)),
    ),
    "MetODSHalfCheetahDirection": Setting(
        robot="half_cheetah",
        goal="direction",
        reward=Reward(control_weight=0.05),
        episode_steps=200,
        splits=impairment(CHEETAH_JOINTS, (0.0, math.pi)),
    ),
}

def velocities(fastest: float, validation: Numbers, test: Numbers) -> dict[str, Split]:
    """ITTS's lists; training draws from the whole range."""
    return {
        "train": Split(({"goal_velocity": Between(0.0, fastest)},)),
        "validation": product(goal_velocity=validation),
        "test": product(goal_velocity=test),
    }


ITTS = {
    "ITTSHalfCheetahVelocity": Setting(
        robot="half_cheetah",
        goal="velocity",
        reward=Reward(control_weight=0.05),
        episode_steps=100,
        n_tasks={"train": 40},
        splits=velocities(
            2.0,
            (1.28123434, 0.28224561, 0.52345625, 0.72125534, 1.91234538),
            (0.71214525, 1.25123454, 1.843414896, 0.38423578, 1.47157891),
        ),
    ),
    "ITTSAntVelocity": Setting(
        robot="ant",
        goal="velocity",
        reward=Reward(
            control_weight=0.005, contact_weight=0.5e-3, alive_bonus=1.05,
            bonus_needs_health=False, ends_unhealthy=True,
        ),
        episode_steps=100,
        n_tasks={"train": 40},
        splits=velocities(
            3.0,
            (1.13245621, 0.26123455, 2.65341287, 0.84416898, 1.91347543),
            (0.3515559, 1.16429352, 2.9854702, 0.82699491, 1.75950842),
        ),
    ),
}  # fmt: skip

RIA = {
    "RIASwimmer": Setting(
        robot="swimmer",
        reward=Reward(control_weight=1e-4),
        splits={
            "train": product(mass_scale=NARROW, damping_scale=NARROW),
            "moderate": diagonal((0.6, 0.7), (1.5, 1.6), names=MASS_DAMPING),
            "extreme": diagonal((0.4, 0.5), (1.7, 1.8), names=MASS_DAMPING),
        },
        episode_steps=1000,
    ),
}

PUBLISHED: Mapping[str, Setting] = {
    **CADM, **TMCL, **DOMINO, **LDM, **RANDOM_PARAMETERS, **SPARSE, **METODS, **ITTS, **RIA,
}  # fmt: skip
"""By the name of the id, without its namespace and version."""
