"""MuJoCo models without their textures, and the fields of a model that tasks change.

What tells one row's model from another's is a *block*: the values of some of the model's fields,
one after another. The fields that tasks edit come first; those that MuJoCo derives from them
(``mj_setConst``) follow.
"""

from __future__ import annotations

import ctypes
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

__all__ = ["DERIVED_FIELDS", "EDITED_FIELDS", "BlockLayout", "field_of", "load_model", "mujoco"]

try:
    import mujoco
except ImportError as error:
    raise ImportError("Locomotion needs MuJoCo: pip install 'metaenvs[mujoco]'.") from error

EDITED_FIELDS = (
    "body_mass", "body_inertia", "dof_damping", "geom_friction", "actuator_gear", "gravity",
)  # fmt: skip
"""Fields of a model that tasks edit."""

DERIVED_FIELDS = (
    "body_subtreemass", "body_invweight0", "dof_invweight0", "tendon_invweight0", "dof_M0",
    "actuator_acc0", "meaninertia",
)  # fmt: skip
"""Fields that ``mj_setConst`` derives from them, as far as the dynamics reads them."""

STATISTICS_BEFORE_CENTER = 4
"""``mjStatistic`` begins with so many numbers, ``meaninertia`` first, before ``center``."""


@lru_cache(maxsize=32)
def _model_text(model_file: str) -> tuple[str, float | None]:
    """Gymnasium's model without what pictures need (98% of its size), and its total mass.

    The total mass is taken out as well: MuJoCo 4 complains of that attribute at every load.
    """
    folder = Path(gym.__file__).parent / "envs" / "mujoco" / "assets"
    root = ET.parse(folder / model_file).getroot()
    total_mass = None
    for part in list(root.iter()):
        part.attrib.pop("material", None)
        given = part.attrib.pop("settotalmass", None)
        total_mass = total_mass if given is None else float(given)
        for child in list(part):
            if child.tag in ("texture", "material"):
                part.remove(child)
    return ET.tostring(root, encoding="unicode"), total_mass


def load_model(model_file: str) -> Any:
    """A fresh ``MjModel`` of Gymnasium's file, equal in all that the dynamics reads."""
    text, total_mass = _model_text(model_file)
    model = mujoco.MjModel.from_xml_string(text)
    if total_mass is not None:
        mujoco.mj_setTotalmass(model, total_mass)
        mujoco.mj_setConst(model, mujoco.MjData(model))
        # MuJoCo 4 leaves the mean inertia as it was; 3.2 derives it anew, in its own rounding.
        model.stat.meaninertia = model.dof_M0.mean()
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def field_of(model: Any, name: str) -> npt.NDArray[np.float64]:
    """A field of :data:`EDITED_FIELDS` or :data:`DERIVED_FIELDS`, sharing the model's memory."""
    view: npt.NDArray[np.float64]
    if name == "gravity":
        view = model.opt.gravity
    elif name == "meaninertia":
        center = model.stat.center.__array_interface__["data"][0]
        address = center - STATISTICS_BEFORE_CENTER * np.dtype(np.float64).itemsize
        view = np.ctypeslib.as_array((ctypes.c_double * 1).from_address(address))
        if view[0] != model.stat.meaninertia:
            raise RuntimeError(
                "This version of MuJoCo lays out mjStatistic in another way than all that were "
                f"tried ({mujoco.__version__} against 3.2 to 4.0); please report it."
            )
    else:
        view = getattr(model, name)
    assert view.dtype == np.float64 and view.flags.c_contiguous
    return view


@dataclass(frozen=True)
class BlockLayout:
    """Where each field lies in the block of one robot."""

    starts: dict[str, int]
    lengths: dict[str, int]

    @classmethod
    def of(cls, model: Any) -> BlockLayout:
        """The layout for models of this one's sizes."""
        starts: dict[str, int] = {}
        lengths: dict[str, int] = {}
        end = 0
        for name in (*EDITED_FIELDS, *DERIVED_FIELDS):
            starts[name], lengths[name] = end, field_of(model, name).size
            end += lengths[name]
        return cls(starts, lengths)

    @property
    def size(self) -> int:
        """Number of values in a block."""
        return sum(self.lengths.values())

    def slice(self, name: str) -> slice:
        """Where a field lies."""
        return slice(self.starts[name], self.starts[name] + self.lengths[name])

    def read(self, model: Any) -> npt.NDArray[np.float64]:
        """The block of a model, a copy (size,)."""
        return np.concatenate([field_of(model, name).ravel() for name in self.starts])

    def write(self, model: Any, block: npt.NDArray[np.float64]) -> None:
        """Make a model's fields those of a block."""
        for name in self.starts:
            field = field_of(model, name)
            field[...] = block[self.slice(name)].reshape(field.shape)
