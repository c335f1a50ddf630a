"""Inner updates and the meta-gradients composed of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.inner_updates import adapt, graft, inner_update, meta_gradient
from agents.estimators.meta_oracles import exact_meta_gradient
from agents.estimators.surrogate import Order, surrogate
from agents.estimators.tabular_mdp import exact_gradient, exact_value


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def value_of(process: Any) -> Any:
    """The exact objective of MAML, as a function of meta-parameters and parameters."""
    return lambda _, logits: exact_value(process.mdp, logits.softmax(-1), 3)


def expected_surrogate(process: Any, order: Order, critic: Tensor) -> Any:
    """The surrogate over all trajectories of the process's own policy."""
    law, advantages = process.probabilities(), process.advantages(process.values(critic))

    def objective(_: Any, logits: Tensor) -> Tensor:
        return law @ surrogate(process.logp(logits), advantages, order=order, gamma=0.8)

    return objective


def test_graft_has_the_value_of_one_and_the_derivatives_of_the_other() -> None:
    at = draw(3)
    grafted = torch.func.jacrev(lambda x: graft(x.sin(), x**3))(at)
    close(graft(at.sin(), at**3), at.sin())
    close(grafted, torch.diag(3 * at**2))
    second = torch.func.jacrev(torch.func.jacrev(lambda x: graft(x.sin(), x**3).sum()))(at)
    close(second, torch.diag(6 * at))
    with pytest.raises(ValueError, match="one shape and dtype"):
        graft(at, at[:2])
    with pytest.raises(ValueError, match="one shape and dtype"):
        graft(at, at.float())


def test_update_ascends_and_its_jacobian_holds_the_hessian() -> None:
    at = draw(4)

    def update(parameters: Tensor) -> Tensor:
        return inner_update(parameters, lambda y: (y**3).sum(), step_size=0.1)

    close(update(at), at + 0.3 * at**2)
    close(torch.func.jacrev(update)(at), torch.diag(1 + 0.6 * at))


def test_first_order_update_has_the_identity_for_a_jacobian() -> None:
    at = draw(4)

    def update(parameters: Tensor) -> Tensor:
        return inner_update(parameters, lambda y: (y**3).sum(), step_size=0.1, first_order=True)

    close(update(at), at + 0.3 * at**2)
    close(torch.func.jacrev(update)(at), torch.eye(4, dtype=torch.float64))


