"""The clipped surrogate at its landmarks."""

from __future__ import annotations

import math

import pytest
import torch

from agents.ppo import clipped_surrogate, standardise


def test_gradient_at_the_old_policy_is_the_policy_gradient() -> None:
    old = torch.tensor([-1.0, -2.0, -0.5], dtype=torch.float64)
    new = old.clone().requires_grad_()
    advantages = torch.tensor([1.0, -3.0, 2.0], dtype=torch.float64)
    clipped_surrogate(new, old, advantages, 0.2).sum().backward()
    torch.testing.assert_close(new.grad, advantages)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [(1.5, 1.0, 1.2), (1.5, -1.0, -1.5), (0.5, 1.0, 0.5), (0.5, -1.0, -0.8), (1.1, 2.0, 2.2)],
)
def test_clipping_is_pessimistic(ratio: float, advantage: float, expected: float) -> None:
    value = clipped_surrogate(
        torch.tensor([math.log(ratio)]), torch.zeros(1), torch.tensor([advantage]), 0.2
    )
    assert float(value) == pytest.approx(expected, abs=1e-6)


def test_standardise() -> None:
    result = standardise(torch.tensor([1.0, 2.0, 6.0]))
    assert float(result.mean()) == pytest.approx(0, abs=1e-6)
    assert float(result.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert standardise(torch.full((3,), 5.0)).abs().max() == 0
