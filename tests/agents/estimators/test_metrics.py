"""Metrics against NumPy and against known distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.estimators.metrics import (
    cosine_similarity,
    debiased_squared_bias,
    pearson_correlation,
    relative_error,
    trace_variance,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_correlation_and_cosine_are_different_things() -> None:
    estimate, truth = draw(3, 4) + 2, draw(3, 4, seed=1) + 1
    a, b = estimate.numpy().ravel(), truth.numpy().ravel()
    assert float(pearson_correlation(estimate, truth)) == pytest.approx(np.corrcoef(a, b)[0, 1])
    expected = a @ b / np.sqrt((a @ a) * (b @ b))
    assert float(cosine_similarity(estimate, truth)) == pytest.approx(expected)
    assert float(pearson_correlation(truth + 5, truth)) == pytest.approx(1)
    assert float(cosine_similarity(3 * truth, truth)) == pytest.approx(1)
    assert float(cosine_similarity(truth + 5, truth)) < 0.9
    assert pearson_correlation(torch.ones(3), draw(3).float()).isnan()


def test_relative_error_is_in_units_of_the_truth() -> None:
    truth = draw(2, 3)
    assert float(relative_error(truth * 1.5, truth)) == pytest.approx(0.5)
    assert float(relative_error(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0]))) == (
        pytest.approx(np.sqrt(18))
    )


def test_trace_variance_is_the_trace_of_the_covariance() -> None:
    estimates = draw(7, 2, 3)
    expected = np.trace(np.cov(estimates.reshape(7, 6).numpy().T))
    assert float(trace_variance(estimates)) == pytest.approx(expected)


def test_squared_bias_is_free_of_variance() -> None:
    """Over 4,000 repetitions of 5 estimates with bias 0.3 in each of 4 entries."""
    truth = draw(4, seed=1)
    groups = truth + 0.3 + draw(4000, 5, 4, seed=2)
    results = torch.stack([debiased_squared_bias(group, truth) for group in groups])
    error = float(results.std() / 4000**0.5)
    assert float(results.mean()) == pytest.approx(4 * 0.3**2, abs=4 * error)
    assert 4 * error < 0.1
    assert results.min() < 0
    noise = trace_variance(groups[0]) / 5
    plain = (groups[0].mean(0) - truth).square().sum()
    assert float(results[0]) == pytest.approx(float(plain - noise))


@pytest.mark.parametrize("metric", [pearson_correlation, cosine_similarity, relative_error])
def test_shapes_that_differ_are_refused(metric: object) -> None:
    with pytest.raises(ValueError, match=r"the shape of the truth, \(3,\), got \(2, 3\)"):
        metric(torch.ones(2, 3), torch.ones(3))  # type: ignore[operator]


def test_too_few_estimates_are_refused() -> None:
    with pytest.raises(ValueError, match="needs two or more estimates"):
        trace_variance(torch.ones(1, 3))
    with pytest.raises(ValueError, match="the shape of the truth"):
        debiased_squared_bias(torch.ones(2, 3), torch.ones(2))
