"""E-MAML's correction: with it the enumerated estimator is the gradient, without it it is not."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.estimators.enumeration import (
    enumerate_trajectories,
    taken_log_probabilities,
    trajectory_probabilities,
)
from agents.estimators.inner_updates import inner_update
from agents.estimators.meta_oracles import sampled_update_objective
from agents.estimators.sampling_correction import cross_task_baseline, sampling_correction
from agents.estimators.surrogate import Order, surrogate
from agents.estimators.tabular_mdp import TabularMDP, exact_value
from agents.ppo import standardise

STEP_SIZE = 2.0


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def estimators(
    process: Any, batch_size: int, order: Order, *, correct: bool, baseline: float = 0.0
) -> Tensor:
    """Expectation of the estimated meta-gradient, one ordered batch after the other."""
    law, advantages = process.probabilities(), process.advantages(None)
    total = torch.zeros_like(process.logits)
    for members in product(range(len(law)), repeat=batch_size):
        batch = list(members)

        def objective(logits: Tensor, batch: list[int] = batch) -> Tensor:
            adapted = inner_update(
                logits,
                lambda table: surrogate(
                    process.logp(table)[batch], advantages[batch], order=order, gamma=0.8
                ).mean(),
                step_size=STEP_SIZE,
            )
            outer = exact_value(process.mdp, adapted.softmax(-1), process.horizon)
            if not correct:
                return outer
            logp = process.logp(logits)[batch]
            return outer + sampling_correction([logp], outer, baseline=baseline)

        total += law[batch].prod() * torch.func.grad(objective)(process.logits)
    return total


def objective(process: Any, batch_size: int) -> Any:
    """The sampled-update objective; what the trajectories teach is the score's gradient."""
    advantages = process.advantages(None)
    return lambda logits: sampled_update_objective(
        logits,
        lambda table: trajectory_probabilities(process.trajectories, table.softmax(-1)),
        lambda table: surrogate(process.logp(table), advantages, order="score", gamma=0.8),
        lambda table: exact_value(process.mdp, table.softmax(-1), process.horizon),
        batch_size=batch_size,
        step_size=STEP_SIZE,
    )


@pytest.mark.parametrize("batch_size", [1, 2])
def test_with_the_correction_the_score_is_the_gradient_of_the_sampled_update(
    make_process: Any, batch_size: int
) -> None:
    process = make_process(2)
    meta_objective = objective(process, batch_size)
    gradient = torch.func.grad(meta_objective)(process.logits)
    close(estimators(process, batch_size, "score", correct=True), gradient)
    close(estimators(process, batch_size, "score", correct=True, baseline=0.7), gradient)
    uncorrected = estimators(process, batch_size, "score", correct=False)
    assert (uncorrected - gradient).norm() > 0.01
    # The Hessians that suit the expected update are wrong for this objective.
    for order in (1, math.inf):
        other = estimators(process, batch_size, order, correct=True)
        assert (other - gradient).norm() > 0.01
    for index in ((0, 0), (1, 1)):
        shift = torch.zeros(2, 2, dtype=torch.float64)
        shift[index] = 1e-4
        above, below = (meta_objective(process.logits + sign * shift) for sign in (1, -1))
        slope = float(above - below) / 2e-4
        assert float(gradient[index]) == pytest.approx(slope, abs=1e-8)


def test_a_bandit_with_one_trajectory() -> None:
    """One step, four arms: everything written out."""
    rewards, logits, step_size = draw(4), draw(4, seed=1), 0.8

    def adapted(table: Tensor, arm: int) -> Tensor:
        return inner_update(
            table, lambda t: rewards[arm] * t.log_softmax(-1)[arm], step_size=step_size
        )

    def truth(table: Tensor) -> Tensor:
        policy = table.softmax(-1)
        return sum(policy[arm] * (adapted(table, arm).softmax(-1) @ rewards) for arm in range(4))

    def corrected(table: Tensor, arm: int, weight: float) -> Tensor:
        outer = adapted(table, arm).softmax(-1) @ rewards
        logp = table.log_softmax(-1)[arm].view(1, 1)
        return outer + weight * sampling_correction([logp], outer)

    def expectation(weight: float) -> Tensor:
        law = logits.softmax(-1)
        return sum(law[arm] * torch.func.grad(corrected)(logits, arm, weight) for arm in range(4))

    exact = torch.func.grad(truth)(logits)
    close(expectation(1.0), exact)
    assert (expectation(0.0) - exact).norm() > 0.01


