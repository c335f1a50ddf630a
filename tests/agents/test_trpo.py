"""Trust region: against dense algebra."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.trpo import TrustRegion, conjugate_gradients, trust_region_step


def quadratic(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return root @ root.T + torch.eye(size), torch.randn(
        size, generator=generator, dtype=torch.float64
    )


def test_conjugate_gradients_solve_and_know_their_residual() -> None:
    matrix, target = quadratic(6)
    for iterations in (2, 6):
        (solution,), (residual,) = conjugate_gradients(
            lambda vector: [matrix @ vector[0]], [target], iterations
        )
        torch.testing.assert_close(residual, target - matrix @ solution)
    torch.testing.assert_close(solution, torch.linalg.solve(matrix, target))


def test_a_step_ends_at_the_region_and_a_bad_one_is_not_taken() -> None:
    matrix, slope = quadratic(4)
    settings = TrustRegion(max_divergence=0.02, iterations=4, damping=0.0)

    def evaluate(candidate: list[Tensor]) -> tuple[float, float]:
        (step,) = candidate
        return float(slope @ step), float(0.5 * step @ matrix @ step) * (1 - 1e-9)

    start = [torch.zeros(4, dtype=torch.float64)]
    (reached,), divergence = trust_region_step(
        start, [slope], lambda vector: [matrix @ vector[0]], evaluate, 0.0, settings
    )
    assert abs(divergence - 0.02) < 1e-6
    torch.testing.assert_close(
        reached / reached.norm(),
        torch.nn.functional.normalize(torch.linalg.solve(matrix, slope), dim=0),
    )
    stayed, divergence = trust_region_step(
        start, [slope], lambda vector: [matrix @ vector[0]], evaluate, 1e9, settings
    )
    assert stayed is start and divergence == 0.0
