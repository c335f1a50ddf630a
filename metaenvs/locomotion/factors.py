"""What can vary in a robot: the entries of a task and the fields of the model that they scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.locomotion.models import BlockLayout, field_of

__all__ = ["FACTORS", "UPSTREAM_LEG_DAMPING", "Edits", "Factor", "edits_of", "factor_space"]


@dataclass(frozen=True)
class Factor:
    """An entry of a task that multiplies elements of one field of the model."""

    field: str
    per: Literal["all", "row", "element"] = "all"
    """One number for all elements, one for each row of the field, or one for each element."""
    multiplied: tuple[int, ...] | None = None
    """Rows that are multiplied; None is all."""
    divided: tuple[int, ...] = ()
    """Rows that are divided instead."""
    low: float = 0.05
    high: float = 20.0


FACTORS: Mapping[str, Factor] = {
    "mass_scale": Factor("body_mass"),
    "inertia_scale": Factor("body_inertia"),
    "damping_scale": Factor("dof_damping"),
    "friction_scale": Factor("geom_friction"),
    "gravity_scale": Factor("gravity"),
    "strength_scale": Factor("actuator_gear"),
    # A factor of 0 cripples the joint: its action neither moves nor costs anything.
    "actuator_strength": Factor("actuator_gear", "row", low=0.0, high=5.0),
    "body_mass_scale": Factor("body_mass", "element"),
    "body_inertia_scale": Factor("body_inertia", "element"),
    "dof_damping_scale": Factor("dof_damping", "element"),
    "geom_friction_scale": Factor("geom_friction", "element"),
    # Ant's, of CaDM: legs 1 and 2 by the factor, legs 3 and 4 by its inverse, the torso as it is.
    "leg_mass_scale": Factor("body_mass", "all", tuple(range(2, 8)), tuple(range(8, 14))),
    "leg_damping_scale": Factor("dof_damping", "all", tuple(range(6, 10)), tuple(range(10, 14))),
}
"""By name, as tasks have them; all are 1 in the nominal task."""

UPSTREAM_LEG_DAMPING = Factor("dof_damping", "all", tuple(range(2, 8)), tuple(range(8, 14)))
"""What DOMINO's code does with Ant's damping: it takes the slices of bodies for those of joints,
so that leg 1 is multiplied and legs 2, 3 and 4 are divided (the root's damping is 0)."""


@dataclass(frozen=True)
class Edits:
    """Multiplications of a block's elements by a task's components, (num_edits,) each."""

    element: npt.NDArray[np.int32]
    component: npt.NDArray[np.int32]
    inverse: npt.NDArray[np.bool_]


def factor_space(factor: Factor, model: Any) -> gym.spaces.Box:
    """The values that a factor may take."""
    shape = field_of(model, factor.field).shape
    shape = {"all": (), "row": shape[:1], "element": shape}[factor.per]
    return gym.spaces.Box(factor.low, factor.high, shape, np.float64)


def edits_of(
    factors: Mapping[str, Factor],
    first_component: Mapping[str, int],
    model: Any,
    *,
    scale_inertia: bool,
) -> Edits:
    """All edits that some factors make.

    Args:
        factors: By name.
        first_component: Where each factor's numbers begin among the task's.
        model: Any model of the robot.
        scale_inertia: Whether factors on masses scale the inertias of their bodies alike.
    """
    layout = BlockLayout.of(model)
    edits: list[tuple[int, int, bool]] = []
    for name, factor in factors.items():
        fields = [factor.field]
        if scale_inertia and factor.field == "body_mass":
            fields.append("body_inertia")
        for field in fields:
            num_rows, *rest = field_of(model, field).shape
            width = int(np.prod(rest, dtype=np.int64))
            multiplied = range(num_rows) if factor.multiplied is None else factor.multiplied
            for row in (*multiplied, *factor.divided):
                for column in range(width):
                    component = first_component[name]
                    if factor.per != "all":
                        component += row
                    if factor.per == "element" and field == factor.field:
                        component = first_component[name] + row * width + column
                    element = layout.starts[field] + row * width + column
                    edits.append((element, component, row in factor.divided))
    columns = list(zip(*edits, strict=True)) if edits else [(), (), ()]
    return Edits(
        np.array(columns[0], np.int32),
        np.array(columns[1], np.int32),
        np.array(columns[2], np.bool_),
    )
