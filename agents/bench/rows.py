"""A line of the table: what was measured, and the median with its range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Row", "absent_row", "measured_row", "skipped_row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    measurement: str
    """Name of the measurement, as ``--only`` takes it."""
    what: str
    unit: str
    median: float | None
    """None where nothing was measured; the note says why."""
    minimum: float | None
    maximum: float | None
    repeats: int
    note: str = ""


def measured_row(
    measurement: str,
    what: str,
    unit: str,
    samples: Sequence[float] | npt.NDArray[np.float64],
    note: str = "",
) -> Row:
    """The row of some samples of one quantity."""
    return Row(
        measurement=measurement,
        what=what,
        unit=unit,
        median=float(np.median(samples)),
        minimum=float(np.min(samples)),
        maximum=float(np.max(samples)),
        repeats=len(samples),
        note=note,
    )


def absent_row(measurement: str, what: str, packages: Sequence[str]) -> Row:
    """The row of a peer whose packages are not installed."""
    return skipped_row(measurement, what, f"not installed (needs {', '.join(packages)})")


def skipped_row(measurement: str, what: str, note: str) -> Row:
    """The row of what was not measured, with a note that says why."""
    return Row(
        measurement=measurement,
        what=what,
        unit="",
        median=None,
        minimum=None,
        maximum=None,
        repeats=0,
        note=note,
    )
