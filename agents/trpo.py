"""A step of trust-region policy optimisation (Schulman et al. 2015), of any objective.

Parameters are a list of tensors; vectors in their space are lists of the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["TrustRegion", "conjugate_gradients", "trust_region_step"]

Vector = list[Tensor]


@dataclass(frozen=True, kw_only=True)
class TrustRegion:
    """How far a step may go, and how it is found."""

    max_divergence: float = 0.01
    """Largest mean divergence from the policy that collected."""
    iterations: int = 10
    """Of conjugate gradients."""
    damping: float = 1e-2
    """Multiple of the identity added to the curvature."""
    curvature_share: float = 0.5
    """Of the tasks, those whose curvature the steps of conjugate gradients take, at least one;
    gradient and line search have all (Schulman et al. 2015, appendix C: a tenth of the data)."""
    max_backtracks: int = 10
    """Times that a step that fails is halved before it is given up."""


def conjugate_gradients(
    product: Callable[[Vector], Vector], target: Vector, iterations: int, tolerance: float = 1e-10
) -> tuple[Vector, Vector]:
    """Solve ``product(x) = target`` approximately, for a symmetric positive definite product.

    Args:
        product: The matrix.
        target: The right-hand side.
        iterations: Products taken at most.
        tolerance: The squared residual at which it is solved, relative to that of ``x = 0``.

    Returns:
        x, and the residual ``target - product(x)``.
    """
    solution = [torch.zeros_like(part) for part in target]
    residual = [part.clone() for part in target]
    direction = residual
    squared = first = _dot(residual, residual)
    for _ in range(iterations):
        if squared <= tolerance * first:
            break
        curved = product(direction)
        length = squared / _dot(direction, curved)
        solution = _along(solution, length, direction)
        residual = _along(residual, -length, curved)
        squared, before = _dot(residual, residual), squared
        direction = _along(residual, squared / before, direction)
    return solution, residual


def trust_region_step(
    parameters: Vector,
    gradient: Vector,
    product: Callable[[Vector], Vector],
    evaluate: Callable[[Vector], tuple[float, float]],
    objective: float,
    settings: TrustRegion,
) -> tuple[Vector, float]:
    """The longest step along the natural gradient that improves and stays within the region.

    Args:
        parameters: Where to start.
        gradient: Of the objective to maximise, there.
        product: Multiplies by the divergence's Hessian there.
        evaluate: From parameters to the objective and the divergence.
        objective: Its value at the start.
        settings: The region.

    Returns:
        New parameters and their divergence; the old ones and 0 where no step is good.
    """

    def damped(vector: Vector) -> Vector:
        return _along(product(vector), settings.damping, vector)

    direction, residual = conjugate_gradients(damped, gradient, settings.iterations)
    # What the damped Hessian makes of the direction is known from the residual.
    curvature = _dot(direction, gradient) - _dot(direction, residual)
    if not curvature > 0:
        return parameters, 0.0
    length = (2 * settings.max_divergence / curvature) ** 0.5
    for _ in range(settings.max_backtracks + 1):
        candidate = _along(parameters, length, direction)
        reached, divergence = evaluate(candidate)
        if reached > objective and divergence <= settings.max_divergence:
            return candidate, divergence
        length *= 0.5
    return parameters, 0.0


def _dot(one: Vector, other: Vector) -> float:
    return sum(float((a * b).sum()) for a, b in zip(one, other, strict=True))


def _along(start: Vector, length: float, direction: Vector) -> Vector:
    return [part + length * step for part, step in zip(start, direction, strict=True)]
