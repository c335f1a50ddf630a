"""Measuring contenders in turn, so that what else the machine does falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Contender", "Effort", "Rates", "interleave", "sustained"]

Rates = dict[str, npt.NDArray[np.float64]]
"""Name of a contender to its units per second in each round (repeats,)."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long measuring takes."""

    repeats: int = 7
    """Rounds that count; a first one that compiles and warms caches does not."""
    seconds: float = 1.0
    """At least this long for each turn of a contender that can be stopped at any time."""
    iterations: int = 3
    """Training iterations in each turn of a learner."""
    training_share: float = 1.0
    """Part of a whole training run that is done where learning itself is measured."""
    num_seeds: int = 3
    """Training runs of each learner where learning itself is measured."""


@dataclass(frozen=True)
class Contender:
    """Something to be measured."""

    name: str
    run: Callable[[], tuple[float, float]]
    """Has one turn; answers the units of work done and the seconds they took."""


def interleave(contenders: Sequence[Contender], repeats: int) -> Rates:
    """Give every contender a turn, and that again and again: A, B, A, B...

    Round ``i`` of one contender lies beside round ``i`` of another in time, so the ratio of two
    is taken round by round.

    Args:
        contenders: In the order of their turns; names are unique.
        repeats: Rounds after the one that does not count.

    Raises:
        ValueError: Two contenders of one name, or less than one round.
    """
    names = [contender.name for contender in contenders]
    if len(set(names)) < len(names):
        raise ValueError(f"Contenders need names of their own, got {names}.")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    rates: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(-1, repeats):
        for contender in contenders:
            units, seconds = contender.run()
            if repeat >= 0:
                rates[contender.name].append(units / seconds)
    return {name: np.array(values) for name, values in rates.items()}


def sustained(
    block: Callable[[], int], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> Callable[[], tuple[float, float]]:
    """A turn that repeats ``block``, which answers its units of work, for ``seconds``."""

    def run() -> tuple[float, float]:
        units = 0
        begun = clock()
        while True:
            units += block()
            taken = clock() - begun
            if taken >= seconds:
                return units, taken

    return run
