"""Exact values and derivatives against power series, complex steps and enumeration."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.estimators.surrogate import surrogate
from agents.estimators.tabular_mdp import (
    TabularMDP,
    action_values,
    exact_gradient,
    exact_hessian,
    exact_score_surrogate,
    exact_taypo,
    exact_value,
    finite_horizon_action_values,
    finite_horizon_state_values,
    state_values,
)

HORIZONS = pytest.mark.parametrize("horizon", [3, math.inf])


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def table(mdp: TabularMDP, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(mdp.rewards.shape, generator=generator, dtype=torch.float64)


def complex_value(mdp: TabularMDP, logits: np.ndarray, horizon: float) -> complex:
    """The value by NumPy, for complex logits too."""
    policy = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    moves = np.einsum("ia,iaj->ij", policy, mdp.transitions.numpy())
    rewards = (policy * mdp.rewards.numpy()).sum(-1)
    if horizon == math.inf:
        values = np.linalg.solve(np.eye(len(moves)) - mdp.discount * moves, rewards)
    else:
        values = np.zeros(len(moves), complex)
        for _ in range(int(horizon)):
            values = rewards + mdp.discount * moves @ values
    return complex(mdp.initial.numpy() @ values)


def layered(mdp: TabularMDP, horizon: int) -> TabularMDP:
    """The finite horizon as an endless process: a copy of the states per step, then nothing."""
    states, actions = mdp.rewards.shape
    size = states * horizon + 1
    transitions = torch.zeros(size, actions, size, dtype=torch.float64)
    rewards = torch.zeros(size, actions, dtype=torch.float64)
    for time in range(horizon):
        here = slice(time * states, (time + 1) * states)
        rewards[here] = mdp.rewards
        if time == horizon - 1:
            transitions[here, :, -1] = 1
        else:
            transitions[here, :, (time + 1) * states : (time + 2) * states] = mdp.transitions
    transitions[-1, :, -1] = 1
    initial = torch.zeros(size, dtype=torch.float64)
    initial[:states] = mdp.initial
    return TabularMDP(transitions, rewards, initial, mdp.discount)


@HORIZONS
def test_value_is_the_series_of_discounted_rewards(mdp: TabularMDP, horizon: float) -> None:
    policy = table(mdp).softmax(-1)
    moves = torch.einsum("ia,iaj->ij", policy, mdp.transitions)
    law, expected = mdp.initial, 0.0
    for time in range(int(min(horizon, 200))):
        expected += 0.8**time * float(law @ (policy * mdp.rewards).sum(-1))
        law = law @ moves
    assert float(exact_value(mdp, policy, horizon)) == pytest.approx(expected, abs=1e-12)


def test_action_values_average_to_state_values(mdp: TabularMDP) -> None:
    policy = table(mdp).softmax(-1)
    close((policy * action_values(mdp, policy)).sum(-1), state_values(mdp, policy))
    finite = finite_horizon_state_values(mdp, policy, 4)
    close((policy * finite_horizon_action_values(mdp, policy, 4)).sum(-1), finite[:-1])
    assert (finite[-1] == 0).all()
    close(finite_horizon_state_values(mdp, policy, 150)[0], state_values(mdp, policy))


@HORIZONS
def test_closed_form_gradient_is_that_of_autograd_and_of_a_complex_step(
    mdp: TabularMDP, horizon: float
) -> None:
    logits = table(mdp)
    closed = exact_gradient(mdp, logits, horizon)
    close(
        closed,
        torch.func.grad(lambda entry: exact_value(mdp, entry.softmax(-1), horizon))(logits),
    )
    for index in np.ndindex(3, 2):
        moved = logits.numpy().astype(complex)
        moved[index] += 1e-30j
        slope = complex_value(mdp, moved, horizon).imag / 1e-30
        assert float(closed[index]) == pytest.approx(slope, abs=1e-12)


@HORIZONS
def test_hessian_is_symmetric_and_that_of_autograd(
    mdp: TabularMDP, horizon: float, differentiate: Any
) -> None:
    logits = table(mdp)
    hessian = exact_hessian(mdp, logits, horizon)
    close(hessian, hessian.permute(2, 3, 0, 1))
    second = differentiate(lambda entry: exact_value(mdp, entry.softmax(-1), horizon), logits)[2]
    close(hessian, second)
    assert hessian.norm() > 0.01


@HORIZONS
@pytest.mark.parametrize("order", [1, 2, 3])
def test_taypo_has_the_derivatives_of_the_value_up_to_its_order(
    mdp: TabularMDP, horizon: float, order: int
) -> None:
    logits = table(mdp)
    behaviour = logits.softmax(-1).detach()

    def expansion(entry: Tensor) -> Tensor:
        return exact_taypo(mdp, entry.softmax(-1), behaviour, order, horizon)

    def truth(entry: Tensor) -> Tensor:
        return exact_value(mdp, entry.softmax(-1), horizon)

    functions = [expansion, truth]
    for _ in range(order + 1):
        results = [function(logits) for function in functions]
        close(results[0], results[1])
        functions = [torch.func.jacrev(function) for function in functions]
    if order < 3:
        beyond = [function(logits) for function in functions]
        assert (beyond[0] - beyond[1]).norm() > 1e-3


def test_taypo_converges_off_policy(mdp: TabularMDP) -> None:
    behaviour = table(mdp).softmax(-1)
    policy = (table(mdp) + 0.2 * table(mdp, seed=1)).softmax(-1)
    truth = exact_value(mdp, policy)
    errors = [abs(float(exact_taypo(mdp, policy, behaviour, k) - truth)) for k in (1, 2, 4, 12)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[3] < 1e-12
    assert float(exact_taypo(mdp, policy, behaviour, 3, 3)) == pytest.approx(
        float(exact_value(mdp, policy, 3)), abs=1e-12
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_taypo_is_the_enumerated_surrogate_and_the_matrix_form_of_layers(
    process: Any, order: int
) -> None:
    policy = process.logits.softmax(-1)
    finite = exact_taypo(process.mdp, policy, process.behaviour, order, 3)
    sampled = process.offset(process.values()) + surrogate(
        process.logp(process.logits),
        process.advantages(process.values()),
        behaviour_logp=process.behaviour_logp(False),
        order=order,
        gamma=process.gamma,
    )
    close(finite, process.probabilities(False) @ sampled)

    def on_layers(entry: Tensor) -> Tensor:
        return torch.cat([entry.repeat(3, 1), torch.full((1, 2), 0.5, dtype=torch.float64)])

    endless = layered(process.mdp, 3)
    close(finite, exact_taypo(endless, on_layers(policy), on_layers(process.behaviour), order))


def test_score_is_the_enumerated_surrogate_and_the_matrix_form_of_layers(process: Any) -> None:
    """Under another behaviour policy, with a wrong critic and without."""
    policy = process.logits.softmax(-1)
    logp, law = process.logp(process.logits), process.probabilities(False)
    endless = layered(process.mdp, 3)
    padding = torch.full((1, 2), 0.5, dtype=torch.float64)

    def on_layers(entry: Tensor) -> Tensor:
        return torch.cat([entry.repeat(3, 1), padding])

    for values, critic in ((None, None), (process.values(), process.critic[:-1])):
        finite = exact_score_surrogate(process.mdp, policy, process.behaviour, critic, 3)
        advantages = process.advantages(values)
        sampled = surrogate(logp, advantages, order="score", gamma=process.gamma)
        close(finite, law @ sampled)
        flat = None if critic is None else torch.cat([critic.flatten(), torch.zeros(1).double()])
        arguments = endless, on_layers(policy), on_layers(process.behaviour), flat
        close(finite, exact_score_surrogate(*arguments))


def test_bad_processes_are_refused(mdp: TabularMDP) -> None:
    for change, message in (
        ({"transitions": mdp.transitions[:2]}, r"transitions must have shape \(3, 2, 3\)"),
        ({"transitions": mdp.transitions * 2}, "transitions must be probabilities"),
        ({"initial": mdp.initial[:2]}, r"initial must have shape \(3,\)"),
        ({"initial": mdp.initial - mdp.initial.roll(1) + mdp.initial.roll(2)}, "initial must be"),
        ({"discount": 1.2}, r"discount must lie in \[0, 1\], got 1.2"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(mdp, **change)


def test_bad_questions_are_refused(mdp: TabularMDP) -> None:
    policy = table(mdp).softmax(-1)
    with pytest.raises(ValueError, match=r"has shape \(3, 2\), got \(2, 2\)"):
        exact_value(mdp, policy[:2])
    with pytest.raises(ValueError, match="needs a discount below 1"):
        exact_value(replace(mdp, discount=1.0), policy)
    with pytest.raises(ValueError, match="positive whole number, got 0"):
        exact_value(mdp, policy, 0)
    with pytest.raises(ValueError, match="order must be a whole number"):
        exact_taypo(mdp, policy, policy, 0)


@HORIZONS
def test_float32_stays_float32(mdp: TabularMDP, horizon: float) -> None:
    single = TabularMDP(
        mdp.transitions.float(), mdp.rewards.float(), mdp.initial.float(), mdp.discount
    )
    logits = table(mdp)
    for function in (exact_gradient, exact_hessian):
        result = function(single, logits.float(), horizon)
        assert result.dtype == torch.float32
        close(result.double(), function(mdp, logits, horizon), 1e-5)
    policy, behaviour = logits.softmax(-1), table(mdp, seed=1).softmax(-1)
    value = exact_taypo(single, policy.float(), behaviour.float(), 2, horizon)
    assert value.dtype == torch.float32
    close(value.double(), exact_taypo(mdp, policy, behaviour, 2, horizon), 1e-5)
