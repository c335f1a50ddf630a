"""Meta-gradient oracles: by complex steps in NumPy, and by summing over batches one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.estimators.bias_bounds import compositional_bias_bound
from agents.estimators.enumeration import (
    batch_probabilities,
    enumerate_batches,
    trajectory_probabilities,
)
from agents.estimators.inner_updates import inner_update, meta_gradient
from agents.estimators.memory_one_games import PRISONERS_DILEMMA, exact_game_values
from agents.estimators.meta_oracles import (
    exact_meta_gradient,
    expected_meta_gradient,
    sampled_update_objective,
)
from agents.estimators.surrogate import Order, surrogate
from agents.estimators.tabular_mdp import TabularMDP, exact_gradient, exact_value

STEP = 1e-30


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def value_of(mdp: TabularMDP, horizon: float = math.inf) -> Callable[[Tensor, Tensor], Tensor]:
    """The value of a policy, as an objective that the meta-parameters do not enter."""
    return lambda _, logits: exact_value(mdp, logits.softmax(-1), horizon)


def complex_step(function: Callable[[np.ndarray], complex], at: Tensor) -> Tensor:
    gradient = torch.zeros_like(at)
    for index in np.ndindex(*at.shape):
        moved = at.numpy().astype(complex)
        moved[index] += STEP * 1j
        gradient[index] = function(moved).imag / STEP
    return gradient


def complex_value_and_slope(
    mdp: TabularMDP, logits: np.ndarray, rewards: np.ndarray
) -> tuple[complex, np.ndarray]:
    """Value and policy gradient over the endless horizon, in closed form, by NumPy."""
    policy = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    transitions = mdp.transitions.numpy()
    system = np.eye(len(policy)) - mdp.discount * np.einsum("ia,iaj->ij", policy, transitions)
    values = np.linalg.solve(system, (policy * rewards).sum(-1))
    visits = np.linalg.solve(system.T, mdp.initial.numpy())
    excess = rewards + mdp.discount * transitions @ values - values[:, None]
    return complex(mdp.initial.numpy() @ values), visits[:, None] * policy * excess


@pytest.mark.parametrize("num_steps", [0, 1, 2, 3])
def test_maml_is_that_of_autodiff_and_of_a_complex_step(mdp: TabularMDP, num_steps: int) -> None:
    logits = draw(3, 2)
    objective = value_of(mdp)
    composed = exact_meta_gradient(logits, objective, objective, num_steps=num_steps, step_size=0.7)
    close(composed, meta_gradient(logits, [objective] * num_steps, objective, step_size=0.7))

    def outer(table: np.ndarray) -> complex:
        for _ in range(num_steps):
            table = table + 0.7 * complex_value_and_slope(mdp, table, mdp.rewards.numpy())[1]
        return complex_value_and_slope(mdp, table, mdp.rewards.numpy())[0]

    close(composed, complex_step(outer, logits), 1e-12)


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_intrinsic_rewards_are_that_of_autodiff_and_of_a_complex_step(
    mdp: TabularMDP, num_steps: int
) -> None:
    """LIRPG: phi is added to the rewards inside, and enters the outer objective not at all."""
    intrinsic, start = draw(3, 2), draw(3, 2, seed=1)

    def inner(phi: Tensor, logits: Tensor) -> Tensor:
        return exact_value(replace(mdp, rewards=mdp.rewards + phi), logits.softmax(-1))

    def outer(_: Tensor, logits: Tensor) -> Tensor:
        return exact_value(mdp, logits.softmax(-1))

    arguments: dict[str, Any] = {"step_size": 0.7, "initial": lambda _: start}
    composed = exact_meta_gradient(intrinsic, inner, outer, num_steps=num_steps, **arguments)
    close(composed, meta_gradient(intrinsic, [inner] * num_steps, outer, **arguments))

    def by_numpy(phi: np.ndarray) -> complex:
        table = start.numpy().astype(complex)
        for _ in range(num_steps):
            rewards = mdp.rewards.numpy() + phi
            table = table + 0.7 * complex_value_and_slope(mdp, table, rewards)[1]
        return complex_value_and_slope(mdp, table, mdp.rewards.numpy())[0]

    close(composed, complex_step(by_numpy, intrinsic), 1e-12)
    assert composed.norm() > 1e-3


def complex_game(first: np.ndarray, second: np.ndarray) -> tuple[complex, np.ndarray]:
    """The first player's value, and the second's slope in its own logits, by NumPy."""
    mirror = [0, 1, 3, 2, 4]
    own = 1 / (1 + np.exp(-first))
    chance = 1 / (1 + np.exp(-second))
    other = chance[mirror]
    joint = np.stack([own * other, own * (1 - other), (1 - own) * other, (1 - own) * (1 - other)])
    by_other = np.stack([own, -own, 1 - own, own - 1])
    rewards = PRISONERS_DILEMMA.numpy().reshape(2, 4)
    system = np.eye(4) - 0.96 * joint[:, 1:].T
    values = np.linalg.solve(system, rewards[1])
    visits = np.concatenate([[1], 0.96 * np.linalg.solve(system.T, joint[:, 0])])
    slope = (visits * (values @ by_other))[mirror] * chance * (1 - chance)
    return complex(joint[:, 0] @ np.linalg.solve(system, rewards[0])), slope


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_opponent_shaping_is_that_of_autodiff_and_of_a_complex_step(num_steps: int) -> None:
    """LOLA: phi is one's own strategy, theta the opponent's."""
    own, opponent = draw(5), draw(5, seed=1)

    def returns(player: int, phi: Tensor, theta: Tensor) -> Tensor:
        both = exact_game_values(phi.sigmoid(), theta.sigmoid(), PRISONERS_DILEMMA, discount=0.96)
        return both[player]

    outer, inner = partial(returns, 0), partial(returns, 1)
    arguments: dict[str, Any] = {"step_size": 0.3, "initial": lambda _: opponent}
    composed = exact_meta_gradient(own, inner, outer, num_steps=num_steps, **arguments)
    close(composed, meta_gradient(own, [inner] * num_steps, outer, **arguments))

    def by_numpy(first: np.ndarray) -> complex:
        second = opponent.numpy().astype(complex)
        for _ in range(num_steps):
            second = second + 0.3 * complex_game(first, second)[1]
        return complex_game(first, second)[0]

    close(composed, complex_step(by_numpy, own))
    naive = torch.func.grad(outer)(own, opponent)
    assert (composed - naive).norm() > 0.1


def test_a_first_policy_that_depends_on_the_meta_parameters_is_followed(mdp: TabularMDP) -> None:

    def objective(phi: Tensor, table: Tensor) -> Tensor:
        return exact_value(mdp, (phi[0] * table).softmax(-1))

    phi, matrix = draw(4), draw(3, 2, 4, seed=1)
    arguments: dict[str, Any] = {"step_size": 0.7, "initial": lambda phi: matrix @ phi.sin()}
    composed = exact_meta_gradient(phi, objective, objective, num_steps=2, **arguments)
    close(composed, meta_gradient(phi, [objective] * 2, objective, **arguments))
    assert composed.abs().min() > 1e-4
    with pytest.raises(ValueError, match="num_steps must be 0 or more"):
        exact_meta_gradient(phi, objective, objective, num_steps=-1, **arguments)


def surrogates(process: Any, order: Order) -> Callable[[Tensor], Tensor]:
    advantages = process.advantages(None)
    return lambda logits: surrogate(
        process.logp(logits), advantages, order=order, gamma=process.gamma
    )


def expected(process: Any, order: Order, batch_size: int, *, share_samples: bool) -> Tensor:
    return expected_meta_gradient(
        process.logits,
        process.probabilities(),
        surrogates(process, order),
        lambda logits: exact_gradient(process.mdp, logits, process.horizon),
        batch_size=batch_size,
        step_size=2.0,
        share_samples=share_samples,
    )


@pytest.mark.parametrize("order", ["score", 1, math.inf])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_shared_batches_one_by_one(make_process: Any, order: Order, batch_size: int) -> None:
    process = make_process(2)
    law, of_each = process.probabilities(), surrogates(process, order)
    total = torch.zeros(2, 2, dtype=torch.float64)
    for members in product(range(16), repeat=batch_size):
        batch = list(members)

        def outer(logits: Tensor, batch: list[int] = batch) -> Tensor:
            adapted = inner_update(
                logits, lambda table: of_each(table)[batch].mean(), step_size=2.0
            )
            return exact_value(process.mdp, adapted.softmax(-1), 2)

        total += law[batch].prod() * torch.func.grad(outer)(process.logits)
    close(total, expected(process, order, batch_size, share_samples=True))


@pytest.mark.parametrize("order", ["score", 1, math.inf])
def test_independent_batches_one_by_one(make_process: Any, order: Order) -> None:
    """The expectation of the product is the product of expectations; of shared ones it is not."""
    process = make_process(2)
    law, of_each = process.probabilities(), surrogates(process, order)
    rows = torch.eye(16, dtype=torch.float64)

    def outer(logits: Tensor, moving: Tensor, deriving: Tensor) -> Tensor:
        adapted = inner_update(
            logits,
            lambda table: moving @ of_each(table),
            step_size=2.0,
            jacobian_objective=lambda table: deriving @ of_each(table),
        )
        return exact_value(process.mdp, adapted.softmax(-1), 2)

    pairs = torch.vmap(
        torch.vmap(torch.func.grad(outer), in_dims=(None, None, 0)), in_dims=(None, 0, None)
    )(process.logits, rows, rows)
    total = torch.einsum("m,d,mdij->ij", law, law, pairs)
    independent = expected(process, order, 1, share_samples=False)
    close(total, independent)
    shared = expected(process, order, 1, share_samples=True)
    assert (independent - shared).norm() > 1e-4


def test_compositional_bias_falls_as_one_over_the_batch(make_process: Any) -> None:
    """Lemma 4.4 says n^-1/2; with its constant, from second derivatives, it is 1/n."""
    process = make_process(2)
    logits, step = process.logits, 2.0
    value = value_of(process.mdp, 2)
    exact = exact_meta_gradient(logits, value, value, num_steps=1, step_size=step)
    biases = [
        expected(process, math.inf, size, share_samples=False) - exact for size in range(1, 6)
    ]
    norms = [float(bias.norm()) for bias in biases]
    scaled = [size * norm for size, norm in enumerate(norms, 1)]
    for size, norm in enumerate(norms, 1):
        assert norm <= norms[0] / size**0.5

    law, gradients = process.probabilities(), torch.func.jacrev(surrogates(process, 1))(logits)
    flat = gradients.reshape(16, 4)
    mean = law @ flat
    covariance = (law[:, None] * (flat - mean)).T @ (flat - mean)

    def outer_gradient(table: Tensor) -> Tensor:
        return exact_gradient(process.mdp, table.view(2, 2), 2).flatten()

    adapted = logits.flatten() + step * mean
    bend = torch.func.jacrev(torch.func.jacrev(outer_gradient))(adapted)
    shift = step**2 / 2 * torch.einsum("kij,ij->k", bend, covariance)
    hessian = torch.func.jacrev(outer_gradient)(logits.flatten())
    limit = shift + step * shift @ hessian
    # With five batch sizes the terms up to n^-5 are solved for; the first is the limit.
    sizes = torch.arange(1, 6, dtype=torch.float64)
    powers = sizes[:, None] ** -torch.arange(1, 6, dtype=torch.float64)
    leading = torch.linalg.solve(powers, torch.stack(biases).reshape(5, 4))[0]
    assert float((leading - limit).norm() / limit.norm()) < 0.02
    assert abs(scaled[4] - float(limit.norm())) < 0.5 * abs(scaled[0] - float(limit.norm()))


@pytest.mark.parametrize(("num_steps", "largest_batch"), [(1, 5), (2, 2)])
def test_compositional_bias_is_below_lemma_4_4(
    make_process: Any, num_steps: int, largest_batch: int
) -> None:
    """Of the outer gradient at adapted policies, over all batches of all steps.

    The constants are the largest at the policies met: the lemma's own are not less.
    """
    process, step = make_process(2), 2.0
    of_each = surrogates(process, "score")

    def slope(table: Tensor) -> Tensor:
        return exact_gradient(process.mdp, table, 2)

    exact = process.logits
    for _ in range(num_steps):
        exact = exact + step * slope(exact)
    for size in range(1, largest_batch + 1):
        counts = enumerate_batches(16, size)
        tables, weights = process.logits[None], torch.ones(1, dtype=torch.float64)
        met, variance = [], 0.0
        for _ in range(num_steps):
            met.append(tables)
            laws = torch.vmap(
                lambda at: trajectory_probabilities(process.trajectories, at.softmax(-1))
            )(tables)
            gradients = torch.vmap(torch.func.jacrev(of_each))(tables)
            noise = gradients - torch.vmap(slope)(tables)[:, None]
            assert torch.einsum("pr,prij->pij", laws, noise).abs().max() < 1e-12
            squares = noise.square().sum((-1, -2))
            variance = max(variance, float((laws * squares).sum(-1).max()))
            steps = torch.einsum("br,prij->pbij", counts.double() / size, gradients)
            chances = torch.vmap(partial(batch_probabilities, counts))(laws)
            tables = (tables[:, None] + step * steps).flatten(0, 1)
            weights = (weights[:, None] * chances).flatten()
        met.append(tables)
        hessians = torch.vmap(torch.func.jacrev(slope))(torch.cat(met)).view(-1, 4, 4)
        smoothness = float(torch.linalg.matrix_norm(hessians, ord=2).max())
        bound = compositional_bias_bound(
            lipschitz=smoothness,
            smoothness=smoothness,
            gradient_deviation=variance**0.5,
            step_size=step,
            num_steps=num_steps,
            batch_size=size,
        )
        expectation = torch.einsum("p,pij->ij", weights, torch.vmap(slope)(tables))
        bias = float((expectation - slope(exact)).norm())
        assert 0.02 * bound < bias < bound


def test_bias_of_the_hessian_does_not_fall_with_the_batch(make_process: Any) -> None:
    process = make_process(2)
    value = value_of(process.mdp, 2)
    exact = exact_meta_gradient(process.logits, value, value, num_steps=1, step_size=2.0)
    score, dice = (
        [
            float((expected(process, order, size, share_samples=False) - exact).norm())
            for size in (1, 5)
        ]
        for order in ("score", math.inf)
    )
    assert dice[1] < 0.5 * dice[0]
    assert score[1] > 0.7 * score[0]
    assert score[1] > 5 * dice[1]


def test_sampled_update_objective_one_by_one(make_process: Any) -> None:
    process = make_process(2)
    of_each = surrogates(process, "score")
    slopes = torch.func.jacrev(of_each)(process.logits)
    law = process.probabilities()
    total = 0.0
    for pair in product(range(16), repeat=2):
        adapted = process.logits + 2.0 * slopes[list(pair)].mean(0)
        value = exact_value(process.mdp, adapted.softmax(-1), 2)
        total += float(law[list(pair)].prod() * value)
    actual = sampled_update_objective(
        process.logits,
        lambda _: law,
        of_each,
        lambda logits: exact_value(process.mdp, logits.softmax(-1), 2),
        batch_size=2,
        step_size=2.0,
    )
    assert float(actual) == pytest.approx(total, abs=1e-12)
