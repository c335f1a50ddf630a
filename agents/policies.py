"""Action distributions on top of features: categorical and Gaussian."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from agents.networks import linear

__all__ = ["CategoricalPolicy", "GaussianPolicy", "policy_head"]

SMALL_GAIN = 0.01


class CategoricalPolicy(nn.Module):
    """Logits of a ``Discrete`` action from features (n, width)."""

    def __init__(self, width: int, num_actions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.logits = linear(width, num_actions, SMALL_GAIN, generator)

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        """What ``sample`` draws actions with: uniform on [0, 1), (rows,)."""
        return torch.rand(rows, generator=generator, device=generator.device)

    def sample(self, features: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Actions (n,) int64 and their log-probabilities (n,); the mode without noise."""
        log_probabilities = self.logits(features).log_softmax(-1)
        if noise is None:
            actions = log_probabilities.argmax(-1, keepdim=True)
        else:
            passed = log_probabilities.exp().cumsum(-1) <= noise[:, None]
            actions = passed.sum(-1, keepdim=True).clamp(max=passed.shape[1] - 1)
        return actions[:, 0], log_probabilities.gather(1, actions)[:, 0]

    def evaluate(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of ``actions`` (n,), and entropies (n,)."""
        log_probabilities = self.logits(features).log_softmax(-1)
        chosen = log_probabilities.gather(1, actions[:, None])[:, 0]
        return chosen, -(log_probabilities.exp() * log_probabilities).sum(-1)


class GaussianPolicy(nn.Module):
    """Mean of a ``Box`` action from features, with a learned deviation that is the same anywhere.

    Actions outside the box are the environment's to clip.
    """

    def __init__(self, width: int, num_dimensions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.mean = linear(width, num_dimensions, SMALL_GAIN, generator)
        self.log_deviation = nn.Parameter(torch.zeros(num_dimensions))

    def _log_probabilities(self, mean: Tensor, actions: Tensor) -> Tensor:
        scaled = (actions - mean) / self.log_deviation.exp()
        constant = self.log_deviation.sum() + 0.5 * mean.shape[1] * math.log(2 * math.pi)
        return -0.5 * (scaled * scaled).sum(-1) - constant

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        """What ``sample`` draws actions with: standard normal, (rows, dimensions)."""
        shape = (rows, len(self.log_deviation))
        return torch.randn(shape, generator=generator, device=generator.device)

    def sample(self, features: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Actions (n, dimensions), log-probabilities (n,); the mean without noise."""
        mean = self.mean(features)
        actions = mean if noise is None else mean + noise * self.log_deviation.exp()
        return actions, self._log_probabilities(mean, actions)

    def evaluate(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of ``actions`` (n,), and entropies (n,)."""
        mean = self.mean(features)
        entropy = self.log_deviation.sum() + 0.5 * mean.shape[1] * math.log(2 * math.pi * math.e)
        return self._log_probabilities(mean, actions), entropy.expand(mean.shape[0])


def policy_head(
    action_space: gym.Space[Any], width: int, generator: torch.Generator
) -> CategoricalPolicy | GaussianPolicy:
    """The distribution that fits ``action_space``; TypeError for other than Discrete and Box."""
    if isinstance(action_space, gym.spaces.Discrete):
        return CategoricalPolicy(width, int(action_space.n), generator)
    if isinstance(action_space, gym.spaces.Box):
        return GaussianPolicy(width, int(np.prod(action_space.shape)), generator)
    raise TypeError(f"Expected a Discrete or Box action space, got {action_space}.")
