"""The encoder's look-up equals a linear layer on one-hot vectors; heads against torch."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents.networks import TrialEncoder
from agents.policies import PolicyHead

GENERATOR = torch.Generator().manual_seed(0)


def test_encoder_equals_a_linear_layer_on_the_flat_inputs() -> None:
    space = gym.spaces.MultiDiscrete([3, 5], dtype=np.int64)
    encoder = TrialEncoder(space, gym.spaces.Discrete(4), 6, GENERATOR)
    inputs = {
        "observation": torch.tensor([[2, 4], [0, 1]]),
        "previous_action": torch.tensor([0, 3]),
        "previous_reward": torch.tensor([[0.0], [1.5]]),
        "episode_end": torch.tensor([0, 1]),
    }
    flat = torch.zeros(2, 3 + 5 + 5 + 2)
    flat[0, [2, 3 + 4, 8 + 0]] = 1
    flat[1, [0, 3 + 1, 8 + 3]] = 1
    flat[1, 13:] = torch.tensor([1.5, 1.0])
    weights = torch.cat([encoder.table, encoder.values])
    expected = torch.relu(flat @ weights + encoder.bias)
    torch.testing.assert_close(encoder(*encoder.prepare(inputs)), expected)


def test_encoder_scales_images_and_takes_continuous_actions() -> None:
    space = gym.spaces.Box(0, 255, (2, 2, 3), np.uint8)
    encoder = TrialEncoder(space, gym.spaces.Box(-1, 1, (2,)), 4, GENERATOR)
    inputs = {
        "observation": torch.full((1, 2, 2, 3), 255, dtype=torch.uint8),
        "previous_action": torch.tensor([[0.5, -0.5]]),
        "previous_reward": torch.zeros(1, 1),
        "episode_end": torch.zeros(1),
    }
    indices, values = encoder.prepare(inputs)
    assert indices.shape == (1, 0)
    assert values[0, 2:14].tolist() == [1.0] * 12
    assert encoder(indices, values).shape == (1, 4)


def test_spaces_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="MultiDiscrete or Box observation"):
        TrialEncoder(gym.spaces.Text(3), gym.spaces.Discrete(2), 4, GENERATOR)
    with pytest.raises(TypeError, match=r"Discrete \(from 0\) or Box action"):
        PolicyHead(4, gym.spaces.MultiBinary(3), GENERATOR)


def test_categorical_against_torch() -> None:
    policy = PolicyHead(5, gym.spaces.Discrete(3), GENERATOR)
    features = torch.randn(64, 5)
    actions, log_probabilities = policy.sample(
        features, policy.noise(len(features), torch.Generator().manual_seed(1))
    )
    reference = torch.distributions.Categorical(logits=policy.layer(features))
    torch.testing.assert_close(log_probabilities, reference.log_prob(actions))
    again, entropies = policy.evaluate(features, actions)
    torch.testing.assert_close(again, log_probabilities)
    torch.testing.assert_close(entropies, reference.entropy())
    greedy, _ = policy.sample(features, None)
    assert torch.equal(greedy, policy.layer(features).argmax(-1))


def test_gaussian_against_torch() -> None:
    policy = PolicyHead(5, gym.spaces.Box(-1, 1, (2,)), GENERATOR)
    with torch.no_grad():
        policy.log_deviation.copy_(torch.tensor([0.3, -0.7]))
    features = torch.randn(64, 5)
    actions, log_probabilities = policy.sample(
        features, policy.noise(len(features), torch.Generator().manual_seed(1))
    )
    normal = torch.distributions.Normal(policy.layer(features), policy.log_deviation.exp())
    torch.testing.assert_close(log_probabilities, normal.log_prob(actions).sum(-1))
    again, entropies = policy.evaluate(features, actions)
    torch.testing.assert_close(again, log_probabilities)
    torch.testing.assert_close(entropies, normal.entropy().sum(-1))
    torch.testing.assert_close(policy.sample(features, None)[0], policy.layer(features))
