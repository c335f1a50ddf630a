"""Sampled gradients and Hessians of a policy's value, and what they are in expectation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.doubly_robust import dr_recursion
from agents.estimators.enumeration import taken_log_probabilities
from agents.estimators.surrogate import Order, surrogate
from agents.estimators.tabular_mdp import (
    TabularMDP,
    exact_score_surrogate,
    exact_taypo,
    exact_value,
    finite_horizon_state_values,
)
from agents.estimators.trajectory_sampling import sample_trajectories
from gradient_studies.random_processes import HORIZON

__all__ = [
    "FIRST",
    "NAMES",
    "ROBUST",
    "SAMPLING",
    "SCORE",
    "SECOND",
    "V_TRACE",
    "Case",
    "derivatives",
    "estimate",
    "expectation",
    "expected_v_trace",
    "make_case",
    "nested_means",
    "sampled_estimates",
    "score_without_critic",
]

Function = Callable[[Tensor], Tensor]

SCORE, FIRST, SECOND = "score", "order 1", "order 2"
ROBUST, SAMPLING, V_TRACE = "doubly robust", "importance sampling", "V-trace"
NAMES = (FIRST, SECOND, ROBUST, SAMPLING, V_TRACE, SCORE)


@dataclass(frozen=True)
class Case:
    """A process and two policies."""

    mdp: TabularMDP
    logits: Tensor  # (states, actions), of the target policy
    behaviour: Tensor  # (states, actions)

    @property
    def on_policy(self) -> bool:
        """Whether the two policies are one."""
        return torch.equal(self.logits.exp(), self.behaviour)

    def critic(self) -> Tensor:
        """Exact values of the behaviour policy, (HORIZON + 1, states)."""
        return finite_horizon_state_values(self.mdp, self.behaviour, HORIZON)


def make_case(mdp: TabularMDP, epsilon: float, seed: int) -> Case:
    """The deterministic policy depends on the seed and not on epsilon."""
    states, actions = mdp.rewards.shape
    behaviour = torch.full_like(mdp.rewards, 1 / actions)
    best = np.random.default_rng(seed).integers(actions, size=states)
    target = (1 - epsilon) * behaviour + epsilon * torch.eye(actions).double()[best]
    return Case(mdp, target.log(), behaviour)


def estimate(
    name: str, rewards: Tensor, values: Tensor, behaviour_logp: Tensor | None, logp: Tensor
) -> Tensor:
    """What an estimator makes of each trajectory, up to a constant: (trajectories,)."""
    gamma: dict[str, Any] = {"gamma": 0.8, "behaviour_logp": behaviour_logp}
    if name == V_TRACE:
        return dr_recursion(logp, rewards, values, rho_clip=1, c_clip=1, **gamma)[..., 0]
    orders: dict[str, Order] = {SCORE: "score", FIRST: 1, SECOND: 2}
    critic = None if name == SAMPLING else values
    advantages = gae(rewards, critic, gamma=0.8)
    return surrogate(logp, advantages, order=orders.get(name, math.inf), **gamma)


def expected_v_trace(case: Case, logits: Tensor) -> Tensor:
    """Expectation of V-trace with clips of 1 and the exact critic, by recursion over time.

    Under mu a ratio clipped at 1 has the weight min(pi, mu).
    """
    weights = torch.minimum(logits.softmax(-1), case.behaviour)
    critic = case.critic()
    value = critic[-1]
    for here in critic[:-1].flip(0):
        following = case.mdp.rewards + case.mdp.discount * case.mdp.transitions @ value
        value = here + (weights * (following - here[:, None])).sum(-1)
    return case.mdp.initial @ value


def expectation(name: str, case: Case, horizon: float = HORIZON) -> Function:
    """From logits to the expected estimate, without sampling."""

    def expected(logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        if name == SCORE:
            critic = case.critic()[:-1]
            return exact_score_surrogate(case.mdp, policy, case.behaviour, critic, horizon)
        if name == V_TRACE and not case.on_policy:
            return expected_v_trace(case, logits)
        if name in (FIRST, SECOND):
            return exact_taypo(case.mdp, policy, case.behaviour, (FIRST, SECOND).index(name) + 1,
                               horizon)  # fmt: skip
        return exact_value(case.mdp, policy, horizon)

    return expected


def derivatives(function: Function, logits: Tensor) -> dict[str, Tensor]:
    """Gradient and Hessian, flattened."""
    slope = torch.func.jacrev(function)
    return {
        "gradient": slope(logits).flatten(),
        "Hessian": torch.func.jacrev(slope)(logits).flatten(),
    }


def nested_means(
    function: Function, logits: Tensor, entries: Tensor, counts: tuple[int, ...]
) -> dict[str, Tensor]:
    """Gradient and Hessian in the logits of the mean of the first n estimates, for each n.

    Estimates depend on the log probabilities of their own steps only. They are differentiated in
    these, and summed into a table of log probabilities before the chain rule: a tenth of the time
    of differentiating in the logits.

    Args:
        function: From log probabilities (trajectories, time) to estimates (trajectories,).
        logits: (states, actions).
        entries: (trajectories, time), index of state and action in the flattened table.
        counts: Numbers of trajectories, ascending.

    Returns:
        Gradients (counts, size) and Hessians (counts, size * size).
    """
    policy, size = logits.softmax(-1), logits.numel()
    logp = policy.log().flatten()[entries]
    slopes, pull = torch.func.vjp(torch.func.grad(lambda steps: function(steps).sum()), logp)
    units = torch.eye(logp.shape[-1], dtype=logp.dtype)
    curvature = torch.stack([pull(unit.expand_as(logp))[0] for unit in units], 1)
    pairs = entries[:, :, None] * size + entries[:, None, :]
    first, second = logp.new_zeros(size), logp.new_zeros(size * size)
    # d log pi(a|s) / d logit(s, b) = [a = b] - pi(b|s), and what it is differentiated once more.
    of_states = torch.block_diag(*policy[:, None].expand(-1, policy.shape[1], -1))
    chain = torch.eye(size, dtype=logp.dtype) - of_states
    bend = torch.block_diag(*(policy[:, :, None] * policy[:, None] - torch.diag_embed(policy)))
    gradients, hessians, begin = [], [], 0
    for end in counts:
        part = slice(begin, end)
        first = first.index_add(0, entries[part].flatten(), slopes[part].flatten())
        second = second.index_add(0, pairs[part].flatten(), curvature[part].flatten())
        of_rows = first.view_as(policy).sum(-1).repeat_interleave(policy.shape[1])
        hessian = chain.T @ second.view(size, size) @ chain + of_rows[:, None] * bend
        gradients.append(chain.T @ first / end)
        hessians.append(hessian.flatten() / end)
        begin = end
    return {"gradient": torch.stack(gradients), "Hessian": torch.stack(hessians)}


def sampled_estimates(
    case: Case,
    names: list[str],
    counts: tuple[int, ...],
    repetitions: int,
    generator: torch.Generator,
) -> dict[tuple[str, str], Tensor]:
    """Estimates (repetitions, counts, entries) by estimator and derivative.

    All estimators of a repetition see the same trajectories and the same noisy critic; smaller
    samples are the beginnings of larger ones.
    """
    exact = case.critic()
    scale = exact[0].norm() / len(exact[0])
    found = []
    for _ in range(repetitions):
        noise = scale * torch.randn(len(exact[0]), generator=generator, dtype=torch.float64)
        critic = torch.cat([exact[:-1] + noise, exact[-1:]])
        trajectories = sample_trajectories(case.mdp, case.behaviour, HORIZON, counts[-1], generator)
        values = critic[torch.arange(HORIZON + 1), trajectories.states]
        acted = taken_log_probabilities(trajectories, case.behaviour.log())
        entries = trajectories.states[:, :-1] * case.logits.shape[1] + trajectories.actions
        means = {}
        for name in names:
            function = partial(
                estimate, name, trajectories.rewards, values, None if case.on_policy else acted
            )
            for kind, mean in nested_means(function, case.logits, entries, counts).items():
                means[name, kind] = mean
        found.append(means)
    return {key: torch.stack([means[key] for means in found]) for key in found[0]}


def score_without_critic(case: Case, horizon: float, logits: Tensor) -> Tensor:
    """Expected score surrogate over plain returns."""
    return exact_score_surrogate(case.mdp, logits.softmax(-1), case.behaviour, horizon=horizon)
