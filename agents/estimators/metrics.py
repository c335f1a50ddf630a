"""How far estimates of a gradient, Hessian or meta-gradient lie from the truth.

An estimate is a tensor of any shape, compared entry by entry; repeated estimates have the
repetition first.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "cosine_similarity",
    "debiased_squared_bias",
    "pearson_correlation",
    "relative_error",
    "trace_variance",
]


def pearson_correlation(estimate: Tensor, truth: Tensor) -> Tensor:
    """Correlation of the entries, their means subtracted: what Tang et al. 2021 report.

    Args:
        estimate: Any shape.
        truth: The same shape.

    Returns:
        A tensor without dimensions, NaN where either is constant.

    Raises:
        ValueError: If the shapes differ.
    """
    _check(estimate, truth)
    return cosine_similarity(estimate - estimate.mean(), truth - truth.mean())


def cosine_similarity(estimate: Tensor, truth: Tensor) -> Tensor:
    """Cosine of the angle between the two, flattened.

    Args:
        estimate: Any shape.
        truth: The same shape.

    Returns:
        A tensor without dimensions, NaN where either is zero.

    Raises:
        ValueError: If the shapes differ.
    """
    _check(estimate, truth)
    return (estimate * truth).sum() / (_norm(estimate) * _norm(truth))


def relative_error(estimate: Tensor, truth: Tensor) -> Tensor:
    """Euclidean (of matrices: Frobenius) norm of the error over that of the truth.

    Args:
        estimate: Any shape.
        truth: The same shape.

    Returns:
        A tensor without dimensions.

    Raises:
        ValueError: If the shapes differ.
    """
    _check(estimate, truth)
    return _norm(estimate - truth) / _norm(truth)


def trace_variance(estimates: Tensor) -> Tensor:
    """Trace of the estimates' covariance: their unbiased variance, summed over entries.

    Args:
        estimates: (repetitions, ...), two repetitions or more.

    Returns:
        A tensor without dimensions.

    Raises:
        ValueError: With fewer than two repetitions.
    """
    if estimates.ndim == 0 or estimates.shape[0] < 2:
        raise ValueError(
            "A variance needs two or more estimates in the first dimension, "
            f"got shape {tuple(estimates.shape)}."
        )
    return estimates.var(0, correction=1).sum()


def debiased_squared_bias(estimates: Tensor, truth: Tensor) -> Tensor:
    """Unbiased estimate of the squared norm of the bias, from repeated estimates.

    The squared error of the mean of M estimates is the squared bias plus the trace variance over
    M; the latter is taken off. The result can be negative where the bias is small beside noise.

    Args:
        estimates: (repetitions, ...), two repetitions or more.
        truth: (...).

    Returns:
        A tensor without dimensions.

    Raises:
        ValueError: With fewer than two repetitions, or if the shapes do not fit.
    """
    noise = trace_variance(estimates) / estimates.shape[0]
    mean = estimates.mean(0)
    _check(mean, truth)
    return (mean - truth).square().sum() - noise


def _norm(tensor: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor)
    return norm


def _check(estimate: Tensor, truth: Tensor) -> None:
    if estimate.shape != truth.shape:
        raise ValueError(
            f"An estimate must have the shape of the truth, {tuple(truth.shape)}, "
            f"got {tuple(estimate.shape)}."
        )
