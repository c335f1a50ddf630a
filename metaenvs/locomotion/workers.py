"""Workers: a MuJoCo model and data for each thread, and the addresses by which rows reach them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.locomotion.models import (
    DERIVED_FIELDS,
    EDITED_FIELDS,
    BlockLayout,
    field_of,
    load_model,
    mujoco,
)

__all__ = ["Workers", "make_workers", "stop_profiling", "without_islands"]

Array = npt.NDArray[Any]

FUNCTIONS = {
    "step_function": "mj_step",
    "forward_function": "mj_forward",
    "constants_function": "mj_setConst",
    "forces_function": "mj_rnePostConstraint",
}
"""Entries of the parameters to the C functions (of model and data) that they point to."""

TORSO = 1
"""Index of the torso among the bodies of every robot; the world is 0."""


@dataclass(frozen=True)
class Workers:
    """What a batch steps with."""

    parameters: Array
    """One record for each worker (num_workers,)."""
    models: list[Any]
    data: list[Any]
    """They own the memory that the parameters point to."""


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    """The library that the Python package has loaded."""
    folder = Path(mujoco.__file__).parent
    names = ("libmujoco*.so*", "libmujoco*.dylib", "mujoco.dll")
    found = [path for name in names for path in folder.glob(name)]
    if not found:
        raise RuntimeError(f"No MuJoCo library in {folder}; is the package mujoco whole?")
    return ctypes.CDLL(str(found[0]))


@lru_cache(maxsize=1)
def _function_addresses() -> dict[str, int]:
    """Where the C functions lie in it."""
    library, addresses = _library(), {}
    for entry, name in FUNCTIONS.items():
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        assert address is not None
        addresses[entry] = address
    return addresses


def _address(view: Array) -> int:
    address: int = view.__array_interface__["data"][0]
    return address


def without_islands(model: Any) -> Any:
    """The model, told not to look for islands of constraints, where this MuJoCo has a flag for it.

    A robot is one tree, hence one island at most: steps have the same bits, and cost some 5% less.
    """
    model.opt.disableflags |= int(getattr(mujoco.mjtDisableBit, "mjDSBL_ISLAND", 0))
    return model


def stop_profiling() -> None:
    """Have MuJoCo not ask for the time at every stage of a step, unless a user has it call theirs.

    Recent versions of its Python package set a clock for ``MjData.timer`` in the whole process,
    which takes 15% of a HalfCheetah's step; ``mujoco.set_mjcb_time(None)`` sets it anew.
    """
    if mujoco.get_mjcb_time() is None:
        ctypes.c_void_p.in_dll(_library(), "mjcb_time").value = None


def make_workers(model_file: str, parameters: Array, num_workers: int) -> Workers:
    """Give each worker a model and data.

    Args:
        model_file: Of the robot.
        parameters: One record, shape (1,), complete but for the addresses.
        num_workers: How many threads will step at once.

    Raises:
        RuntimeError: This version of MuJoCo answers otherwise by address than through its
            Python package.
    """
    stop_profiling()
    records = np.repeat(parameters, num_workers)
    models = [without_islands(load_model(model_file)) for _ in range(num_workers)]
    data = [mujoco.MjData(model) for model in models]
    for record, model, datum in zip(records, models, data, strict=True):
        _write_addresses(record, model, datum)
    _check_addresses(records[0], models[0], data[0])
    for datum in data:
        datum.warning.number[:] = 1  # As metaenvs.locomotion.physics wants them.
    return Workers(records, models, data)


def _write_addresses(record: Any, model: Any, data: Any) -> None:
    for entry, address in _function_addresses().items():
        record[entry] = address
    record["model"], record["data"] = model._address, data._address
    record["at_positions"] = _address(data.qpos)
    record["at_velocities"] = _address(data.qvel)
    record["at_warm_start"] = _address(data.qacc_warmstart)
    record["at_controls"] = _address(data.ctrl)
    record["at_torso"] = _address(data.xpos[TORSO])
    record["at_rotation"] = _address(data.xmat[TORSO])
    record["at_contact_forces"] = _address(data.cfrc_ext)
    warnings = data.warning.number
    record["at_warnings"] = _address(warnings)
    record["num_warnings"], record["warning_stride"] = len(warnings), warnings.strides[0]
    layout = BlockLayout.of(model)
    fields = (*EDITED_FIELDS, *DERIVED_FIELDS)
    record["num_segments"], record["num_edited_segments"] = len(fields), len(EDITED_FIELDS)
    for segment, name in enumerate(fields):
        record["segment_address"][segment] = _address(field_of(model, name))
        record["segment_start"][segment] = layout.starts[name]
        record["segment_length"][segment] = layout.lengths[name]


def _check_addresses(record: Any, model: Any, data: Any) -> None:
    """Step once by address and once through the Python package."""
    other = mujoco.MjData(model)
    step = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(int(record["step_function"]))
    for datum in (data, other):
        mujoco.mj_resetData(model, datum)
        datum.qvel[:] = 0.1
        datum.warning.number[-1] = 7
    step(int(record["model"]), int(record["data"]))
    mujoco.mj_step(model, other)
    counted = ctypes.c_int32.from_address(
        int(record["at_warnings"]) + (len(data.warning.number) - 1) * int(record["warning_stride"])
    )
    alike = np.array_equal(data.qpos, other.qpos) and np.array_equal(data.qvel, other.qvel)
    if not alike or counted.value != 7:
        raise RuntimeError(
            f"MuJoCo {mujoco.__version__} cannot be stepped by address as 3.2 to 4.0 can; "
            "install one of these."
        )
    mujoco.mj_resetData(model, data)
