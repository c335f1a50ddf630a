"""The compiled loss of categorical actions against the one by PyTorch's operations."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch
from torch import Tensor, nn

from agents import ppo_loss as module
from agents.policies import PolicyHead
from agents.ppo_loss import LossWeights, PPOSteps, ppo_loss

STEPS, WIDTH, ACTIONS = 200, 12, 4
WEIGHTS = LossWeights(clip=0.2, value=0.5, entropy=0.03)


def heads(dtype: torch.dtype) -> tuple[PolicyHead, nn.Linear]:
    generator = torch.Generator().manual_seed(0)
    action = PolicyHead(WIDTH, gym.spaces.Discrete(ACTIONS), generator)
    with torch.no_grad():
        # The head starts near zero; here its differences shall show.
        action.layer.weight.normal_(generator=generator)
    return action.to(dtype), nn.Linear(WIDTH, 1, dtype=dtype)


def taken_steps(dtype: torch.dtype) -> PPOSteps:
    """Ratios within and beyond the bounds on either side, advantages of both signs."""
    generator = torch.Generator().manual_seed(1)
    log_probabilities, advantages, returns = torch.randn(3, STEPS, generator=generator, dtype=dtype)
    return PPOSteps(
        actions=torch.randint(ACTIONS, (STEPS,), generator=generator),
        log_probabilities=-1.4 + log_probabilities,
        advantages=advantages,
        returns=returns,
    )


def gradients(
    action: PolicyHead, value: nn.Linear, features: Tensor, steps: PPOSteps
) -> tuple[Tensor, Tensor, list[Tensor]]:
    loss, terms = ppo_loss(action, value, features, steps, WEIGHTS)
    parameters = [features, *action.parameters(), *value.parameters()]
    return loss, terms, list(torch.autograd.grad(3 * loss, parameters))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
def test_equals_the_operations(
    dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    action, value = heads(dtype)
    features = torch.randn(
        STEPS, WIDTH, generator=torch.Generator().manual_seed(2), dtype=dtype
    ).requires_grad_()
    steps = taken_steps(dtype)
    loss, terms, compiled = gradients(action, value, features, steps)
    monkeypatch.setattr(module, "Categorical", ())  # no distribution is one
    expected_loss, expected_terms, expected = gradients(action, value, features, steps)
    torch.testing.assert_close(loss, expected_loss, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(terms, expected_terms, rtol=tolerance, atol=tolerance)
    for one, other in zip(compiled, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_nan_in_the_weights_is_seen() -> None:
    action, value = heads(torch.float32)
    with torch.no_grad():
        action.layer.bias[1] = torch.nan
    loss, _, of_parameters = gradients(
        action, value, torch.randn(STEPS, WIDTH).requires_grad_(), taken_steps(torch.float32)
    )
    assert loss.isnan()
    assert of_parameters[0].isnan().all()
