"""Choosing, row by row, between two batches of observations or of ``info``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

__all__ = ["choose_info", "choose_rows"]

Mask = npt.NDArray[np.bool_]


def choose_rows(space: gym.Space[Any], rows: Mask, chosen: Any, otherwise: Any) -> Any:
    """Observations of ``chosen`` in ``rows`` and of ``otherwise`` elsewhere, as fresh arrays.

    Args:
        space: Observation space of one row.
        rows: (num_envs,).
        chosen: A batch of observations as Gymnasium lays them out.
        otherwise: Another one.
    """
    if isinstance(otherwise, np.ndarray):
        result = otherwise.copy()
        result[rows] = chosen[rows]
        return result
    if isinstance(space, gym.spaces.Dict):
        return {
            name: choose_rows(part, rows, chosen[name], otherwise[name])
            for name, part in space.items()
        }
    if isinstance(space, gym.spaces.Tuple):
        return tuple(
            choose_rows(part, rows, chosen[position], otherwise[position])
            for position, part in enumerate(space)
        )
    # Spaces that do not stack (Text, Graph, Sequence) are a tuple with one entry a row.
    return tuple(chosen[row] if taken else otherwise[row] for row, taken in enumerate(rows))


def choose_info(info: Mapping[str, Any], other: Mapping[str, Any], rows: Mask) -> dict[str, Any]:
    """``info`` with the entries of ``rows`` as ``other`` has them, masks included.

    An entry that ``other`` lacks is zero (None for objects) in ``rows``, with a mask of False,
    as Gymnasium has it; so an empty ``other`` clears these rows.
    """
    result: dict[str, Any] = {}
    together = {**info, **other}
    for name, example in together.items():
        if name[:1] == "_" and name[1:] in together:
            continue
        ours, theirs = info.get(name), other.get(name)
        if isinstance(example, Mapping):
            result[name] = choose_info(_mapping(ours), _mapping(theirs), rows)
        else:
            result[name] = _choose_values(ours, theirs, rows)
        if f"_{name}" in together:
            nowhere = np.zeros(len(rows), np.bool_)
            ours = info.get(f"_{name}", nowhere)
            theirs = other.get(f"_{name}", nowhere)
            result[f"_{name}"] = np.where(rows, theirs, ours)
    return result


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _choose_values(ours: Any, theirs: Any, rows: Mask) -> Any:
    """One entry; what is no array with one element a row is left as it is."""
    given = [value for value in (ours, theirs) if value is not None]
    if not all(isinstance(value, np.ndarray) and len(value) == len(rows) for value in given):
        return given[0] if given else None
    ours = _nothing_like(theirs) if ours is None else ours
    theirs = _nothing_like(ours) if theirs is None else theirs
    if ours.shape != theirs.shape:
        ours, theirs = _as_objects(ours), _as_objects(theirs)
    result = ours.astype(np.promote_types(ours.dtype, theirs.dtype))
    result[rows] = theirs[rows]
    return result


def _nothing_like(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    nothing = None if array.dtype.hasobject else np.zeros((), array.dtype)
    return np.full_like(array, nothing)


def _as_objects(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    objects = np.full(len(array), None, object)
    for row, value in enumerate(array):
        objects[row] = value
    return objects
