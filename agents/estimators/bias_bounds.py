"""What theory says about the bias of meta-gradients."""

from __future__ import annotations

import math

__all__ = ["compositional_bias_bound"]


def compositional_bias_bound(
    *,
    lipschitz: float,
    smoothness: float,
    gradient_deviation: float,
    step_size: float,
    num_steps: int,
    batch_size: int,
) -> float:
    """Bound on the compositional bias (Liu et al. 2022, lemma 4.4).

    ``lipschitz * ((1 + alpha c)^K - 1) / c * sigma / sqrt(n)`` bounds the distance between
    ``E[f(theta after K sampled steps)]`` and ``f(theta after K exact steps)``, where the inner
    gradients are unbiased. Meta-objective: *expected-update*.

    Args:
        lipschitz: Lipschitz constant of f.
        smoothness: c, Lipschitz constant of the inner gradient in theta; 0 for a linear objective.
        gradient_deviation: sigma, of one trajectory's inner gradient: the root of the trace of its
            covariance, the largest over the inner steps.
        step_size: alpha, of the inner steps.
        num_steps: K, inner steps.
        batch_size: n, trajectories per inner step.

    Raises:
        ValueError: If an argument is negative or the batch is empty.
    """
    if min(lipschitz, smoothness, gradient_deviation, step_size, num_steps) < 0 or batch_size < 1:
        raise ValueError(
            "The bound takes constants and numbers that are not negative and batches of at least "
            f"1, got {lipschitz=}, {smoothness=}, {gradient_deviation=}, {step_size=}, "
            f"{num_steps=}, {batch_size=}."
        )
    # ((1 + alpha c)^K - 1) / c as a sum, which has a value where c is 0.
    growth = step_size * sum((1 + step_size * smoothness) ** step for step in range(num_steps))
    return lipschitz * growth * gradient_deviation / math.sqrt(batch_size)
