"""Statistics of scores over runs and tasks, after Agarwal et al. 2021.

"Deep Reinforcement Learning at the Edge of the Statistical Precipice" gives the reasons. Scores
are arrays (..., runs, tasks): one agent's score in each of its runs (training seeds) on each
task. Statistics reduce the last two axes, so that all resamples of a bootstrap are one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "Resampling",
    "bootstrap_interval",
    "interquartile_mean",
    "mean",
    "performance_profile",
    "probability_of_improvement",
]

Floats = npt.NDArray[np.float64]
Statistic = Callable[..., Floats]
Resampling = Literal["runs within tasks", "runs and tasks"]

TRIMMED_SHARE = 0.25
VALUES_AT_ONCE = 2**22
"""Most values of one agent that are resampled in one piece: 32 MiB."""


def mean(scores: npt.ArrayLike) -> Floats:
    """Mean (...) of scores (..., runs, tasks)."""
    return np.asarray(_checked(scores).mean((-2, -1)))


def interquartile_mean(scores: npt.ArrayLike) -> Floats:
    """Mean (...) of the middle half of all run-task scores (..., runs, tasks).

    A quarter of the ``n = runs * tasks`` scores is left out at each end, rounded down to whole
    scores (``scipy.stats.trim_mean(scores, 0.25)``): robust as the median, but it uses half of the
    scores instead of one or two.

    Raises:
        ValueError: No score, or one that is not finite.
    """
    checked = _checked(scores)
    flat = checked.reshape(*checked.shape[:-2], -1)
    cut = int(TRIMMED_SHARE * flat.shape[-1])
    if cut:
        flat = np.partition(flat, (cut, flat.shape[-1] - cut - 1), axis=-1)
    return np.asarray(flat[..., cut : flat.shape[-1] - cut].mean(-1))


def probability_of_improvement(scores: npt.ArrayLike, others: npt.ArrayLike) -> Floats:
    """Probability (...) that a run of one agent beats a run of another on a task, ties a half.

    The mean over tasks of the share of pairs of runs, one of each agent, in which the first scores
    more: the Mann-Whitney statistic of each task over the number of pairs.

    Args:
        scores: Of the first agent (..., runs, tasks).
        others: Of the second, on the same tasks (..., other runs, tasks).

    Raises:
        ValueError: Different numbers of tasks, no score, or one that is not finite.
    """
    first, second = _checked(scores), _checked(others)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(
            "Both agents need scores on the same tasks, "
            f"got {first.shape[-1]} and {second.shape[-1]} tasks."
        )
    wins = np.zeros(np.broadcast_shapes(first.shape[:-2], second.shape[:-2]))
    # One run of the first agent at a time: all pairs at once would be as many values as tasks
    # times the square of the runs.
    for run in range(first.shape[-2]):
        mine = first[..., run : run + 1, :]
        wins += (mine > second).mean((-2, -1)) + 0.5 * (mine == second).mean((-2, -1))
    return np.asarray(wins / first.shape[-2])


def performance_profile(scores: npt.ArrayLike, thresholds: npt.ArrayLike) -> Floats:
    """Share (..., thresholds) of the run-task scores (..., runs, tasks) above each threshold."""
    checked = _checked(scores)
    flat = np.sort(checked.reshape(*checked.shape[:-2], -1), axis=-1)
    levels = np.asarray(thresholds, np.float64)
    batch = flat.reshape(-1, flat.shape[-1])
    not_above = np.array([np.searchsorted(values, levels, side="right") for values in batch])
    shares = not_above.reshape(*flat.shape[:-1], *levels.shape) / flat.shape[-1]
    return np.asarray(1.0 - shares)


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; arrays where the statistic has several values."""

    estimate: Floats
    low: Floats
    high: Floats


def bootstrap_interval(
    agents: Sequence[npt.ArrayLike],
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    resampling: Resampling = "runs and tasks",
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """A statistic with its percentile interval over bootstrap resamples (Efron 1979).

    Args:
        agents: Scores (runs, tasks) of each agent that the statistic takes; agents may differ in
            their runs, not in their tasks.
        statistic: From arrays (resamples, runs, tasks), one for each agent, to (resamples, ...).
        rng: Draws the resamples.
        resampling: What might have come out otherwise.

            - ``"runs and tasks"``: runs are drawn with replacement, each with all of its tasks,
              and so are tasks, the same for all agents: other seeds and other tasks of the split.
              This is for meta-learning, where one training serves all tasks, so that scores of one
              run rise and fall together. With one run, tasks alone vary.
            - ``"runs within tasks"``: runs are drawn with replacement within each task by itself
              (the stratified bootstrap of Agarwal et al. 2021): other seeds, these very tasks.
              This is for scores that are independent, such as those of a learner that was trained
              on each task alone; where one run serves all tasks it is too narrow.
        num_resamples: Number of resamples.
        confidence: Probability between the two ends.

    Raises:
        ValueError: An argument out of its range, scores that are not (runs, tasks) on the same
            number of tasks, or that are not finite.
    """
    if resampling not in get_args(Resampling):
        raise ValueError(f"resampling must be one of {get_args(Resampling)}, got {resampling!r}.")
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1, got {num_resamples}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}.")
    matrices = [_checked(scores) for scores in agents]
    shapes = [matrix.shape for matrix in matrices]
    if not shapes or {(len(shape), shape[-1]) for shape in shapes} != {(2, shapes[0][-1])}:
        raise ValueError(
            f"Expected scores (runs, tasks) on the same tasks for every agent, got shapes {shapes}."
        )
    num_tasks = shapes[0][1]
    at_once = max(1, VALUES_AT_ONCE // max(matrix.size for matrix in matrices))
    drawn: list[Floats] = []
    for begin in range(0, num_resamples, at_once):
        size = min(at_once, num_resamples - begin)
        if resampling == "runs and tasks":
            tasks = rng.integers(num_tasks, size=(size, 1, num_tasks))
            runs = [rng.integers(len(matrix), size=(size, len(matrix), 1)) for matrix in matrices]
        else:
            tasks = np.arange(num_tasks)[None, None]
            runs = [rng.integers(len(matrix), size=(size, *matrix.shape)) for matrix in matrices]
        drawn.append(
            statistic(*(matrix[rows, tasks] for matrix, rows in zip(matrices, runs, strict=True)))
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(drawn), (tail, 1 - tail), axis=0)
    return Interval(statistic(*matrices), np.asarray(low), np.asarray(high))


def _checked(scores: npt.ArrayLike) -> Floats:
    """Scores as float64 with at least two axes, none empty, all finite."""
    array = np.asarray(scores, np.float64)
    if array.ndim < 2 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            "Expected finite scores of shape (..., runs, tasks), at least one, got shape "
            f"{array.shape} with {int(np.size(array) - np.isfinite(array).sum())} not finite."
        )
    return array
