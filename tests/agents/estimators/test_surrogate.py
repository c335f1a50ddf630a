"""The surrogate in expectation over all trajectories, and step by step against plain loops."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.estimators.surrogate import (
    Order,
    log_ratio,
    magic_box_baseline,
    step_weights,
    surrogate,
)
from agents.estimators.tabular_mdp import exact_value
from agents.ppo import clipped_surrogate

ON_AND_OFF = pytest.mark.parametrize("on_policy", [True, False], ids=["on", "off"])
CRITICS = pytest.mark.parametrize("with_critic", [False, True], ids=["returns", "critic"])


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def estimate(
    process: Any,
    logits: Tensor,
    order: Order,
    *,
    decay: float = 1.0,
    on_policy: bool = True,
    values: Tensor | None = None,
    trace_decay: float = 1.0,
) -> Tensor:
    """Return and surrogate of every trajectory."""
    return process.offset(values) + surrogate(
        process.logp(logits),
        process.advantages(values, trace_decay),
        behaviour_logp=process.behaviour_logp(on_policy),
        order=order,
        decay=decay,
        gamma=process.gamma,
    )


def cross_terms(process: Any, advantages: Tensor, decay: float) -> Tensor:
    """``E sum_{t<k} decay^{k-t} g^k A_k (score_t score_k' + transposed)``, by plain loops."""
    scores, law = process.scores(), process.probabilities()
    total = torch.zeros(4, 4, dtype=torch.float64)
    for late in range(process.horizon):
        for early in range(late):
            weight = law * decay ** (late - early) * process.gamma**late * advantages[:, late]
            pair = torch.einsum("n,ni,nj->ij", weight, scores[:, early], scores[:, late])
            total += pair + pair.T
    return total.view(2, 2, 2, 2)


def same_step_terms(process: Any, advantages: Tensor) -> Tensor:
    """``E sum_t g^t A_t score_t score_t'``, by a plain loop."""
    scores, law = process.scores(), process.probabilities()
    total = torch.zeros(4, 4, dtype=torch.float64)
    for time in range(process.horizon):
        weight = law * process.gamma**time * advantages[:, time]
        total += torch.einsum("n,ni,nj->ij", weight, scores[:, time], scores[:, time])
    return total.view(2, 2, 2, 2)


@ON_AND_OFF
@CRITICS
def test_infinite_order_is_exact(process: Any, on_policy: bool, with_critic: bool) -> None:
    values = process.values() if with_critic else None
    expected = process.expectation(
        lambda logits: estimate(process, logits, math.inf, on_policy=on_policy, values=values),
        on_policy,
    )
    for actual, exact in zip(expected, process.exact(), strict=True):
        close(actual, exact)


@ON_AND_OFF
def test_magic_box_baseline_changes_no_expectation(process: Any, on_policy: bool) -> None:
    baseline = process.values()[:, :-1]

    def dice(logits: Tensor) -> Tensor:
        return estimate(process, logits, math.inf, on_policy=on_policy) + magic_box_baseline(
            process.logp(logits),
            baseline,
            behaviour_logp=process.behaviour_logp(on_policy),
            gamma=process.gamma,
        )

    for actual, exact in zip(process.expectation(dice, on_policy), process.exact(), strict=True):
        close(actual, exact)


def test_magic_box_baseline_is_its_formula(process: Any) -> None:
    logp, behaviour_logp = process.logp(process.logits), process.behaviour_logp(False)
    baseline = process.values()[:, :-1]
    expected = sum(
        0.8**t * (1 - (logp[:, t] - behaviour_logp[:, t]).exp()) * baseline[:, t] for t in range(3)
    )
    close(magic_box_baseline(logp, baseline, behaviour_logp=behaviour_logp, gamma=0.8), expected)


@ON_AND_OFF
def test_without_critic_it_is_stepwise_importance_sampling(
    process: Any, on_policy: bool, differentiate: Any
) -> None:
    def importance_sampling(logits: Tensor) -> Tensor:
        ratio = log_ratio(process.logp(logits), process.behaviour_logp(on_policy))
        discount = process.gamma ** torch.arange(3, dtype=torch.float64)
        return (discount * ratio.cumsum(-1).exp() * process.rewards).sum(-1)

    actual = differentiate(
        lambda logits: estimate(process, logits, math.inf, on_policy=on_policy), process.logits
    )
    for ours, theirs in zip(
        actual, differentiate(importance_sampling, process.logits), strict=True
    ):
        close(ours, theirs)


@ON_AND_OFF
@pytest.mark.parametrize("order", [3, 4, 9])
def test_orders_from_the_horizon_on_are_infinite(
    process: Any, on_policy: bool, order: int, differentiate: Any
) -> None:
    results = [
        differentiate(
            lambda logits, order=chosen: estimate(
                process, logits, order, on_policy=on_policy, values=process.values()
            ),
            process.logits,
        )
        for chosen in (order, math.inf)
    ]
    for finite, infinite in zip(*results, strict=True):
        close(finite, infinite)


@ON_AND_OFF
def test_no_decay_of_infinite_order_is_order_one(
    process: Any, on_policy: bool, differentiate: Any
) -> None:
    results = [
        differentiate(
            lambda logits, order=order, decay=decay: estimate(
                process, logits, order, decay=decay, on_policy=on_policy, values=process.values()
            ),
            process.logits,
        )
        for order, decay in ((1, 1.0), (math.inf, 0.0))
    ]
    for first, second in zip(*results, strict=True):
        close(first, second)


@pytest.mark.parametrize(
    ("order", "decay"),
    [("score", 1.0), (1, 1.0), (2, 1.0), (3, 1.0)]
    + [(math.inf, decay) for decay in (0.0, 0.3, 0.7, 1.0)],
)
@CRITICS
def test_gradient_on_policy_is_exact(
    process: Any, order: Order, decay: float, with_critic: bool
) -> None:
    values = process.values() if with_critic else None
    _, gradient, _ = process.expectation(
        lambda logits: estimate(process, logits, order, decay=decay, values=values)
    )
    close(gradient, process.exact()[1])


@pytest.mark.parametrize("order", [2, 3, math.inf])
def test_hessian_on_policy_is_exact_from_order_two_on(process: Any, order: Order) -> None:
    _, _, hessian = process.expectation(
        lambda logits: estimate(process, logits, order, values=process.values())
    )
    close(hessian, process.exact()[2])


def test_hessian_of_order_one_lacks_the_cross_terms(process: Any) -> None:
    values = process.values()
    _, _, hessian = process.expectation(lambda logits: estimate(process, logits, 1, values=values))
    exact = process.exact()[2]
    close(hessian + cross_terms(process, process.advantages(values), 1.0), exact)
    assert (hessian - exact).norm() > 0.1 * exact.norm()


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.7, 1.0])
def test_decay_weighs_the_cross_terms_by_their_distance(process: Any, decay: float) -> None:
    values = process.values()
    _, _, hessian = process.expectation(
        lambda logits: estimate(process, logits, math.inf, decay=decay, values=values)
    )
    _, _, order_one = process.expectation(
        lambda logits: estimate(process, logits, 1, values=values)
    )
    close(hessian, order_one + cross_terms(process, process.advantages(values), decay))


