"""Points of a task space: their layout in memory and the checks that they must pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.tasks import Task, Tasks, task_record_dtype

__all__ = ["as_tasks", "record_dtype_of", "validate_tasks"]


def record_dtype_of(task_space: gym.spaces.Dict) -> np.dtype[Any]:
    """The record that holds one point of ``task_space`` (leaves must have a dtype and a shape)."""
    fields = {}
    for name, space in task_space.items():
        assert space.dtype is not None and space.shape is not None
        fields[name] = (np.dtype(space.dtype), space.shape)
    return task_record_dtype(fields)


def as_tasks(tasks: Tasks | Mapping[str, Any], task_space: gym.spaces.Dict) -> Tasks:
    """Take ``tasks`` or one task, and give validated :class:`Tasks` with the space's dtypes.

    Raises:
        TypeError: Neither ``Tasks`` nor a mapping.
        ValueError: As :func:`validate_tasks`.
    """
    if isinstance(tasks, Tasks):
        return validate_tasks(tasks, task_space)
    if not isinstance(tasks, Mapping):
        raise TypeError(
            f"Expected a task (a mapping of {list(task_space)}) or Tasks, "
            f"got {type(tasks).__name__}."
        )
    task: Task = dict(tasks)
    _check_names(task.keys(), task_space)
    for name, space in task_space.items():
        shape = np.shape(task[name])
        if shape != space.shape:
            raise ValueError(
                f"Task parameter {name!r} must have shape {space.shape}, got {shape}."
                + (" For many tasks at once, pass a Tasks." if shape[1:] == space.shape else "")
            )
    return validate_tasks(Tasks.stack([task]), task_space)


def _check_names(names: Any, task_space: gym.spaces.Dict) -> None:
    missing = sorted(set(task_space) - set(names))
    unknown = sorted(set(names) - set(task_space))
    if missing or unknown:
        complaints = [f"missing {missing}"] * bool(missing) + [f"unknown {unknown}"] * bool(unknown)
        raise ValueError(
            f"A task must name exactly {sorted(task_space)}: {' and '.join(complaints)}. "
            "A task is always applied whole."
        )


def validate_tasks(tasks: Tasks, task_space: gym.spaces.Dict) -> Tasks:
    """Check names, shapes, kinds and bounds, and convert to the space's dtypes.

    Raises:
        ValueError: A name missing or unknown, a wrong shape, a value that the parameter's dtype
            cannot hold, or one outside its bounds; the message names the first offending task.
    """
    _check_names(tasks.keys(), task_space)
    converted: dict[str, npt.NDArray[Any]] = {}
    for name, space in task_space.items():
        assert space.dtype is not None
        values = tasks[name]
        if values.shape[1:] != space.shape:
            raise ValueError(
                f"Task parameter {name!r} must have shape {space.shape} in each task, "
                f"got {values.shape[1:]}."
            )
        if values.dtype.kind not in "biuf":
            raise ValueError(f"Task parameter {name!r} must be numeric, got dtype {values.dtype}.")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"Task parameter {name!r} must be finite, got NaN or infinity.")
        if space.dtype.kind == "f":
            with np.errstate(over="ignore"):
                fine = np.isfinite(values.astype(space.dtype))
        else:
            fine = values == np.trunc(values)
        low, high = _bounds(space)
        fine &= (values >= low) & (values <= high)
        if not fine.all():
            index = int(np.argmin(fine.reshape(len(values), -1).all(axis=1)))
            raise ValueError(
                f"Task parameter {name!r} must lie in {space}, got {values[index].tolist()} "
                f"in task {index}."
            )
        converted[name] = values.astype(space.dtype)
    return Tasks(converted)


def _bounds(space: gym.Space[Any]) -> tuple[Any, Any]:
    """Least and greatest values of a leaf, broadcastable to its shape."""
    if isinstance(space, gym.spaces.Box):
        return space.low, space.high
    if isinstance(space, gym.spaces.Discrete):
        return space.start, space.start + space.n - 1
    if isinstance(space, gym.spaces.MultiDiscrete):
        start = space.start.astype(np.int64)
        return start, start + space.nvec.astype(np.int64) - 1
    if isinstance(space, gym.spaces.MultiBinary):
        return 0, 1
    raise TypeError(f"A task space is made of Box, Discrete and Multi* spaces, got {space}.")
