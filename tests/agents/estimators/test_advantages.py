"""Advantages and returns against direct sums."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.estimators.advantages import bootstrapped_return, discounts, gae, power_matrix
from agents.estimators.tabular_mdp import exact_value, state_values


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("trace_decay", [0.0, 0.6, 1.0])
def test_gae_is_the_double_sum(trace_decay: float) -> None:
    rewards, values = draw(3, 5), draw(3, 6, seed=1)
    actual = gae(rewards, values, gamma=0.9, trace_decay=trace_decay)
    for row in range(3):
        for start in range(5):
            expected = sum(
                (0.9 * trace_decay) ** (k - start)
                * float(rewards[row, k] + 0.9 * values[row, k + 1] - values[row, k])
                for k in range(start, 5)
            )
            assert float(actual[row, start]) == pytest.approx(expected, abs=1e-12)


def test_without_critic_advantages_are_returns() -> None:
    rewards = draw(4)
    expected = [sum(0.9 ** (k - t) * float(rewards[k]) for k in range(t, 4)) for t in range(4)]
    assert gae(rewards, gamma=0.9).tolist() == pytest.approx(expected, abs=1e-12)
    assert float(bootstrapped_return(rewards, gamma=0.9)) == pytest.approx(expected[0], abs=1e-12)


def test_bootstrapped_return_is_the_return_and_the_last_value() -> None:
    rewards, values = draw(4), draw(5, seed=1)
    expected = sum(0.9**t * float(rewards[t]) for t in range(4)) + 0.9**4 * float(values[4])
    actual = float(bootstrapped_return(rewards, values, gamma=0.9))
    assert actual == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("on_policy", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("with_critic", [False, True], ids=["returns", "critic"])
def test_expected_return_is_the_value_of_the_behaviour_policy(
    process: Any, on_policy: bool, with_critic: bool
) -> None:
    law = process.probabilities(on_policy)
    values = process.values() if with_critic else None
    expected = law @ process.offset(values)
    torch.testing.assert_close(
        expected, exact_value(process.mdp, process.acting(on_policy), 3), rtol=0, atol=1e-12
    )


def test_bootstrap_makes_a_cut_trajectory_worth_an_endless_one(process: Any) -> None:
    critic = state_values(process.mdp, process.acting(True)).expand(4, 2)
    torch.testing.assert_close(
        process.probabilities() @ process.offset(process.values(critic)),
        exact_value(process.mdp, process.acting(True)),
        rtol=0,
        atol=1e-12,
    )


def test_padding_begins_after_the_bootstrap_and_may_hold_anything() -> None:
    rewards, values = draw(4), draw(5, seed=1)
    filler = torch.tensor([math.nan, math.inf], dtype=torch.float64)
    mask = torch.tensor([True] * 4 + [False] * 2)
    padded = torch.cat([rewards, filler]), torch.cat([values, filler])
    advantages = gae(*padded, gamma=0.9, trace_decay=0.7, mask=mask)
    assert advantages[4:].tolist() == [0, 0]
    torch.testing.assert_close(advantages[:4], gae(rewards, values, gamma=0.9, trace_decay=0.7))
    torch.testing.assert_close(
        bootstrapped_return(*padded, gamma=0.9, mask=mask),
        bootstrapped_return(rewards, values, gamma=0.9),
    )


@pytest.mark.parametrize("trace_decay", [0.0, 0.6])
def test_gae_is_differentiable_in_discount_trace_rewards_and_values(trace_decay: float) -> None:
    inputs = (
        draw(2, 4).requires_grad_(),
        draw(2, 5, seed=1).requires_grad_(),
        torch.tensor(0.8, dtype=torch.float64, requires_grad=True),
        torch.tensor(trace_decay, dtype=torch.float64, requires_grad=True),
    )

    def advantages(rewards: Tensor, values: Tensor, gamma: Tensor, decay: Tensor) -> Tensor:
        return gae(rewards, values, gamma=gamma, trace_decay=decay)

    assert torch.autograd.gradcheck(advantages, inputs)
    assert torch.autograd.gradgradcheck(advantages, inputs)


def test_powers_keep_dtype() -> None:
    for dtype in (torch.float32, torch.float64):
        like = torch.zeros(2, 3, dtype=dtype)
        assert discounts(0.5, like).dtype == dtype
        assert discounts(0.5, like).tolist() == [1, 0.5, 0.25]
        assert power_matrix(0.5, like).tolist() == [[1, 0.5, 0.25], [0, 1, 0.5], [0, 0, 1]]


@pytest.mark.parametrize(
    ("rewards", "values", "error", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 3), ValueError, r"values must have shape \(2, 4\)"),
        (torch.zeros(3), torch.zeros(4).double(), TypeError, "the dtype of the rewards"),
        (torch.zeros(3).long(), None, TypeError, "rewards must be floating"),
        (torch.tensor(1.0), None, ValueError, "at least one step"),
    ],
)
def test_bad_arguments_are_refused(
    rewards: Tensor, values: Tensor | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gae(rewards, values, gamma=0.9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_is_computed_where_the_inputs_are(dtype: torch.dtype) -> None:
    """On a device without data, any tensor made elsewhere would be refused."""
    rewards = torch.empty(2, 3, 5, dtype=dtype, device="meta")
    values = torch.empty(2, 3, 6, dtype=dtype, device="meta")
    advantages = gae(rewards, values, gamma=0.9, trace_decay=0.5, mask=rewards > 0)
    assert (advantages.shape, advantages.dtype) == (rewards.shape, dtype)
    returns = bootstrapped_return(rewards, values, gamma=0.9, mask=rewards > 0)
    assert (returns.shape, returns.dtype, returns.device.type) == ((2, 3), dtype, "meta")
