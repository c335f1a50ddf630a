"""MAML's meta-gradient as a function of the noise of its inner steps.

Inner steps follow the exact gradient plus a noise; each Jacobian is that of the exact update or of
an estimator in expectation, given where the step began; the outer gradient is exact. This is the
expectation, over the samples of the Jacobians, of the stochastic meta-gradient of Liu et al. 2022
whose values and Jacobians have samples of their own. With the noise at 0 it is free of
compositional bias, and with exact Jacobians of bias by the Hessian.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from agents.estimators.tabular_mdp import (
    TabularMDP,
    exact_gradient,
    exact_score_surrogate,
    exact_taypo,
)

__all__ = ["EXACT", "FIRST_ORDER", "JACOBIANS", "ORDER_ONE", "SCORE", "composed", "noise_limit"]

EXACT, ORDER_ONE, SCORE, FIRST_ORDER = "exact", "order 1", "score, no critic", "first-order"
JACOBIANS = (EXACT, ORDER_ONE, SCORE, FIRST_ORDER)
"""Of order 2 and more, of DiCE and of doubly robust estimates the expectation is exact; of the
score with an exact critic it is first-order MAML's."""

DIFFERENCE = 1e-3
"""Of second differences, in units of a trajectory's noise."""

Product = Callable[[Tensor, Tensor], Tensor]


def hessian_product(jacobian: str, mdp: TabularMDP, horizon: float) -> Product:
    """From logits and a covector to the expected Hessian's product with it."""

    def product(logits: Tensor, covector: Tensor) -> Tensor:
        if jacobian == FIRST_ORDER:
            return torch.zeros_like(covector)
        behaviour = logits.softmax(-1)

        def slope(table: Tensor) -> Tensor:
            if jacobian == EXACT:
                return exact_gradient(mdp, table, horizon)
            expected = {
                ORDER_ONE: lambda at: exact_taypo(mdp, at.softmax(-1), behaviour, 1, horizon),
                SCORE: lambda at: exact_score_surrogate(
                    mdp, at.softmax(-1), behaviour, horizon=horizon
                ),
            }[jacobian]
            gradient: Tensor = torch.func.grad(expected)(table)
            return gradient

        moved: Tensor = torch.func.vjp(slope, logits)[1](covector)[0]  # It is symmetric.
        return moved

    return product


def composed(
    mdp: TabularMDP, logits: Tensor, noise: Tensor, *, step_size: float, jacobian: str,
    horizon: float,
) -> Tensor:  # fmt: skip
    """The meta-gradient after as many inner steps as there are noises.

    Args:
        mdp: The process, inner and outer.
        logits: (states, actions), where the policy begins.
        noise: (steps, states, actions), what is added to the exact inner gradients.
        step_size: Of the inner steps.
        jacobian: One of ``JACOBIANS``.
        horizon: Steps of a trajectory, or ``math.inf``.

    Returns:
        (states, actions).
    """
    product = hessian_product(jacobian, mdp, horizon)
    path = [logits]
    for term in noise:
        path.append(path[-1] + step_size * (exact_gradient(mdp, path[-1], horizon) + term))
    covector = exact_gradient(mdp, path.pop(), horizon)
    for table in reversed(path):
        covector = covector + step_size * product(table, covector)
    return covector


def noise_limit(function: Callable[[Tensor], Tensor], noises: Tensor) -> Tensor:
    """Limit of n times the compositional bias, by the delta method.

    Half of the second derivative of the meta-gradient in the noise, at 0, along the covariance of
    one trajectory's noise. Noises of different steps are uncorrelated.

    Args:
        function: From noise (steps, ...) to the meta-gradient.
        noises: (draws, steps, ...), of one trajectory each, at the path without noise.

    Returns:
        (draws, steps, ...): the limit is the mean over draws and the sum over steps.
    """
    still = function(torch.zeros_like(noises[0]))
    terms = []
    for step in range(noises.shape[1]):
        # One step at a time: a draw's products of two steps are noise without expectation.
        alone = torch.zeros_like(noises)
        alone[:, step] = DIFFERENCE * noises[:, step]
        ahead, behind = (torch.vmap(function)(sign * alone) for sign in (1, -1))
        terms.append((ahead - 2 * still + behind) / DIFFERENCE**2 / 2)
    return torch.stack(terms, 1)
