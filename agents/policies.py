"""The last layer of a policy: from features to a distribution of actions."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from agents.distributions import Gaussian, distribution_of
from agents.networks import linear

__all__ = ["PolicyHead"]

SMALL_GAIN = 0.01


class PolicyHead(nn.Module):
    """A linear layer to logits or means; a Gaussian's deviation is learned, the same anywhere.

    Args:
        width: Of the features.
        action_space: ``Discrete`` (from 0) or ``Box``; TypeError for others.
        generator: Source of the initial weights.
    """

    def __init__(
        self, width: int, action_space: gym.Space[Any], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.distribution = distribution_of(action_space)
        self.layer = linear(width, self.distribution.num_means, SMALL_GAIN, generator)
        if isinstance(self.distribution, Gaussian):
            self.log_deviation = nn.Parameter(torch.zeros(self.distribution.num_dimensions))

    def outputs(self, features: Tensor) -> Tensor:
        """What the distribution's functions take, from features (n, width)."""
        means: Tensor = self.layer(features)
        if isinstance(self.distribution, Gaussian):
            return torch.cat([means, self.log_deviation.expand_as(means)], -1)
        return means

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        """What :meth:`sample` draws the actions of ``rows`` rows with."""
        return self.distribution.noise((rows,), generator)

    def sample(self, features: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Actions (n, ...) and their log-probabilities (n,); the most probable without noise."""
        outputs = self.outputs(features)
        if noise is None:
            actions = self.distribution.mode(outputs)
        else:
            actions = self.distribution.sample(outputs, noise)
        return actions, self.distribution.log_probabilities(outputs, actions)

    def evaluate(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of ``actions`` (n,), and entropies (n,)."""
        outputs = self.outputs(features)
        log_probabilities = self.distribution.log_probabilities(outputs, actions)
        return log_probabilities, self.distribution.entropies(outputs)
