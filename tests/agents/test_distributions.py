"""Distributions as functions of outputs, against torch.distributions and their own derivatives."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch
from torch import Tensor

from agents.distributions import Categorical, Distribution, Gaussian, distribution_of

CASES = [Categorical(4), Gaussian(3)]


def outputs_of(distribution: Distribution, seed: int) -> Tensor:
    size = 4 if isinstance(distribution, Categorical) else 6
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 5, size, generator=generator, dtype=torch.float64)


def reference(distribution: Distribution, outputs: Tensor) -> torch.distributions.Distribution:
    if isinstance(distribution, Categorical):
        return torch.distributions.Categorical(logits=outputs)
    mean, log_deviation = outputs.chunk(2, -1)
    normal = torch.distributions.Normal(mean, log_deviation.exp())
    return torch.distributions.Independent(normal, 1)


@pytest.mark.parametrize("distribution", CASES)
def test_against_torch(distribution: Distribution) -> None:
    old, new = outputs_of(distribution, 0), outputs_of(distribution, 1)
    expected = reference(distribution, new)
    noise = distribution.noise((2, 5), torch.Generator().manual_seed(2)).double()
    actions = distribution.sample(new, noise)
    torch.testing.assert_close(
        distribution.log_probabilities(new, actions), expected.log_prob(actions)
    )
    torch.testing.assert_close(distribution.entropies(new), expected.entropy())
    divergence = torch.distributions.kl_divergence(reference(distribution, old), expected)
    torch.testing.assert_close(distribution.divergences(old, new), divergence)


@pytest.mark.parametrize("distribution", CASES)
def test_curvature_is_the_divergence_s_hessian(distribution: Distribution) -> None:
    outputs = outputs_of(distribution, 0)[0, 0]
    slope = torch.func.grad(lambda new: distribution.divergences(outputs, new))
    hessian = torch.func.jacrev(slope)(outputs)
    direction = outputs_of(distribution, 1)[0, 0]
    torch.testing.assert_close(distribution.curvature(outputs, direction), hessian @ direction)


@pytest.mark.parametrize("distribution", CASES)
def test_samples_have_the_distribution(distribution: Distribution) -> None:
    outputs = outputs_of(distribution, 0)[:1, :1].expand(1, 40_000, -1)
    noise = distribution.noise((1, 40_000), torch.Generator().manual_seed(3)).double()
    actions = distribution.sample(outputs, noise)[0]
    if isinstance(distribution, Categorical):
        shares = torch.bincount(actions, minlength=4) / 40_000
        torch.testing.assert_close(shares.double(), outputs[0, 0].softmax(-1), rtol=0, atol=0.015)
    else:
        mean, log_deviation = outputs[0, 0].chunk(2)
        scaled = (actions - mean) / log_deviation.exp()
        torch.testing.assert_close(scaled.mean(0), torch.zeros(3).double(), rtol=0, atol=0.03)
        torch.testing.assert_close(scaled.std(0), torch.ones(3).double(), rtol=0, atol=0.03)


def test_spaces_that_fit_no_distribution_are_refused() -> None:
    with pytest.raises(TypeError, match="Discrete"):
        distribution_of(gym.spaces.MultiBinary(3))
    with pytest.raises(TypeError, match="from 0"):
        distribution_of(gym.spaces.Discrete(3, start=1))
