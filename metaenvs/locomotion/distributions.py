"""Where tasks lie: sets, ranges and their products, as boxes that the kernel draws from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.locomotion.rules import ANGLE, POWER, RADIUS_SQUARED, UNIFORM
from metaenvs.tasks import Tasks

__all__ = [
    "Between",
    "Boxes",
    "Disc",
    "Powers",
    "Region",
    "Split",
    "boxes_of",
    "require_within",
    "with_ranges",
]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Between:
    """Uniform between two numbers, independently for each number of the entry."""

    low: float
    high: float


@dataclass(frozen=True)
class Powers:
    """``base`` to the power of a number uniform between two, independently for each."""

    base: float
    low: float
    high: float


@dataclass(frozen=True)
class Disc:
    """Uniform over the area of a ring of the plane, or of a sector of it (angles in rad)."""

    inner: float
    outer: float
    first_angle: float = 0.0
    last_angle: float = 2.0 * math.pi


Values = Sequence[Any] | Between | Powers | Disc
"""Of one entry: a set of equally likely values (numbers, or vectors), or a distribution."""

Region = Mapping[str, Values]
"""Names of a task's entries to their values, drawn independently."""


@dataclass(frozen=True)
class Split:
    """Regions, with their probabilities (equal if None)."""

    regions: tuple[Region, ...]
    weights: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Boxes:
    """A split as a mixture of boxes in which numbers are uniform."""

    low: Array
    """Least number of each component of a task (num_boxes, num_components)."""
    high: Array
    """Greatest number, alike."""
    weights: Array
    """Probabilities (num_boxes,)."""
    kinds: Array
    """How a component follows from its number (num_components,): see the rules."""
    bases: Array
    """Bases of those that are powers (num_components,)."""

    def points(self, sizes: Mapping[str, tuple[int, ...]]) -> Tasks | None:
        """All tasks, where they are finitely many and equally likely; None otherwise."""
        if not np.array_equal(self.low, self.high) or np.ptp(self.weights) > 1e-12:
            return None
        arrays, start = {}, 0
        for name, shape in sizes.items():
            width = int(np.prod(shape, dtype=np.int64))
            arrays[name] = self.low[:, start : start + width].reshape(-1, *shape)
            start += width
        return Tasks(arrays)


def _choices(values: Values, size: int) -> tuple[list[tuple[Array, Array]], int, float]:
    """The boxes (low and high, each (size,)) of one entry, the kind and the base."""
    if isinstance(values, Between):
        return [(np.full(size, values.low), np.full(size, values.high))], UNIFORM, 0.0
    if isinstance(values, Powers):
        return [(np.full(size, values.low), np.full(size, values.high))], POWER, values.base
    if isinstance(values, Disc):
        low = np.array([values.inner**2, values.first_angle])
        high = np.array([values.outer**2, values.last_angle])
        return [(low, high)], RADIUS_SQUARED, 0.0
    points = [np.broadcast_to(np.asarray(value, np.float64), size) for value in values]
    return [(point, point) for point in points], UNIFORM, 0.0


def boxes_of(split: Split, sizes: Mapping[str, tuple[int, ...]]) -> Boxes:
    """Lay a split out as boxes.

    Args:
        split: Its regions name all entries alike.
        sizes: Shapes of the task's entries, in the order of the task's record.

    Raises:
        ValueError: An entry missing or unknown, or one of two kinds in two regions.
    """
    low: list[Array] = []
    high: list[Array] = []
    weights: list[float] = []
    kinds: Array | None = None
    bases: Array | None = None
    for index, region in enumerate(split.regions):
        if set(region) != set(sizes):
            raise ValueError(
                f"Region {index} must name exactly {sorted(sizes)}, got {sorted(region)}."
            )
        parts = []
        region_kinds: list[int] = []
        region_bases: list[float] = []
        for name, shape in sizes.items():
            size = int(np.prod(shape, dtype=np.int64))
            choices, kind, base = _choices(region[name], size)
            parts.append(choices)
            region_kinds += [RADIUS_SQUARED, ANGLE] if kind == RADIUS_SQUARED else [kind] * size
            region_bases += [base] * size
        if kinds is None:
            kinds, bases = np.array(region_kinds, np.int32), np.array(region_bases)
        elif kinds.tolist() != region_kinds:
            raise ValueError(f"Region {index} draws its entries in other ways than region 0.")
        combinations = list(itertools.product(*parts))
        weight = 1.0 / len(split.regions) if split.weights is None else split.weights[index]
        for combination in combinations:
            low.append(np.concatenate([box[0] for box in combination]))
            high.append(np.concatenate([box[1] for box in combination]))
            weights.append(weight / len(combinations))
    assert kinds is not None and bases is not None
    return Boxes(np.stack(low), np.stack(high), np.array(weights), kinds, bases)


def require_within(splits: Mapping[str, Split], spaces: Mapping[str, gym.spaces.Box]) -> None:
    """ValueError where tasks of a split are not points of the spaces of their entries."""
    if not spaces:
        raise ValueError("A task needs at least one entry that varies, got none.")
    for region in (region for split in splits.values() for region in split.regions):
        for name, space in spaces.items():
            values = region.get(name)
            if values is not None and not _lie_within(values, space):
                raise ValueError(
                    f"{name} must vary within {space}: a list of values, a Between, a Powers or "
                    f"(for positions) a Disc, from its least to its greatest; got {values!r}."
                )


def _lie_within(values: Values, space: gym.spaces.Box) -> bool:
    if isinstance(values, Disc):
        bounds = [(values.inner, values.outer), (-values.outer, values.outer)]
        in_order = values.inner >= 0 and values.first_angle <= values.last_angle
        return in_order and space.shape == (2,) and all(_span(*pair, space) for pair in bounds)
    if isinstance(values, Between):
        return _span(values.low, values.high, space)
    if isinstance(values, Powers):
        return values.base > 1 and _span(values.base**values.low, values.base**values.high, space)
    try:
        size = int(np.prod(space.shape, dtype=np.int64))
        points = [np.broadcast_to(np.asarray(value, np.float64), size) for value in values]
    except (TypeError, ValueError):
        return False
    return bool(points) and all(space.contains(point.reshape(space.shape)) for point in points)


def _span(low: float, high: float, space: gym.spaces.Box) -> bool:
    """Whether numbers from ``low`` to ``high`` are some, and all within the space."""
    return bool((space.low <= low).all() and low <= high and (high <= space.high).all())


def with_ranges(split: Split) -> Split:
    """The split with each set of numbers widened to the range from its least to its greatest."""
    regions = []
    for region in split.regions:
        widened: dict[str, Values] = {}
        for name, values in region.items():
            numbers = isinstance(values, Sequence) and np.ndim(values[0]) == 0
            widened[name] = Between(min(values), max(values)) if numbers else values  # type: ignore[arg-type]
        regions.append(widened)
    return Split(tuple(regions), split.weights)
