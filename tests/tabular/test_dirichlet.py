"""Dirichlet draws: laws that are known in closed form, and concentrations that underflow."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.kernels.random import fold
from metaenvs.tabular.dirichlet import draw_log_gamma

CORRECTION = 3.0  # Of the Kolmogorov-Smirnov statistic times the root of n: p < 1e-7.


def laws(concentration: float, n_tasks: int) -> np.ndarray:
    """Laws (50 * n_tasks, 10) as the kernel draws them."""
    env = gym.make("metaenvs/TabularMDP-v0", split="all", concentration=concentration).unwrapped
    env.reset(seed=4)
    drawn: np.ndarray = env.sample_tasks(n_tasks)["transitions"].reshape(-1, 10)
    return drawn


def distance_to(cumulative: np.ndarray) -> float:
    """Kolmogorov-Smirnov statistic of numbers that should be uniform, times the root of n."""
    ordered, count = np.sort(cumulative), len(cumulative)
    steps = np.arange(count + 1) / count
    gap = max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())
    return float(gap * count**0.5)


def test_entries_of_the_uniform_law_on_the_simplex() -> None:
    drawn = laws(1.0, 200)
    for entry in range(10):
        assert distance_to(1 - (1 - drawn[:, entry]) ** 9) < CORRECTION


def test_half_of_the_entries_of_a_tenth_each_follow_the_arcsine_law() -> None:
    # Sums of entries are beta distributed with the sums of their concentrations.
    half = laws(0.1, 200)[:, ::2].sum(1).clip(0, 1)
    assert distance_to(2 / math.pi * np.arcsin(np.sqrt(half))) < CORRECTION


@pytest.mark.parametrize("concentration", [1e-6, 0.001, 0.1, 20.0])
def test_expected_sum_of_squares(concentration: float) -> None:
    drawn = laws(concentration, 200)
    np.testing.assert_allclose(drawn.sum(1), 1, atol=1e-14)
    assert (drawn >= 0).all()
    squares = (drawn**2).sum(1)
    expected = (concentration + 1) / (10 * concentration + 1)
    error = squares.std() / len(squares) ** 0.5
    assert abs(squares.mean() - expected) < 4 * error + 1e-5
    counts = np.bincount(drawn.argmax(1), minlength=10)
    assert ((counts - len(drawn) / 10) ** 2 / (len(drawn) / 10)).sum() < 40  # 9 degrees: p < 1e-5


@pytest.mark.parametrize("concentration", [0.3, 3.0])
def test_gamma_variates_have_their_mean_and_variance(concentration: float) -> None:
    keys = [fold(np.uint64(9), index) for index in range(4000)]
    variates = np.exp([draw_log_gamma(key, concentration) for key in keys])
    error = (concentration / len(keys)) ** 0.5
    assert abs(variates.mean() - concentration) < 4 * error
    # A gamma variate's excess kurtosis is 6 / concentration.
    error = ((6 / concentration + 2) / len(keys)) ** 0.5
    assert variates.var() == pytest.approx(concentration, rel=3 * error)
