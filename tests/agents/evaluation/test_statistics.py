"""Statistics against values found in another way: by hand, by enumeration, by SciPy, by rliable."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from agents.evaluation.statistics import (
    bootstrap_interval,
    interquartile_mean,
    mean,
    performance_profile,
    probability_of_improvement,
)


def scores_of(seed: int, runs: int, tasks: int) -> Any:
    """Scores with ties, as goals and steps have them."""
    return np.random.default_rng(seed).integers(0, 8, (runs, tasks)) / 4.0


def test_interquartile_mean_by_hand() -> None:
    assert interquartile_mean([[1, 2, 3, 100], [-50, 4, 5, 6]]) == (2 + 3 + 4 + 5) / 4
    # Of five scores one is left out at each end, of three none.
    assert interquartile_mean([[0, 1, 2, 3, 1000]]) == 2
    assert interquartile_mean([[0], [1], [5]]) == 2


@pytest.mark.parametrize(("runs", "tasks"), [(1, 1), (1, 7), (3, 4), (5, 13), (10, 64)])
def test_interquartile_mean_is_that_of_sorted_scores(runs: int, tasks: int) -> None:
    scores = np.random.default_rng(runs * tasks).normal(size=(6, runs, tasks))
    expected = []
    for single in scores:
        ordered = sorted(single.ravel().tolist())
        cut = len(ordered) // 4
        kept = [Fraction(value) for value in ordered[cut : len(ordered) - cut]]
        expected.append(float(sum(kept) / len(kept)))
    np.testing.assert_allclose(interquartile_mean(scores), expected, rtol=1e-13, atol=1e-15)


def test_probability_of_improvement_counts_pairs() -> None:
    first, second = scores_of(0, 4, 6), scores_of(1, 3, 6)
    total = Fraction(0)
    for task in range(6):
        for mine, theirs in itertools.product(first[:, task], second[:, task]):
            total += Fraction(1) if mine > theirs else Fraction(int(mine == theirs), 2)
    expected = float(total / (4 * 3 * 6))
    np.testing.assert_allclose(probability_of_improvement(first, second), expected, rtol=1e-14)
    np.testing.assert_allclose(probability_of_improvement(second, first), 1 - expected, rtol=1e-14)
    assert probability_of_improvement(first, first) == 0.5
    assert probability_of_improvement(first + 10, first) == 1
    both = probability_of_improvement(np.stack([first, first + 10]), np.stack([second, second]))
    assert both.tolist() == [probability_of_improvement(first, second), 1]


def test_probability_of_improvement_of_two_normal_agents() -> None:
    """P(N(0.5, 1) > N(0, 1)) = Phi(0.5 / sqrt(2)), within four standard errors."""
    rng = np.random.default_rng(5)
    first, second = rng.normal(0.5, 1, (400, 200)), rng.normal(0, 1, (400, 200))
    expected = 0.5 * (1 + math.erf(0.5 / 2))
    # Each run enters 400 pairs, hence at most 2 / (400 * 200) of variance.
    assert abs(probability_of_improvement(first, second) - expected) < 4 * math.sqrt(
        0.5 / (400 * 200)
    )


def test_performance_profile_counts_scores_above() -> None:
    scores = np.stack([scores_of(2, 5, 9), scores_of(3, 5, 9)])
    thresholds = np.array([-1, 0, 0.25, 0.3, 1.75, 2])
    profile = performance_profile(scores, thresholds)
    assert profile.shape == (2, 6)
    for batch, place in np.ndindex(2, 6):
        above = sum(value > thresholds[place] for value in scores[batch].ravel().tolist())
        assert profile[batch, place] == pytest.approx(above / 45, abs=1e-15)
    assert profile[:, 0].tolist() == [1, 1]
    assert profile[:, -1].tolist() == [0, 0]


def all_resamples(size: int) -> Any:
    return np.array(list(itertools.product(range(size), repeat=size)))


def test_bootstrap_of_runs_within_tasks_has_the_exact_distribution() -> None:
    """Four runs of two tasks: all 4**4 resamples of each task, and every pair of them."""
    scores = np.array([[0.0, 1.0], [0.3, 4.0], [0.9, 9.0], [2.0, 20.0]])
    means = scores[all_resamples(4)].mean(1)
    every = ((means[:, None, 0] + means[None, :, 1]) / 2).ravel()
    found = bootstrap_interval(
        [scores], mean, rng=np.random.default_rng(0), resampling="runs within tasks",
        num_resamples=200_000, confidence=0.9,
    )  # fmt: skip
    assert found.estimate == scores.mean()
    check_ends(every, found.low, found.high, 0.05, 200_000)


def test_bootstrap_of_runs_and_tasks_has_the_exact_distribution() -> None:
    """Three runs of three tasks: all 27 draws of runs with all 27 of tasks."""
    scores = np.array([[0.0, 1.0, 5.0], [0.3, 4.0, 4.5], [0.9, 9.0, -3.0]])
    draws = all_resamples(3)
    every = scores[draws[:, None, :, None], draws[None, :, None, :]].mean((2, 3)).ravel()
    found = bootstrap_interval(
        [scores], mean, rng=np.random.default_rng(0), num_resamples=200_000, confidence=0.8
    )
    check_ends(every, found.low, found.high, 0.1, 200_000)


def check_ends(every: Any, low: Any, high: Any, tail: float, num_resamples: int) -> None:
    """The ends are quantiles of the exact distribution, within five standard errors."""
    slack = 5 * math.sqrt(tail * (1 - tail) / num_resamples)
    for end, level in ((low, tail), (high, 1 - tail)):
        tolerance = 1e-9
        assert (every <= end + tolerance).mean() >= level - slack
        assert (every < end - tolerance).mean() <= level + slack


def test_agents_share_the_tasks_that_are_drawn() -> None:
    """An agent that is better by one on every task is so in every resample of tasks."""
    scores = np.random.default_rng(0).normal(size=(1, 30))
    found = bootstrap_interval(
        [scores + 1, scores],
        lambda first, second: mean(first) - mean(second),
        rng=np.random.default_rng(1),
    )
    np.testing.assert_allclose([found.low, found.estimate, found.high], 1, rtol=1e-12)


def test_intervals_cover() -> None:
    """Of 300 experiments with 20 runs and 30 tasks about 95 % hold the truth, as binomials vary."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        scores = rng.normal(size=(20, 1)) + rng.normal(size=(1, 30)) + rng.normal(size=(20, 30))
        found = bootstrap_interval([scores], mean, rng=rng, num_resamples=400)
        covered += bool(found.low <= 0 <= found.high)
    # Below 0.95 by what percentiles of 20 runs lose; runs within tasks would cover under a half.
    assert 0.88 <= covered / 300 <= 0.99