def test_two_inner_steps_take_the_score_of_both() -> None:
    """A bandit again; the second trajectory is drawn from the policy that the first one made."""
    mdp = TabularMDP(
        torch.ones(1, 3, 1, dtype=torch.float64),
        draw(1, 3),
        torch.ones(1, dtype=torch.float64),
        0.9,
    )
    rewards, logits = mdp.rewards[0], draw(1, 3, seed=1)
    arms = enumerate_trajectories(mdp, 1)

    def step(table: Tensor, arm: int) -> Tensor:
        return inner_update(
            table, lambda t: rewards[arm] * t.log_softmax(-1)[0, arm], step_size=0.9
        )

    def path(table: Tensor, first: int, second: int) -> tuple[Tensor, Tensor, Tensor]:
        middle = step(table, first)
        logps = [
            taken_log_probabilities(arms, policy)[arm].view(1, 1)
            for policy, arm in ((table, first), (middle, second))
        ]
        return exact_value(mdp, step(middle, second).softmax(-1), 1), *logps

    def truth(table: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for first, second in product(range(3), repeat=2):
            value, *logps = path(table, first, second)
            total = total + (logps[0] + logps[1]).exp().squeeze() * value
        return total

    def estimate(table: Tensor, first: int, second: int, steps: slice) -> Tensor:
        value, *logps = path(table, first, second)
        return value + sampling_correction(logps[steps], value)

    def expectation(steps: slice) -> Tensor:
        total = torch.zeros_like(logits)
        for first, second in product(range(3), repeat=2):
            _, *logps = path(logits, first, second)
            chance = (logps[0] + logps[1]).exp().squeeze()
            total += chance * torch.func.grad(estimate)(logits, first, second, steps)
        return total

    exact = torch.func.grad(truth)(logits)
    close(expectation(slice(0, 2)), exact)
    assert (expectation(slice(0, 1)) - exact).norm() > 1e-3


def test_standardised_advantages_leave_a_correction_and_centred_tasks_none() -> None:
    """Standardised over all tasks: alive. Centred within a task, as a mean is taken: dead."""
    logp = draw(3, 5, 4).requires_grad_()
    rewards = draw(3, 5, 4, seed=1)
    across = standardise(rewards).mean((1, 2))
    (gradient,) = torch.autograd.grad(sampling_correction([logp], across).sum(), logp)
    assert (gradient.abs() > 1e-3).all()
    within = torch.stack([standardise(task) for task in rewards]).mean((1, 2))
    (gradient,) = torch.autograd.grad(sampling_correction([logp], within).sum(), logp)
    assert gradient.abs().max() < 1e-12


def test_sum_and_mean_are_over_valid_samples_of_all_steps() -> None:
    logps, returns = [draw(2, 3, 4), draw(2, 3, 4, seed=1)], draw(2, seed=2)
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    mask[0, 1, 2:], mask[1, 2] = False, False
    logps[1][~mask] = math.nan
    total = logps[0].sum((1, 2)) + logps[1].nansum((1, 2))
    masks = [None, mask]
    close(sampling_correction(logps, returns, masks=masks), returns * total)
    close(
        sampling_correction(logps, returns, masks=masks, baseline=0.5, reduction="mean"),
        (returns - 0.5) * total / torch.tensor([22.0, 20.0], dtype=torch.float64),
    )


def test_returns_and_baseline_carry_no_gradient() -> None:
    logp, returns, baseline = draw(2, 3, 4), draw(2, seed=1), draw(2, seed=2)
    for tensor in (logp, returns, baseline):
        tensor.requires_grad_()
    sampling_correction([logp], returns, baseline=baseline).sum().backward()
    assert logp.grad is not None
    close(logp.grad, (returns - baseline).detach()[:, None, None].expand(2, 3, 4))
    assert returns.grad is None and baseline.grad is None


def test_cross_task_baseline_leaves_the_own_task_out() -> None:
    assert cross_task_baseline(torch.tensor([1.0, 2.0, 6.0])).tolist() == [4.0, 3.5, 1.5]
    with pytest.raises(ValueError, match="at least two tasks"):
        cross_task_baseline(torch.ones(1))


@pytest.mark.parametrize(
    ("logps", "arguments", "message"),
    [
        ([], {}, "one tensor per inner step, got none"),
        ([torch.ones(3, 4)], {}, "two dimensions more, trajectories and time"),
        ([torch.ones(2, 3, 4)], {"masks": [None, None]}, "one entry per inner step, 1, got 2"),
        ([torch.ones(2, 3, 4)], {"reduction": "total"}, "reduction must be 'sum' or 'mean'"),
    ],
)
def test_bad_arguments_are_refused(
    logps: list[Tensor], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sampling_correction(logps, torch.ones(2), **arguments)


def test_dtypes_that_differ_are_refused() -> None:
    with pytest.raises(TypeError, match=r"the dtype of outer_returns, torch\.float64"):
        sampling_correction([torch.ones(2, 3, 4)], torch.ones(2, dtype=torch.float64))
