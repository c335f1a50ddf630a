"""The loss of PPO at the last layer of a policy, and its gradient there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents import policy_kernels
from agents.distributions import Categorical
from agents.policies import PolicyHead
from agents.ppo import clipped_surrogate

__all__ = ["LossWeights", "PPOSteps", "ppo_loss"]


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What the loss is made of beside the policy's part."""

    clip: float
    """Of the probability ratio."""
    value: float
    """Weight of the squared error of the values."""
    entropy: float
    """Weight of the entropy bonus."""


@dataclass(frozen=True, kw_only=True)
class PPOSteps:
    """Steps that were taken, without gradients."""

    actions: Tensor
    """(steps, ...)"""
    log_probabilities: Tensor
    """Of the actions, when they were taken (steps,)."""
    advantages: Tensor
    """(steps,)"""
    returns: Tensor
    """What the values should be (steps,)."""


def ppo_loss(
    action: PolicyHead, value: nn.Linear, features: Tensor, steps: PPOSteps, weights: LossWeights
) -> tuple[Tensor, Tensor]:
    """The loss and what it is made of, both summed over the steps.

    Actions by category on a CPU have a compiled function for it, equal to rounding.

    Args:
        action: Head for the action.
        value: Head for the value.
        features: (steps, width)
        steps: What was done there.
        weights: Of the parts.

    Returns:
        The loss, and losses of policy and value, entropy and divergence (4,) without gradient.
    """
    if isinstance(action.distribution, Categorical) and features.device.type == "cpu":
        weight = torch.cat([action.layer.weight, value.weight])
        bias = torch.cat([action.layer.bias, value.bias])
        loss, terms = _CategoricalLoss.apply(  # type: ignore[no-untyped-call]
            features, weight, bias, steps, weights
        )
        return loss, terms
    log_probabilities, entropies = action.evaluate(features, steps.actions)
    old = steps.log_probabilities
    surrogate = clipped_surrogate(log_probabilities, old, steps.advantages, weights.clip)
    errors = value(features)[:, 0] - steps.returns
    parts = (-surrogate, errors.square(), entropies, (old - log_probabilities).detach())
    terms = torch.stack([part.sum() for part in parts])
    loss = terms[0] + weights.value * terms[1] - weights.entropy * terms[2]
    return loss, terms.detach()


class _CategoricalLoss(torch.autograd.Function):
    """Loss and gradient in one pass: each step's features are read once."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        steps: PPOSteps,
        weights: LossWeights,
    ) -> tuple[Tensor, Tensor]:
        """Shapes: (steps, width), (actions + 1, width) with the value last, (actions + 1,)."""
        of_features = torch.empty_like(features)
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        terms = np.zeros(4)
        arrays = (
            features, weight, bias, steps.actions, steps.log_probabilities, steps.advantages,
            steps.returns, of_features, of_weight, of_bias, torch.empty_like(bias),
        )  # fmt: skip
        number = of_bias.numpy().dtype.type
        policy_kernels.categorical_loss(
            *(array.detach().contiguous().numpy() for array in arrays),
            number(weights.clip),
            number(weights.value),
            number(weights.entropy),
            terms,
        )
        ctx.save_for_backward(of_features, of_weight, of_bias)
        loss = terms[0] + weights.value * terms[1] - weights.entropy * terms[2]
        told = torch.as_tensor(terms, dtype=features.dtype)
        ctx.mark_non_differentiable(told)
        return features.new_tensor(loss), told

    @staticmethod
    def backward(ctx: Any, of_loss: Tensor, _: Tensor) -> Any:
        """Gradients of the features, weight and bias."""
        return *(of_loss * gradient for gradient in ctx.saved_tensors), None, None
