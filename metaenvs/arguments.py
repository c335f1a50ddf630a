"""Checks of constructor arguments that all families share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from metaenvs.family import ArrayFamily

__all__ = ["at_least_one", "autoreset_mode_of", "check_flags", "make_family"]


def at_least_one(name: str, value: Any) -> int:
    """``value`` as an integer; ValueError where it is none, or below 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def check_flags(**flags: Any) -> None:
    """ValueError for a flag that is neither True nor False: a string would count as True."""
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} must be True or False, got {value!r}.")


def autoreset_mode_of(value: Any) -> AutoresetMode:
    """Gymnasium's mode, or the one whose value this is; ValueError where there is none."""
    try:
        return AutoresetMode(value)
    except ValueError as error:
        known = [mode.value for mode in AutoresetMode]
        raise ValueError(
            f"autoreset_mode must be a gymnasium.vector.AutoresetMode or one of {known}, "
            f"got {value!r}."
        ) from error


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