def test_independent_resampling_is_too_narrow_where_one_run_serves_all_tasks() -> None:
    scores = np.random.default_rng(0).normal(size=(10, 1)) + np.zeros((10, 64))
    together = bootstrap_interval([scores], mean, rng=np.random.default_rng(0))
    apart = bootstrap_interval(
        [scores], mean, rng=np.random.default_rng(0), resampling="runs within tasks"
    )
    assert together.high - together.low > 4 * (apart.high - apart.low)


def test_resamples_are_the_generators_and_in_pieces_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = scores_of(0, 6, 10)
    first, again = (
        bootstrap_interval([scores], interquartile_mean, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert (first.low, first.high) == (again.low, again.high)
    monkeypatch.setattr("agents.evaluation.statistics.VALUES_AT_ONCE", 60 * 7)
    sizes = []

    def watched(drawn: Any) -> Any:
        sizes.append(len(drawn) if drawn.ndim == 3 else 0)
        return mean(drawn)

    bootstrap_interval([scores], watched, rng=np.random.default_rng(3), num_resamples=20)
    assert sizes == [7, 7, 6, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interquartile_mean([1.0, 2.0]), r"shape \(2,\)"),
        (lambda: interquartile_mean([[1.0, np.nan]]), "1 not finite"),
        (lambda: interquartile_mean(np.zeros((0, 3))), r"shape \(0, 3\)"),
        (lambda: probability_of_improvement([[1.0]], [[1.0, 2.0]]), "got 1 and 2 tasks"),
        (lambda: bootstrap([[1.0]], resampling="runs"), "resampling must be one of"),
        (lambda: bootstrap([[1.0]], confidence=95), "between 0 and 1, got 95"),
        (lambda: bootstrap([[1.0]], num_resamples=0), "at least 1, got 0"),
        (lambda: bootstrap([[[1.0]]]), r"got shapes \[\(1, 1, 1\)\]"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def bootstrap(scores: Any, **arguments: Any) -> Any:
    return bootstrap_interval([scores], mean, rng=np.random.default_rng(0), **arguments)


def test_rliable_agrees() -> None:
    """rliable's own numbers; its bootstrap draws other resamples, so ends agree within noise."""
    library = pytest.importorskip("rliable.library")
    metrics = pytest.importorskip("rliable.metrics")
    first, second = scores_of(10, 10, 26), scores_of(11, 8, 26)
    np.testing.assert_allclose(interquartile_mean(first), metrics.aggregate_iqm(first), rtol=1e-12)
    np.testing.assert_allclose(
        probability_of_improvement(first, second),
        metrics.probability_of_improvement(first, second),
        rtol=1e-12,
    )
    thresholds = np.linspace(-0.1, 2.1, 23)
    profiles, _ = library.create_performance_profile({"a": first}, thresholds, reps=10)
    np.testing.assert_allclose(performance_profile(first, thresholds), profiles["a"], atol=1e-12)
    _, theirs = library.get_interval_estimates(
        {"a": first}, lambda scores: np.array([metrics.aggregate_iqm(scores)]), reps=4000
    )
    ours = bootstrap_interval(
        [first], interquartile_mean, rng=np.random.default_rng(0),
        resampling="runs within tasks", num_resamples=4000,
    )  # fmt: skip
    width = float(ours.high - ours.low)
    np.testing.assert_allclose([ours.low, ours.high], theirs["a"][:, 0], atol=0.1 * width)