def test_jacobian_objective_gives_derivatives_only() -> None:
    at = {"weight": draw(2, 2), "bias": draw(2, seed=1)}

    def cubes(parameters: dict[str, Tensor]) -> Tensor:
        return sum((value**3).sum() for value in parameters.values())

    def fourths(parameters: dict[str, Tensor]) -> Tensor:
        return sum((value**4).sum() for value in parameters.values())

    def update(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        return inner_update(parameters, cubes, step_size=0.1, jacobian_objective=fourths)

    new = update(at)
    jacobian = torch.func.jacrev(update)(at)
    for name, value in at.items():
        close(new[name], value + 0.3 * value**2)
        own = jacobian[name][name].reshape(value.numel(), value.numel())
        close(own, torch.diag(1 + 1.2 * value.flatten() ** 2))


def test_step_sizes_can_be_learned_per_parameter() -> None:
    at = {"weight": draw(2), "bias": draw(2, seed=1)}
    rates = {"weight": torch.tensor(0.1, dtype=torch.float64), "bias": draw(2, seed=2)}

    def moved(step_size: Any) -> dict[str, Tensor]:
        return inner_update(at, lambda p: (p["weight"] * p["bias"]).sum(), step_size=step_size)

    close(moved(rates)["weight"], at["weight"] + 0.1 * at["bias"])
    close(moved(rates)["bias"], at["bias"] + rates["bias"] * at["weight"])
    jacobian = torch.func.jacrev(moved)(rates)
    close(jacobian["bias"]["bias"], torch.diag(at["weight"]))
    close(jacobian["weight"]["bias"], torch.zeros(2, 2, dtype=torch.float64))


def test_exact_slots_give_the_exact_meta_gradient(process: Any) -> None:
    value = value_of(process)
    expected = exact_meta_gradient(process.logits, value, value, num_steps=3, step_size=0.5)
    close(meta_gradient(process.logits, [value] * 3, value, step_size=0.5), expected)
    close(meta_gradient(process.logits, [(value, value)] * 3, value, step_size=0.5), expected)
    first_order = meta_gradient(process.logits, [value] * 3, value, step_size=0.5, first_order=True)
    assert (first_order - expected).norm() > 1e-3
    with pytest.raises(ValueError, match="A first-order update has no use for"):
        meta_gradient(process.logits, [(value, value)], value, step_size=0.5, first_order=True)


def test_first_order_meta_gradient_is_the_outer_gradient_where_adaptation_ends(
    process: Any,
) -> None:
    value = value_of(process)
    adapted = adapt(process.logits, [value] * 3, step_size=0.5)
    actual = meta_gradient(process.logits, [value] * 3, value, step_size=0.5, first_order=True)
    close(actual, exact_gradient(process.mdp, adapted, 3))


def test_vanilla_maml_with_an_exact_critic_is_first_order_in_expectation(process: Any) -> None:
    value = value_of(process)
    score = expected_surrogate(process, "score", process.exact_critic())
    first_order = meta_gradient(process.logits, [value], value, step_size=0.5, first_order=True)
    close(meta_gradient(process.logits, [score], value, step_size=0.5), first_order)
    wrong_critic = expected_surrogate(process, "score", process.critic)
    actual = meta_gradient(process.logits, [wrong_critic], value, step_size=0.5)
    assert (actual - first_order).norm() > 1e-3


@pytest.mark.parametrize("slots", ["together", "apart"])
def test_expected_surrogates_of_order_two_on_give_the_exact_meta_gradient(
    process: Any, slots: str
) -> None:
    value = value_of(process)
    exact = meta_gradient(process.logits, [value], value, step_size=2.0)
    for order in (2, math.inf):
        sampled = expected_surrogate(process, order, process.critic)
        step = sampled if slots == "together" else (value, sampled)
        close(meta_gradient(process.logits, [step], value, step_size=2.0), exact)
    order_one = (value, expected_surrogate(process, 1, process.critic))
    biased = meta_gradient(process.logits, [order_one], value, step_size=2.0)
    assert (biased - exact).norm() > 1e-3


def test_score_and_order_one_move_alike_and_differentiate_differently(process: Any) -> None:
    objectives = [expected_surrogate(process, order, process.critic) for order in ("score", 1)]
    updates = [
        lambda logits, objective=objective: adapt(logits, [objective], step_size=0.5)
        for objective in objectives
    ]
    close(updates[0](process.logits), updates[1](process.logits), 1e-14)
    jacobians = [torch.func.jacrev(update)(process.logits) for update in updates]
    assert (jacobians[0] - jacobians[1]).norm() > 0.01


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_meta_learned_discounts_see_the_surrogate_from_the_second_step_on(
    process: Any, num_steps: int
) -> None:
    """MGRL: gamma and lambda are the meta-parameters, the first policy is a constant."""
    phi = torch.tensor([0.7, 0.6], dtype=torch.float64)
    batch = torch.arange(0, 64, 5)
    rewards, values = process.rewards[batch], process.values()[batch]

    def inner(order: Order) -> Any:
        def objective(phi: Tensor, logits: Tensor) -> Tensor:
            advantages = gae(rewards, values, gamma=phi[0], trace_decay=phi[1])
            return surrogate(process.logp(logits)[batch], advantages, order=order).mean()

        return objective

    gradients = [
        meta_gradient(
            phi,
            [inner(order)] * num_steps,
            value_of(process),
            step_size=0.5,
            initial=lambda _: process.logits,
        )
        for order in ("score", 1)
    ]
    assert gradients[0].abs().min() > 1e-4
    if num_steps == 1:
        close(gradients[0], gradients[1], 1e-14)
    else:
        assert (gradients[0] - gradients[1]).norm() > 1e-4


def test_updates_can_be_mapped_over_tasks_and_differentiated_by_backward() -> None:
    tasks = draw(5, 3)
    parameters = draw(3, seed=1).requires_grad_()

    def outer(task: Tensor, parameters: Tensor) -> Tensor:
        adapted = inner_update(parameters, lambda p: -((p - task) ** 4).sum(), step_size=0.01)
        return -((adapted - task) ** 2).sum()

    together = torch.vmap(outer, in_dims=(0, None))(tasks, parameters).sum()
    (mapped,) = torch.autograd.grad(together, parameters)
    one_by_one = sum(torch.func.grad(outer, argnums=1)(task, parameters) for task in tasks)
    close(mapped, one_by_one.detach())


def test_surrogates_can_be_mapped_over_tasks(process: Any) -> None:
    """A batch of tasks with a policy each, all adapted by one program."""
    logits = torch.stack([process.logits, process.logits + draw(2, 2)])
    advantages = process.advantages(process.values())

    def adapted(logits: Tensor) -> Tensor:
        return inner_update(
            logits,
            lambda table: surrogate(process.logp(table), advantages, order=2).mean(),
            step_size=0.5,
        )

    mapped = torch.vmap(torch.func.jacrev(adapted))(logits)
    close(mapped, torch.stack([torch.func.jacrev(adapted)(table) for table in logits]))


def test_step_sizes_with_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"named as the parameters, \['a'\], got \['b'\]"):
        inner_update({"a": draw(2)}, lambda p: p["a"].sum(), step_size={"b": draw(2)})
    with pytest.raises(ValueError, match="one tensor"):
        inner_update(draw(2), lambda p: p.sum(), step_size={"b": draw(2)})
