"""LIRPG: the meta-parameters are rewards that the inner objective adds to the process's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from agents.estimators.inner_updates import meta_gradient
from agents.estimators.metrics import pearson_correlation, relative_error
from agents.estimators.tabular_mdp import (
    TabularMDP,
    exact_score_surrogate,
    exact_taypo,
    exact_value,
    state_values,
)
from gradient_studies.composed_meta_gradient import EXACT, FIRST_ORDER, ORDER_ONE, SCORE
from gradient_studies.random_processes import reference_process

__all__ = ["intrinsic_gradients", "intrinsic_rows"]


def intrinsic_gradients(mdp: TabularMDP, step_size: float, num_steps: int) -> dict[str, Tensor]:
    """Meta-gradients in intrinsic rewards of 0, by the Jacobians of the steps.

    Meta-objective: expected-update; steps are exact, so that only Jacobians can be wrong. Policies
    begin uniform. With ``FIRST_ORDER`` it is the score with an exact critic that follows the
    intrinsic rewards: the Hessians are 0, the mixed derivatives are exact.
    """

    def within(phi: Tensor) -> TabularMDP:
        return replace(mdp, rewards=mdp.rewards + phi)

    def inner(phi: Tensor, logits: Tensor) -> Tensor:
        return exact_value(within(phi), logits.softmax(-1))

    def order_one(phi: Tensor, logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        return exact_taypo(within(phi), policy, policy.detach(), 1)

    def score(phi: Tensor, logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        return exact_score_surrogate(within(phi), policy, policy.detach())

    def centred_score(phi: Tensor, logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        critic = state_values(within(phi), policy.detach())
        return exact_score_surrogate(within(phi), policy, policy.detach(), critic)

    objectives = {EXACT: inner, ORDER_ONE: order_one, SCORE: score, FIRST_ORDER: centred_score}
    start = torch.zeros_like(mdp.rewards)
    return {
        name: meta_gradient(
            start,
            [(inner, objective)] * num_steps,
            lambda _, logits: exact_value(mdp, logits.softmax(-1)),
            step_size=step_size,
            initial=lambda _: start,
        )
        for name, objective in objectives.items()
    }


def intrinsic_rows(processes: int) -> list[dict[str, Any]]:
    """Correlation and relative bias against inner steps and rates, twenty states."""
    rows = []
    for seed in range(processes):
        for step_size in (3.0, 10.0):
            for num_steps in (1, 2, 3, 4, 5):
                gradients = intrinsic_gradients(reference_process(seed, 20), step_size, num_steps)
                for name in (ORDER_ONE, SCORE, FIRST_ORDER):
                    pair = gradients[name], gradients[EXACT]
                    rows.append(
                        {"process": seed, "rate": step_size, "steps": num_steps, "jacobian": name,
                         "correlation": float(pearson_correlation(*pair)),
                         "relative_bias": float(relative_error(*pair))}
                    )  # fmt: skip
    return rows
