"""Checks of constructor arguments that all families share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from metaenvs.family import ArrayFamily

__all__ = ["at_least_one", "make_family"]


def at_least_one(name: str, value: Any) -> int:
    """``value`` as an integer; ValueError where it is none, or below 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def make_family(
    make: Callable[..., ArrayFamily], task_visible: bool, arguments: dict[str, Any]
) -> ArrayFamily:
    """The family in its configuration; TypeError naming its arguments for one it lacks."""
    parameters = inspect.signature(make).parameters
    open_ended = any(part.kind == part.VAR_KEYWORD for part in parameters.values())
    unknown = sorted(set(arguments) - set(parameters))
    if unknown and not open_ended:
        known = [name for name in parameters if name != "task_visible"]
        raise TypeError(f"This family has no argument {unknown}; its own are {known}.")
    return make(task_visible=task_visible, **arguments)