@pytest.mark.parametrize("trace_decay", [0.4, 1.0])
def test_order_one_and_the_score_differ_by_the_same_step_terms(
    process: Any, trace_decay: float
) -> None:
    values = process.values()
    hessians = [
        process.expectation(
            lambda logits, order=order: estimate(
                process, logits, order, values=values, trace_decay=trace_decay
            )
        )[2]
        for order in (1, "score")
    ]
    advantages = process.advantages(values, trace_decay)
    close(hessians[0] - hessians[1], same_step_terms(process, advantages))


def test_only_the_score_depends_on_the_baseline(process: Any) -> None:
    def hessian(order: Order, values: Tensor | None) -> Tensor:
        return process.expectation(lambda logits: estimate(process, logits, order, values=values))[
            2
        ]

    close(hessian(1, process.values()), hessian(1, None))
    assert (hessian("score", process.values()) - hessian("score", None)).norm() > 0.1


def test_with_an_exact_critic_the_score_has_no_expected_hessian(process: Any) -> None:
    values = process.values(process.exact_critic())
    _, _, hessian = process.expectation(
        lambda logits: estimate(process, logits, "score", values=values)
    )
    close(hessian, torch.zeros_like(hessian))
    assert process.exact()[2].norm() > 0.1


def test_off_policy_errors_shrink_with_the_order_and_end_at_the_horizon(process: Any) -> None:
    errors = []
    for order in (1, 2, 3):
        expected = process.expectation(
            lambda logits, order=order: estimate(
                process, logits, order, on_policy=False, values=process.values()
            ),
            on_policy=False,
        )
        pairs = zip(expected, process.exact(), strict=True)
        errors.append([float((actual - exact).norm()) for actual, exact in pairs])
    for first, second, third in zip(*errors, strict=True):
        assert first > 3 * second
        assert second > 1e-6
        assert third < 1e-10


