"""Meta-gradients without sampling: of the exact inner gradient, and in expectation over batches.

Parameters here are one tensor of any shape. The first oracle forms every Hessian and mixed
derivative; it shares nothing with the automatic differentiation through updates that
:mod:`agents.estimators.inner_updates` does.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from agents.estimators.enumeration import batch_probabilities, enumerate_batches

__all__ = ["exact_meta_gradient", "expected_meta_gradient", "sampled_update_objective"]


def exact_meta_gradient(
    meta_parameters: Tensor,
    inner_objective: Callable[[Tensor, Tensor], Tensor],
    outer_objective: Callable[[Tensor, Tensor], Tensor],
    *,
    num_steps: int,
    step_size: float,
    initial: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Meta-gradient composed of Hessians and mixed derivatives (Liu et al. 2022, proposition 3.1).

    Meta-objective: *expected-update*; exact where the objectives are.

    Args:
        meta_parameters: phi, any shape.
        inner_objective: ``(phi, theta) -> tensor without dimensions``, to be maximised.
        outer_objective: Likewise.
        num_steps: Inner steps.
        step_size: Of the inner steps.
        initial: From phi to the first theta; None: theta starts as phi.

    Returns:
        The gradient, of phi's shape.

    Raises:
        ValueError: If ``num_steps`` is negative.
    """
    if num_steps < 0:
        raise ValueError(f"num_steps must be 0 or more, got {num_steps}.")
    phi = meta_parameters
    start = phi if initial is None else initial(phi)
    slope = torch.func.grad(inner_objective, argnums=1)
    iterates = [start]
    for _ in range(num_steps):
        iterates.append(iterates[-1] + step_size * slope(phi, iterates[-1]))
    by_phi: Tensor
    covector: Tensor
    by_phi, covector = torch.func.grad(outer_objective, argnums=(0, 1))(phi, iterates.pop())
    covector = covector.flatten()
    total = by_phi.flatten()
    for theta in reversed(iterates):
        mixed = torch.func.jacrev(slope, argnums=0)(phi, theta)
        hessian = torch.func.jacrev(slope, argnums=1)(phi, theta)
        total = total + step_size * covector @ mixed.reshape(len(covector), len(total))
        covector = covector + step_size * covector @ hessian.reshape(len(covector), -1)
    if initial is None:
        return (total + covector).reshape(phi.shape)
    jacobian: Tensor = torch.func.jacrev(initial)(phi)
    total = total + covector @ jacobian.reshape(len(covector), len(total))
    return total.reshape(phi.shape)


def expected_meta_gradient(
    parameters: Tensor,
    probabilities: Tensor,
    surrogates: Callable[[Tensor], Tensor],
    outer_gradient: Callable[[Tensor], Tensor],
    *,
    batch_size: int,
    step_size: float,
    share_samples: bool,
) -> Tensor:
    """Expectation of MAML's stochastic meta-gradient after one inner step, over all batches.

    Meta-objective: *expected-update*, of which this is what an estimator follows on average; its
    distance from :func:`exact_meta_gradient` is the estimator's bias. The outer gradient is exact.

    Args:
        parameters: theta = phi, any shape; requires no gradient.
        probabilities: (trajectories,), of one draw.
        surrogates: From parameters to the surrogate of each trajectory, (trajectories,); its
            gradient moves the parameters and its Hessian is the move's derivative.
        outer_gradient: From adapted parameters to the outer gradient, of the same shape. Has to
            work under ``torch.vmap``.
        batch_size: Inner trajectories per batch.
        step_size: Of the inner step.
        share_samples: Whether one batch serves the gradient and the Hessian, as in MAML, or the
            Hessian has its own, independent one.

    Returns:
        Of the parameters' shape.

    Raises:
        ValueError: If the batches are too many to enumerate.
    """
    counts = enumerate_batches(len(probabilities), batch_size).to(probabilities.device)
    weights = batch_probabilities(counts, probabilities)
    means = counts.to(parameters) / batch_size
    gradients, hessians = _derivatives(parameters, surrogates)
    adapted = parameters + step_size * (means @ gradients).view(-1, *parameters.shape)
    outer = torch.vmap(outer_gradient)(adapted).flatten(1)
    if share_samples:
        # A batch at a time is a Hessian-vector product; all at once they are one contraction.
        products = torch.einsum("bn,nij,bi->bj", means, hessians, outer)
        return (weights @ (outer + step_size * products)).view_as(parameters)
    covector = weights @ outer
    hessian = torch.einsum("n,nij->ij", probabilities, hessians)
    return (covector + step_size * covector @ hessian).view_as(parameters)


def sampled_update_objective(
    parameters: Tensor,
    probabilities: Callable[[Tensor], Tensor],
    surrogates: Callable[[Tensor], Tensor],
    outer_objective: Callable[[Tensor], Tensor],
    *,
    batch_size: int,
    step_size: float,
) -> Tensor:
    """The *sampled-update* meta-objective of one inner step, over all batches (E-MAML's).

    ``E_D[J_out(theta + step_size * gradient of the batch D)]``, with D drawn from theta.

    Args:
        parameters: theta, any shape.
        probabilities: From parameters to the probability of each trajectory, (trajectories,).
        surrogates: From parameters to the surrogate of each trajectory, (trajectories,).
        outer_objective: From adapted parameters to a tensor without dimensions. Has to work under
            ``torch.vmap``.
        batch_size: Inner trajectories per batch.
        step_size: Of the inner step.

    Returns:
        A tensor without dimensions, differentiable in the parameters.

    Raises:
        ValueError: If the batches are too many to enumerate.
    """
    law = probabilities(parameters)
    counts = enumerate_batches(len(law), batch_size).to(law.device)
    gradients = torch.func.jacrev(surrogates)(parameters)
    steps = torch.einsum("bn,n...->b...", counts.to(law) / batch_size, gradients)
    adapted = parameters + step_size * steps
    return batch_probabilities(counts, law) @ torch.vmap(outer_objective)(adapted)


def _derivatives(
    parameters: Tensor, surrogates: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Each trajectory's gradient (trajectories, size) and Hessian (trajectories, size, size)."""
    first = torch.func.jacrev(surrogates)
    gradients = first(parameters)
    hessians = torch.func.jacrev(first)(parameters)
    size = parameters.numel()
    return gradients.reshape(-1, size), hessians.reshape(-1, size, size)
