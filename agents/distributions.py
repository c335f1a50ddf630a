"""Action distributions as functions of a network's outputs, whatever parameters these came from.

``outputs`` have the numbers of one action last, after any leading dimensions: logits of a
categorical action; means, then logarithms of the deviations, of a Gaussian one. All functions are
differentiable in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

__all__ = ["Categorical", "Distribution", "Gaussian", "distribution_of"]


@dataclass(frozen=True)
class Categorical:
    """One of ``num_actions`` actions, int64 without dimensions."""

    num_actions: int

    @property
    def num_means(self) -> int:
        """Numbers that a network's last layer gives."""
        return self.num_actions

    @property
    def num_normals(self) -> None:
        """Normal numbers in the noise of an action; None for one uniform number."""

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """What :meth:`sample` draws with: uniform on [0, 1), of ``shape``."""
        return torch.rand(shape, generator=generator, device=generator.device)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable actions (...) int64."""
        return outputs.argmax(-1)

    def sample(self, outputs: Tensor, noise: Tensor, deviations: Tensor | None = None) -> Tensor:
        """Actions (...) int64 from outputs (..., num_actions) and noise (...)."""
        passed = outputs.softmax(-1).cumsum(-1) <= noise[..., None]
        return passed.sum(-1).clamp(max=self.num_actions - 1)

    def log_probabilities(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """Log-probabilities (...) of ``actions`` (...)."""
        return outputs.log_softmax(-1).gather(-1, actions[..., None])[..., 0]

    def entropies(self, outputs: Tensor) -> Tensor:
        """Entropies (...)."""
        log_probabilities = outputs.log_softmax(-1)
        return -(log_probabilities.exp() * log_probabilities).sum(-1)

    def divergences(self, old: Tensor, outputs: Tensor) -> Tensor:
        """``KL(old || new)`` (...), of two outputs of one shape."""
        old_logs = old.log_softmax(-1)
        return (old_logs.exp() * (old_logs - outputs.log_softmax(-1))).sum(-1)

    def curvature(self, outputs: Tensor, direction: Tensor) -> Tensor:
        """The Hessian of :meth:`divergences` where old and new are equal, times ``direction``."""
        probabilities = outputs.softmax(-1)
        weighted = probabilities * direction
        return weighted - probabilities * weighted.sum(-1, keepdim=True)


@dataclass(frozen=True)
class Gaussian:
    """A vector of ``num_dimensions`` independent numbers, float32.

    Actions outside the box are the environment's to clip.
    """

    num_dimensions: int

    @property
    def num_means(self) -> int:
        """Numbers that a network's last layer gives; the deviations are parameters beside it."""
        return self.num_dimensions

    @property
    def num_normals(self) -> int:
        """Normal numbers in the noise of an action."""
        return self.num_dimensions

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """What :meth:`sample` draws with: standard normal, (*shape, num_dimensions)."""
        shape = (*shape, self.num_dimensions)
        return torch.randn(shape, generator=generator, device=generator.device)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable actions (..., num_dimensions)."""
        return outputs.chunk(2, -1)[0]

    def sample(self, outputs: Tensor, noise: Tensor, deviations: Tensor | None = None) -> Tensor:
        """Actions (..., num_dimensions) from outputs and noise.

        With ``deviations`` given, the outputs are the means alone.
        """
        if deviations is not None:
            return torch.addcmul(outputs, noise, deviations)
        mean, log_deviation = outputs.chunk(2, -1)
        return torch.addcmul(mean, noise, log_deviation.exp())

    def log_probabilities(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """Log-probabilities (...) of ``actions`` (..., num_dimensions)."""
        mean, log_deviation = outputs.chunk(2, -1)
        scaled = (actions - mean) * (-log_deviation).exp()
        constant = 0.5 * math.log(2 * math.pi)
        return -(0.5 * scaled * scaled + log_deviation + constant).sum(-1)

    def entropies(self, outputs: Tensor) -> Tensor:
        """Entropies (...)."""
        log_deviation = outputs.chunk(2, -1)[1]
        return (log_deviation + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def divergences(self, old: Tensor, outputs: Tensor) -> Tensor:
        """``KL(old || new)`` (...), of two outputs of one shape."""
        old_mean, old_log = old.chunk(2, -1)
        mean, log_deviation = outputs.chunk(2, -1)
        spread = (2 * old_log).exp() + (old_mean - mean).square()
        return (log_deviation - old_log + 0.5 * (spread * (-2 * log_deviation).exp() - 1)).sum(-1)

    def curvature(self, outputs: Tensor, direction: Tensor) -> Tensor:
        """The Hessian of :meth:`divergences` where old and new are equal, times ``direction``."""
        mean_part, log_part = direction.chunk(2, -1)
        log_deviation = outputs.chunk(2, -1)[1]
        return torch.cat([mean_part * (-2 * log_deviation).exp(), 2 * log_part], -1)


Distribution = Categorical | Gaussian


def distribution_of(action_space: gym.Space[Any]) -> Distribution:
    """The distribution that fits; TypeError for other than Discrete (from 0) and Box."""
    if isinstance(action_space, gym.spaces.Discrete) and action_space.start == 0:
        return Categorical(int(action_space.n))
    if isinstance(action_space, gym.spaces.Box):
        return Gaussian(int(np.prod(action_space.shape)))
    raise TypeError(f"Expected a Discrete (from 0) or Box action space, got {action_space}.")
