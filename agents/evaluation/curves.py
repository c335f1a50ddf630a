"""Curves with intervals: return by episode of the trial, and return while training."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agents.evaluation.scores import AgentReturns
from agents.evaluation.statistics import bootstrap_interval, mean, performance_profile

__all__ = [
    "Curve",
    "adaptation_curve",
    "learning_curve",
    "profile_curve",
    "read_metric",
    "read_metrics",
]

Floats = npt.NDArray[np.float64]

MOST_POINTS = 50
"""Points of a learning curve: each is a mean over as many env steps as the others."""
PROFILE_POINTS = 101


@dataclass(frozen=True)
class Curve:
    """A line and its 95 % interval, arrays (points,)."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


def adaptation_curve(agent: AgentReturns, rng: np.random.Generator) -> Curve:
    """Mean return of each episode of the trial; ``x`` counts episodes from 1.

    Intervals are of other runs and other tasks (:func:`bootstrap_interval`).
    """
    parts = [
        bootstrap_interval([agent.returns[:, :, episode]], mean, rng=rng)
        for episode in range(agent.returns.shape[2])
    ]
    return Curve(
        np.arange(1.0, len(parts) + 1),
        np.array([part.estimate for part in parts]),
        np.array([part.low for part in parts]),
        np.array([part.high for part in parts]),
    )


def profile_curve(scores: Floats, thresholds: Floats, rng: np.random.Generator) -> Curve:
    """Performance profile of scores (runs, tasks): the share of them above each threshold."""
    part = bootstrap_interval(
        [scores], lambda drawn: performance_profile(drawn, thresholds), rng=rng, num_resamples=500
    )
    return Curve(thresholds, part.estimate, part.low, part.high)


def read_metrics(path: Path) -> dict[str, Floats]:
    """Columns (lines,) of a run's metrics file, by name.

    Raises:
        ValueError: The file has no line, is damaged or something else.
    """
    try:
        with open(path, newline="") as file:
            names, *lines = list(csv.reader(file)) or [[]]
        if not lines:
            raise ValueError("it has no line")
        columns = zip(*([float(cell) for cell in line] for line in lines), strict=True)
        metrics = dict(zip(names, map(np.array, columns), strict=True))
    except ValueError as error:
        raise ValueError(f"{path} holds no metrics, or is damaged: {error}.") from error
    return metrics


def read_metric(path: Path, name: str) -> tuple[Floats, Floats]:
    """Env steps and values (lines,) of one column of a run's metrics file.

    Raises:
        ValueError: The file has no such column, and as :func:`read_metrics`.
    """
    metrics = read_metrics(path)
    if not {"env_steps", name} <= set(metrics):
        raise ValueError(f"{path} lacks env_steps or {name!r}; its columns are {list(metrics)}.")
    return metrics["env_steps"], metrics[name]


def learning_curve(
    runs: Sequence[tuple[Floats, Floats]], rng: np.random.Generator, *, num_points: int = 0
) -> Curve:
    """Mean over runs of a metric while training, with the interval of other runs.

    Runs report at env steps of their own. Each point is a run's mean over an equal share of the
    env steps, up to where the shortest run ends; ``x`` is the end of that share.

    Args:
        runs: Env steps, ascending, and values (lines,) of each run; a value is of the steps since
            the line before.
        rng: Draws the resamples.
        num_points: 0 is as many as the shortest run has lines, at most 50.

    Raises:
        ValueError: No run.
    """
    if not runs:
        raise ValueError("A learning curve needs at least one run, got none.")
    last = min(steps[-1] for steps, _ in runs)
    count = num_points or min(MOST_POINTS, *(len(steps) for steps, _ in runs))
    ends = np.linspace(0, last, count + 1)
    points = np.empty((len(runs), count))
    for run, (steps, values) in enumerate(runs):
        # Sums up to any step: their differences are means over shares that cut lines in two.
        sums = np.cumsum(values * np.diff(steps, prepend=0))
        up_to = np.interp(ends, np.append(0, steps), np.append(0, sums))
        points[run] = np.diff(up_to) / np.diff(ends)
    parts = [
        bootstrap_interval([points[:, point : point + 1]], mean, rng=rng) for point in range(count)
    ]
    return Curve(
        ends[1:],
        points.mean(0),
        np.array([part.low for part in parts]),
        np.array([part.high for part in parts]),
    )
