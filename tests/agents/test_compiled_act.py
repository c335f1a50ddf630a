"""The compiled step of a policy against the modules it is made of."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from agents.rl2 import RL2Policy
from agents.rollouts import Act, Inputs

ROWS, SIZE = 11, 12
OBSERVATIONS: dict[str, gym.Space] = {
    "codes": gym.spaces.MultiDiscrete([3, 5, 4]),
    "values": gym.spaces.Box(-1, 1, (4,)),
}


def new_policy(observation_space: gym.Space) -> RL2Policy:
    generator = torch.Generator().manual_seed(0)
    policy = RL2Policy(observation_space, gym.spaces.Discrete(6), SIZE, generator)
    with torch.no_grad():
        # The heads start near zero; here their differences shall show.
        policy.action.layer.weight.normal_(generator=generator)
    return policy


def uniforms() -> Tensor:
    return torch.rand(ROWS, generator=torch.Generator().manual_seed(2))


def make_inputs(observation_space: gym.Space) -> Inputs:
    observation_space.seed(0)
    random = np.random.default_rng(0)
    return {
        "observation": torch.as_tensor(np.stack([observation_space.sample() for _ in range(ROWS)])),
        "previous_action": torch.as_tensor(random.integers(7, size=ROWS)),
        "previous_reward": torch.as_tensor(random.normal(size=(ROWS, 1)).astype(np.float32)),
        "episode_end": torch.as_tensor(random.integers(2, size=ROWS)),
    }


@pytest.mark.parametrize("greedy", [False, True])
@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_equals_the_modules(kind: str, greedy: bool) -> None:
    policy = new_policy(OBSERVATIONS[kind])
    inputs = make_inputs(OBSERVATIONS[kind])
    hidden = torch.randn(ROWS, SIZE, generator=torch.Generator().manual_seed(1))
    noise = None if greedy else uniforms()
    expected = policy.act(inputs, hidden, noise)
    act: Act = policy.acting()
    results = act(inputs, hidden, np.ones(ROWS, np.bool_), noise)
    assert torch.equal(results[0], expected[0])
    assert len(expected[0].unique()) > 2
    for result, other in zip(results[1:], expected[1:], strict=True):
        torch.testing.assert_close(result, other, rtol=1e-5, atol=2e-6)


def test_rows_do_not_depend_on_which_others_are_active() -> None:
    policy = new_policy(OBSERVATIONS["codes"])
    inputs = make_inputs(OBSERVATIONS["codes"])
    hidden = torch.zeros(ROWS, SIZE)
    everyone = policy.acting()(inputs, hidden, np.ones(ROWS, np.bool_), uniforms())
    some = np.arange(ROWS) % 3 != 1
    chosen = policy.acting()(inputs, hidden, some, uniforms())
    for one, other in zip(everyone, chosen, strict=True):
        assert torch.equal(one[some], other[some])


def test_nan_in_the_weights_is_seen() -> None:
    policy = new_policy(OBSERVATIONS["codes"])
    with torch.no_grad():
        policy.memory.hidden_bias[0] = torch.nan
    inputs = make_inputs(OBSERVATIONS["codes"])
    _, log_probabilities, values, _ = policy.acting()(
        inputs, torch.zeros(ROWS, SIZE), np.ones(ROWS, np.bool_), None
    )
    assert log_probabilities.isnan().all()
    assert values.isnan().all()
