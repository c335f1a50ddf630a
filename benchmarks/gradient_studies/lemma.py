"""Lemma 4.4 of Liu et al. 2022 with the constants of a process."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.estimators.bias_bounds import compositional_bias_bound
from agents.estimators.tabular_mdp import TabularMDP, exact_gradient
from gradient_studies.inner_noise import Noises

__all__ = ["lemma_4_4"]


def lemma_4_4(
    mdp: TabularMDP, noises: Noises, *, horizon: int, batch_size: int, step_size: float
) -> float:
    """The lemma's bound for the outer gradient at the adapted policy.

    Lipschitz constants and variance are the largest at the policies that were met. They are not
    more than the lemma's, which are of all policies, so that neither is the bound.
    """

    def slope(table: Tensor) -> Tensor:
        return exact_gradient(mdp, table, horizon)

    last = noises.tables[:, -1]
    reached = last + step_size * (torch.vmap(slope)(last) + noises.terms[:, -1])
    tables = torch.cat([noises.tables.flatten(0, 1), reached])
    size = last[0].numel()
    hessians = torch.vmap(torch.func.jacrev(slope))(tables).view(-1, size, size)
    curvature = float(torch.linalg.matrix_norm(hessians, ord=2).max())
    return compositional_bias_bound(
        lipschitz=curvature,
        smoothness=curvature,
        gradient_deviation=noises.variance**0.5,
        step_size=step_size,
        num_steps=noises.terms.shape[1],
        batch_size=batch_size,
    )
