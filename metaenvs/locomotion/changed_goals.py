"""Published task sets of which the goal varies, or each element of the dynamics, as data.

Sources: LDM (Lee and Chung 2021) and HFR (Wan et al. 2021), from their code; PEARL's and VariBAD's
rand_param_envs; for the sparse ones HFR's reward, or one like it, with rand_param_envs' dynamics;
MetODS (Chalvidal et al. 2022); ITTS (Gutierrez and Leonetti 2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metaenvs.locomotion.changed_dynamics import (
    ANT_ACTUATORS,
    CHEETAH_JOINTS,
    Numbers,
    crippled,
    product,
)
from metaenvs.locomotion.distributions import Between, Disc, Powers, Split, Values
from metaenvs.locomotion.goals import Reward
from metaenvs.locomotion.settings import Observation, Setting

__all__ = ["CHANGED_GOALS", "random_parameters"]

QUARTER = math.pi / 2
TRIALS_OF_TWO: dict[str, Any] = {"episode_steps": 200, "episodes_per_trial": 2}
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
            "test": product(goal_position=((1.75, 0.0), (0.0, 1.75), (-1.75, 0.0), (0.0, -1.75))),
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


def random_parameters(limit: float) -> dict[str, Values]:
    """What varies in rand_param_envs: each element's own multiplier, log-uniform.

    Args:
        limit: Greatest exponent (3 in rand_param_envs), of 1.5 for masses, inertias and frictions
            and of 1.3 for damping.
    """
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
            reward=replace(WALKING, alive_bonus=0.05),
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


HFR_ANT_STRENGTH = 30 / 150
"""PEARL's ant has gears of 30 where Gymnasium's has 150."""


def hfr_list(name: str, values: Any, num_test: int, **constant: Any) -> dict[str, Split]:
    """HFR's lists of one entry's values: the last ``num_test`` are the test's."""
    return {
        "train": product(**{name: values[:-num_test].tolist()}, **constant),
        "test": product(**{name: values[-num_test:].tolist()}, **constant),
    }


def half_circle(num_goals: int, seed: int) -> Any:
    """Goals (num_goals, 2) at even angles on a half circle of 2 m, in the authors' order."""
    angles = np.linspace(0.0, np.pi, num_goals)
    goals = 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.random.RandomState(seed).shuffle(goals)
    return goals


HFR_ANT = Reward(
    control_weight=0.005, contact_weight=0.5e-3, alive_bonus=0.05, bonus_needs_health=False,
    ends_unhealthy=True,
)  # fmt: skip
HFR_ANT_OBSERVATION = Observation(hidden_positions=0, contact_forces=True, contact_world=True)

HFR = {
    "HFRHalfCheetahVelocity": Setting(
        robot="half_cheetah",
        goal="sparse_velocity",
        reward=Reward(control_weight=0.05),
        observation=Observation(torso=True),
        episode_steps=200,
        splits=hfr_list("goal_velocity", np.random.RandomState(1).uniform(0.0, 3.0, 130), 30),
    ),
    "HFRAntGoal": Setting(
        robot="ant",
        goal="position_or_start",
        reward=HFR_ANT,
        observation=HFR_ANT_OBSERVATION,
        episode_steps=200,
        splits=hfr_list(
            "goal_position", half_circle(130, 1), 30, strength_scale=(HFR_ANT_STRENGTH,)
        ),
    ),
    "HFRAntVelocity": Setting(
        robot="ant",
        goal="velocity",
        # The authors pay 1 - |v - v*|, and 0.05 for every step.
        reward=replace(HFR_ANT, alive_bonus=1.05),
        observation=HFR_ANT_OBSERVATION,
        episode_steps=200,
        splits=hfr_list(
            "goal_velocity",
            np.random.RandomState(3).uniform(0.0, 3.0, 180),
            30,
            strength_scale=(HFR_ANT_STRENGTH,),
        ),
    ),
    "HFRAntVelocitySparse": Setting(
        robot="ant",
        goal="velocity_bonus",
        reward=HFR_ANT,
        observation=HFR_ANT_OBSERVATION,
        episode_steps=200,
        splits=hfr_list(
            "goal_velocity",
            np.random.RandomState(3).uniform(-1.5, 1.5, 180),
            30,
            strength_scale=(HFR_ANT_STRENGTH,),
        ),
    ),
    "HFRHalfCheetahHighDim": Setting(
        robot="half_cheetah",
        goal="state",
        reward=Reward(control_weight=0.05),
        observation=Observation(hidden_positions=0),
        episode_steps=200,
        splits=hfr_list("goal_weights", np.random.RandomState(1).uniform(-1, 1, (130, 18)), 30),
    ),
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

CHANGED_GOALS: Mapping[str, Setting] = {
    **LDM, **RANDOM_PARAMETERS, **SPARSE, **HFR, **METODS, **ITTS,
}  # fmt: skip
"""By the name of the id, without its namespace and version."""