def test_order_of_contact(make_process: Any) -> None:
    """Half the distance to the behaviour policy, an error smaller by 2 to the order plus one."""
    process = make_process(4)
    direction = torch.tensor([[1.0, -0.5], [0.3, -1.2]], dtype=torch.float64)
    law, behaviour_logp = process.probabilities(), process.logp(process.logits)
    values = process.values()

    def error(order: Order, distance: float) -> float:
        moved = process.logits + distance * direction
        weights = surrogate(
            process.logp(moved),
            process.advantages(values),
            behaviour_logp=behaviour_logp,
            order=order,
            gamma=process.gamma,
        )
        truth = exact_value(process.mdp, moved.softmax(-1), 4)
        return abs(float(law @ (process.offset(values) + weights) - truth))

    for order in (1, 2, 3):
        assert error(order, 0.02) / error(order, 0.01) == pytest.approx(2 ** (order + 1), rel=0.05)
    assert error(4, 0.02) < 1e-12


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_finite_orders_are_sums_over_subsets_of_earlier_steps(order: int) -> None:
    generator = torch.Generator().manual_seed(2)
    ratio = torch.randn(6, generator=generator, dtype=torch.float64)
    excess = ratio.exp() - 1
    actual = step_weights(ratio, behaviour_logp=torch.zeros_like(ratio), order=order)
    for time in range(6):
        expected = sum(
            math.prod(float(excess[i]) for i in chosen)
            for size in range(order)
            for chosen in combinations(range(time), size)
        )
        assert float(actual[time]) == pytest.approx(float(excess[time]) * expected, abs=1e-10)


@pytest.mark.parametrize("decay", [0.0, 0.4, 1.0])
def test_decayed_weights_are_differences_of_magic_boxes(decay: float) -> None:
    generator = torch.Generator().manual_seed(3)
    ratio = torch.randn(6, generator=generator, dtype=torch.float64)
    actual = step_weights(ratio, behaviour_logp=torch.zeros_like(ratio), decay=decay)
    for time in range(6):
        before = sum(decay ** (time - i) * float(ratio[i]) for i in range(time))
        expected = math.exp(before + float(ratio[time])) - math.exp(before)
        assert float(actual[time]) == pytest.approx(expected, abs=1e-10)


def test_likelihood_ratio_objective_at_the_old_policy_is_order_one(
    process: Any, differentiate: Any
) -> None:
    old, advantages = process.logp(process.logits), process.advantages(process.values())

    def ratio_objective(logits: Tensor) -> Tensor:
        return ((process.logp(logits) - old).exp() * advantages).sum(-1)

    def order_one(logits: Tensor) -> Tensor:
        return surrogate(process.logp(logits), advantages, order=1)

    ours = differentiate(order_one, process.logits)
    theirs = differentiate(ratio_objective, process.logits)
    for index in (1, 2):
        close(ours[index], theirs[index])


def test_clip_of_ppo_is_inactive_at_the_old_policy(process: Any) -> None:
    old, advantages = process.logp(process.logits), process.advantages(process.values())

    def clipped(logits: Tensor) -> Tensor:
        return clipped_surrogate(
            process.logp(logits).flatten(), old.flatten(), advantages.flatten(), 0.2
        ).mean()

    def order_one(logits: Tensor) -> Tensor:
        return surrogate(process.logp(logits), advantages, order=1).mean() / 3

    close(torch.func.grad(clipped)(process.logits), torch.func.grad(order_one)(process.logits))


@pytest.mark.parametrize("order", [1, 2, math.inf])
def test_own_behaviour_policy_is_on_policy_bit_for_bit(process: Any, order: Order) -> None:
    advantages = process.advantages(process.values())

    def summed(logits: Tensor, given: bool) -> Tensor:
        logp = process.logp(logits)
        behaviour_logp = logp.detach() if given else None
        return surrogate(logp, advantages, behaviour_logp=behaviour_logp, order=order).sum()

    for function in (summed, torch.func.grad(summed), torch.func.jacrev(torch.func.jacrev(summed))):
        assert torch.equal(function(process.logits, True), function(process.logits, False))


def test_behaviour_policy_carries_no_gradient() -> None:
    logp = torch.tensor([-0.3, -0.2], dtype=torch.float64, requires_grad=True)
    behaviour_logp = torch.tensor([-0.5, -0.1], dtype=torch.float64, requires_grad=True)
    surrogate(logp, torch.ones_like(logp), behaviour_logp=behaviour_logp).backward()
    assert logp.grad is not None and logp.grad.abs().min() > 0
    assert behaviour_logp.grad is None
