"""Differentiable inner updates, and meta-gradients composed of them.

All are written with ``torch.func``: they can be differentiated again, by ``torch.func`` or by
``backward``, and mapped over tasks with ``torch.vmap``. Parameters are a tensor or a dictionary
of tensors. Objectives answer a tensor without dimensions, to be maximised.

With exact objectives the results belong to the *expected-update* meta-objective. With sampled ones
they estimate its gradient, with two kinds of bias (Liu et al. 2022): compositional, from noisy
inner steps, and that of the Jacobian, from a surrogate with a wrong Hessian. The *sampled-update*
meta-objective takes one term more: :mod:`agents.estimators.sampling_correction`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["adapt", "graft", "inner_update", "meta_gradient"]

Parameters = TypeVar("Parameters", Tensor, dict[str, Tensor])
Meta = TypeVar("Meta", Tensor, dict[str, Tensor])


def graft(value: Tensor, jacobian: Tensor) -> Tensor:
    """A tensor with the value of the first argument and the derivatives of the second.

    Args:
        value: Any shape; only its value is used.
        jacobian: The same shape and dtype; only its derivatives are used.

    Returns:
        The same shape and dtype.

    Raises:
        ValueError: If shape or dtype differ.
    """
    if value.shape != jacobian.shape or value.dtype != jacobian.dtype:
        raise ValueError(
            f"graft takes two tensors of one shape and dtype, got {tuple(value.shape)} "
            f"{value.dtype} and {tuple(jacobian.shape)} {jacobian.dtype}."
        )
    return value.detach() + (jacobian - jacobian.detach())


def inner_update(
    parameters: Parameters,
    objective: Callable[[Parameters], Tensor],
    *,
    step_size: float | Tensor | dict[str, Tensor],
    jacobian_objective: Callable[[Parameters], Tensor] | None = None,
    first_order: bool = False,
) -> Parameters:
    """One step of gradient ascent, differentiable in the parameters and in all else it is made of.

    Args:
        parameters: A tensor, or a dictionary of tensors.
        objective: From parameters to a tensor without dimensions.
        step_size: A number, a tensor that broadcasts against the parameters, or, for a dictionary
            of parameters, a dictionary with the same names (learned inner rates).
        jacobian_objective: Where given, the step has the value that ``objective`` gives it and
            the derivatives that this one gives it (another estimator, other samples, or both).
        first_order: Treat the gradient as a constant, as first-order MAML does.

    Returns:
        The new parameters, of the same structure.

    Raises:
        ValueError: If ``first_order`` comes with a ``jacobian_objective``, which it would ignore,
            or a dictionary of step sizes does not fit the parameters.
    """
    if first_order and jacobian_objective is not None:
        raise ValueError(
            "A first-order update has no use for jacobian_objective: leave out one of the two."
        )
    updated: Parameters = _ascend(parameters, objective, step_size, first_order)
    if jacobian_objective is None:
        return updated
    derived = _ascend(parameters, jacobian_objective, step_size, first_order)
    grafted: Parameters = _map(graft, updated, derived)
    return grafted


def adapt(
    meta_parameters: Meta,
    objectives: Sequence[
        Callable[[Meta, Any], Tensor]
        | tuple[Callable[[Meta, Any], Tensor], Callable[[Meta, Any], Tensor]]
    ],
    *,
    step_size: float | Tensor | dict[str, Tensor],
    initial: Callable[[Meta], Any] | None = None,
    first_order: bool = False,
) -> Any:
    """Parameters after one inner update per objective, as a function of the meta-parameters.

    Args:
        meta_parameters: phi: a tensor, or a dictionary of tensors.
        objectives: One per inner step, each ``(phi, theta) -> tensor without dimensions``; or a
            pair of such, of which the first moves theta and the second gives the derivatives of
            the move.
        step_size: As for :func:`inner_update`.
        initial: From phi to the first theta (LOLA: the opponent's policy; intrinsic rewards and
            meta-learned discounts: a constant). None: theta starts as phi, as in MAML.
        first_order: As for :func:`inner_update`.

    Returns:
        theta after the last step.

    Raises:
        ValueError: As :func:`inner_update`.
    """
    parameters = meta_parameters if initial is None else initial(meta_parameters)
    for objective in objectives:
        moving, deriving = objective if isinstance(objective, tuple) else (objective, None)
        parameters = inner_update(
            parameters,
            _bind(moving, meta_parameters),
            step_size=step_size,
            jacobian_objective=None if deriving is None else _bind(deriving, meta_parameters),
            first_order=first_order,
        )
    return parameters


def meta_gradient(
    meta_parameters: Meta,
    objectives: Sequence[
        Callable[[Meta, Any], Tensor]
        | tuple[Callable[[Meta, Any], Tensor], Callable[[Meta, Any], Tensor]]
    ],
    outer_objective: Callable[[Meta, Any], Tensor],
    *,
    step_size: float | Tensor | dict[str, Tensor],
    initial: Callable[[Meta], Any] | None = None,
    first_order: bool = False,
) -> Meta:
    """The gradient of the outer objective through all inner updates.

    Meta-objective: *expected-update*. Exact where all objectives are; else an estimate whose three
    slots (value of the step, its derivatives, outer gradient) can be exact or sampled apart from
    one another (Liu et al. 2022, section 5.1). The derivatives are Hessian-vector products;
    no Hessian is formed (proposition 3.1 of the paper, by reverse accumulation).

    Args:
        meta_parameters: phi: a tensor, or a dictionary of tensors.
        objectives: One inner objective per step, as for :func:`adapt`.
        outer_objective: ``(phi, adapted theta) -> tensor without dimensions``.
        step_size: As for :func:`inner_update`.
        initial: As for :func:`adapt`.
        first_order: As for :func:`inner_update`.

    Returns:
        The gradient, of the structure of the meta-parameters.

    Raises:
        ValueError: As :func:`inner_update`.
    """

    def composed(phi: Meta) -> Tensor:
        theta = adapt(
            phi, objectives, step_size=step_size, initial=initial, first_order=first_order
        )
        return outer_objective(phi, theta)

    gradient: Meta = torch.func.grad(composed)(meta_parameters)
    return gradient


def _bind(
    objective: Callable[[Meta, Any], Tensor], meta_parameters: Meta
) -> Callable[[Any], Tensor]:
    return lambda parameters: objective(meta_parameters, parameters)


def _ascend(
    parameters: Parameters,
    objective: Callable[[Parameters], Tensor],
    step_size: float | Tensor | dict[str, Tensor],
    first_order: bool,
) -> Parameters:
    gradient = torch.func.grad(objective)(parameters)
    if first_order:
        gradient = _map(torch.Tensor.detach, gradient)
    ascended: Parameters
    if isinstance(step_size, dict):
        names = sorted(parameters) if isinstance(parameters, dict) else "one tensor"
        if names != sorted(step_size):
            raise ValueError(
                f"Step sizes must be named as the parameters, {names}, got {sorted(step_size)}."
            )
        ascended = _map(
            lambda value, slope, rate: value + rate * slope, parameters, gradient, step_size
        )
        return ascended
    ascended = _map(lambda value, slope: value + step_size * slope, parameters, gradient)
    return ascended


def _map(function: Callable[..., Tensor], *trees: Any) -> Any:
    """Apply to tensors, or name by name to dictionaries of them."""
    if isinstance(trees[0], Tensor):
        return function(*trees)
    return {name: function(*(tree[name] for tree in trees)) for name in trees[0]}
