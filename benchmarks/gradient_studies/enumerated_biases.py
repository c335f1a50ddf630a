"""Biases of meta-gradients on processes so small that all inner batches can be enumerated.

Two states, two actions, two steps: eight trajectories that differ in more than their last state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.enumeration import taken_log_probabilities, trajectory_probabilities
from agents.estimators.meta_oracles import expected_meta_gradient
from agents.estimators.surrogate import Order, surrogate
from agents.estimators.tabular_mdp import TabularMDP, exact_gradient
from gradient_studies.composed_meta_gradient import (
    EXACT,
    FIRST_ORDER,
    JACOBIANS,
    ORDER_ONE,
    SCORE,
    composed,
    noise_limit,
)
from gradient_studies.inner_noise import Noises, distinct_trajectories, enumerated_noises
from gradient_studies.lemma import lemma_4_4

__all__ = ["SHARED", "enumerated_row", "small_process"]

HORIZON = 2
CHUNK = 50_000
"""Adaptations that are differentiated at once."""
SHARED: dict[str, Order] = {EXACT: 2, ORDER_ONE: 1, SCORE: "score"}
"""Estimators whose step and Jacobian can share a batch, after one inner step."""


def small_process(seed: int) -> tuple[TabularMDP, Tensor]:
    """A process small enough to be enumerated, and logits (states, actions)."""
    rng = np.random.default_rng(seed)
    # Far from uniform, so that what an action leads to matters.
    laws = rng.uniform(size=(2, 2, 2)) ** 4 + 0.01
    rewards = rng.uniform(size=(2, 2)) * 2 - 0.5
    mdp = TabularMDP(
        torch.tensor(laws / laws.sum(-1, keepdims=True)),
        torch.tensor(rewards),
        torch.tensor([1.0, 0.0], dtype=torch.float64),
        0.8,
    )
    return mdp, torch.tensor(rng.standard_normal((2, 2)))


def enumerated_row(
    seed: int, sweep: str, batch_size: int, step_size: float, num_steps: int
) -> dict[str, Any]:
    """Norms of all biases in one setting on one process, exact; and what theory says of them."""
    mdp, logits = small_process(seed)
    setting: dict[str, Any] = {"horizon": HORIZON, "step_size": step_size}
    noises = enumerated_noises(mdp, logits, batch_size=batch_size, num_steps=num_steps, **setting)
    still = torch.zeros_like(noises.terms[0])
    means, without, limits = {}, {}, {}
    for name in JACOBIANS:

        def function(noise: Tensor, name: str = name) -> Tensor:
            return composed(mdp, logits, noise, jacobian=name, **setting)

        means[name] = _mean(function, noises)
        without[name] = function(still)
        limits[name] = _limit(function, mdp, logits, num_steps, **setting).norm() / batch_size
    truth = without[EXACT]
    row = {
        "truth_norm": truth.norm(),
        "outer_gradient_bias": (means[FIRST_ORDER] - without[FIRST_ORDER]).norm(),
        "lemma_4_4": lemma_4_4(mdp, noises, batch_size=batch_size, **setting),
        "outer_gradient_limit_over_n": limits[FIRST_ORDER],
        "compositional_bias": (means[EXACT] - truth).norm(),
        "compositional_limit_over_n": limits[EXACT],
    }
    for name in JACOBIANS[1:]:
        row[f"hessian_bias: {name}"] = (without[name] - truth).norm()
        row[f"total_bias: {name}"] = (means[name] - truth).norm()
    for name, order in SHARED.items():
        found = float("nan")
        if num_steps == 1:
            estimate = shared_meta_gradient(mdp, logits, order, batch_size, step_size)
            found = (estimate - truth).norm()
        row[f"total_bias, shared samples: {name}"] = found
    head = {"process": seed, "sweep": sweep, "samples": batch_size, "rate": step_size,
            "steps": num_steps}  # fmt: skip
    return head | {key: float(value) for key, value in row.items()}


def shared_meta_gradient(
    mdp: TabularMDP, logits: Tensor, order: Order, batch_size: int, step_size: float
) -> Tensor:
    """Expected meta-gradient where one batch serves the step and its Jacobian; no critic."""
    trajectories = distinct_trajectories(mdp, HORIZON)
    returns = gae(trajectories.rewards, gamma=mdp.discount)
    return expected_meta_gradient(
        logits,
        trajectory_probabilities(trajectories, logits.softmax(-1)),
        lambda at: surrogate(
            taken_log_probabilities(trajectories, at), returns, order=order, gamma=mdp.discount
        ),
        lambda at: exact_gradient(mdp, at, HORIZON),
        batch_size=batch_size,
        step_size=step_size,
        share_samples=True,
    )


def _mean(function: Callable[[Tensor], Tensor], noises: Noises) -> Tensor:
    """Expectation over all adaptations."""
    total = torch.zeros_like(noises.terms[0, 0])
    for weights, terms in zip(noises.weights.split(CHUNK), noises.terms.split(CHUNK), strict=True):
        total += torch.einsum("p,pij->ij", weights, torch.vmap(function)(terms))
    return total


def _limit(
    function: Callable[[Tensor], Tensor],
    mdp: TabularMDP,
    logits: Tensor,
    num_steps: int,
    **setting: Any,
) -> Tensor:
    """Limit of n times the compositional bias."""
    terms, weights = [], []
    for _ in range(num_steps):
        one = enumerated_noises(mdp, logits, batch_size=1, num_steps=1, **setting)
        terms.append(one.terms[:, 0])
        weights.append(one.weights)
        logits = logits + setting["step_size"] * exact_gradient(mdp, logits, HORIZON)
    per_step = noise_limit(function, torch.stack(terms, 1))
    return torch.einsum("rk,rkij->ij", torch.stack(weights, 1), per_step)
