"""Noise of sampled inner gradients along the steps of an adaptation, enumerated or sampled.

A noise is a sampled gradient minus the exact one of the policy that the samples are of. All
unbiased estimators of the gradient that share their advantages share it on policy: the score,
orders 1, 2, ... and infinity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.enumeration import (
    Trajectories,
    batch_probabilities,
    enumerate_batches,
    enumerate_trajectories,
    taken_log_probabilities,
    trajectory_probabilities,
)
from agents.estimators.surrogate import surrogate
from agents.estimators.tabular_mdp import (
    TabularMDP,
    exact_gradient,
    finite_horizon_state_values,
)
from agents.estimators.trajectory_sampling import sample_trajectories

__all__ = ["Noises", "distinct_trajectories", "enumerated_noises", "sampled_noises"]

CHUNK = 16_384
"""Trajectories that are sampled at once: as many as stay in a processor's cache."""


@dataclass(frozen=True)
class Noises:
    """Noises of many adaptations, and where these went."""

    terms: Tensor
    """(adaptations, steps, states, actions)."""
    weights: Tensor
    """(adaptations,), summing to 1."""
    tables: Tensor
    """(adaptations, steps, states, actions), the logits at which each step began."""
    variance: float
    """Trace of the covariance of one trajectory's gradient, the largest over the steps: over all
    tables where adaptations are enumerated, else in the mean over the tables of a step."""


def distinct_trajectories(mdp: TabularMDP, horizon: int) -> Trajectories:
    """All trajectories, those that differ in the last state only as one."""
    every = enumerate_trajectories(mdp, horizon)
    key = torch.cat([every.states[:, :-1], every.actions], -1)
    kept, group = key.unique(dim=0, return_inverse=True)
    dynamics = every.dynamics.new_zeros(len(kept)).index_add(0, group, every.dynamics)
    states = torch.cat([kept[:, :horizon], torch.zeros_like(kept[:, :1])], -1)
    actions = kept[:, horizon:]
    return Trajectories(states, actions, mdp.rewards[states[:, :-1], actions], dynamics)


def trajectory_gradients(mdp: TabularMDP, trajectories: Trajectories, logits: Tensor) -> Tensor:
    """Each trajectory's gradient estimate without critic, (trajectories, states, actions)."""
    returns = gae(trajectories.rewards, gamma=mdp.discount)

    def of_each(table: Tensor) -> Tensor:
        logp = taken_log_probabilities(trajectories, table)
        return surrogate(logp, returns, order="score", gamma=mdp.discount)

    gradients: Tensor = torch.func.jacrev(of_each)(logits)
    return gradients


def enumerated_noises(
    mdp: TabularMDP,
    logits: Tensor,
    *,
    horizon: int,
    batch_size: int,
    num_steps: int,
    step_size: float,
) -> Noises:
    """Every sequence of inner batches, with its probability."""
    trajectories = distinct_trajectories(mdp, horizon)
    counts = enumerate_batches(len(trajectories.rewards), batch_size)
    table, weights = logits[None], logits.new_ones(1)
    terms = logits.new_zeros(1, 0, *logits.shape)
    tables, largest = terms, 0.0
    for _ in range(num_steps):
        law = torch.vmap(lambda at: trajectory_probabilities(trajectories, at.softmax(-1)))(table)
        gradients = torch.vmap(lambda at: trajectory_gradients(mdp, trajectories, at))(table)
        mean = torch.vmap(lambda at: exact_gradient(mdp, at, horizon))(table)
        squares = (gradients - mean[:, None]).square().sum((-1, -2))
        largest = max(largest, float((law * squares).sum(-1).max()))
        batches = torch.einsum("br,prij->pbij", counts.to(law) / batch_size, gradients)
        noise = (batches - mean[:, None]).flatten(0, 1)
        weights = (weights[:, None] * torch.vmap(
            lambda one: batch_probabilities(counts, one))(law)).flatten()  # fmt: skip
        terms, tables = (
            torch.cat([before.repeat_interleave(len(counts), 0), now[:, None]], 1)
            for before, now in ((terms, noise), (tables, table.repeat_interleave(len(counts), 0)))
        )
        table = (table[:, None] + step_size * batches).flatten(0, 1)
    return Noises(terms, weights, tables, largest)


def sampled_noises(
    mdp: TabularMDP,
    logits: Tensor,
    *,
    horizon: int,
    batch_size: int,
    num_steps: int,
    step_size: float,
    count: int,
    generator: torch.Generator,
    moved: bool = True,
) -> Noises:
    """Adaptations whose gradients come of samples, with a noisy critic.

    The critic of a batch is the exact value of the policy plus normal noise, of the same scale as
    in the code of Tang et al. 2021 and Liu et al. 2022, new for each batch.

    Args:
        mdp: The process.
        logits: (states, actions), where all begin.
        horizon: Steps of a trajectory.
        batch_size: Trajectories per inner step.
        num_steps: Inner steps.
        step_size: Of the inner steps.
        count: Adaptations.
        generator: Of samples and critics.
        moved: Whether the noise moves the policy; else every step begins where the exact
            adaptation is.
    """
    table = logits.expand(count, -1, -1)
    terms, tables, variances = [], [], []
    for _ in range(num_steps):
        exact = torch.vmap(lambda at: exact_gradient(mdp, at, horizon))(table)
        share = max(1, CHUNK // batch_size)
        sampled = torch.cat(
            [_batch_gradients(mdp, part, horizon, batch_size, generator)
             for part in table.split(share)]
        )  # fmt: skip
        noise = sampled - exact
        terms.append(noise)
        tables.append(table)
        variances.append(batch_size * float(noise.square().sum((-1, -2)).mean()))
        table = table + step_size * (sampled if moved else exact)
    return Noises(
        torch.stack(terms, 1),
        logits.new_full((count,), 1 / count),
        torch.stack(tables, 1),
        max(variances),
    )


def _batch_gradients(
    mdp: TabularMDP, tables: Tensor, horizon: int, batch_size: int, generator: torch.Generator
) -> Tensor:
    """One sampled gradient per table of logits, (tables, states, actions)."""
    trajectories = sample_trajectories(mdp, tables.softmax(-1), horizon, batch_size, generator)
    values = torch.vmap(lambda at: finite_horizon_state_values(mdp, at.softmax(-1), horizon))(
        tables
    )
    scale = values[:, 0].norm(dim=-1, keepdim=True) / values.shape[-1]
    noise = scale * torch.randn(
        scale.shape[0], values.shape[-1], generator=generator, dtype=values.dtype
    )
    critic = torch.cat([values[:, :-1] + noise[:, None], values[:, -1:]], 1)
    row = torch.arange(len(tables))[:, None, None]
    baseline = critic[row, torch.arange(horizon + 1), trajectories.states]
    advantages = gae(trajectories.rewards, baseline, gamma=mdp.discount)
    tables = tables.detach().requires_grad_()
    logp = tables.log_softmax(-1)[row, trajectories.states[..., :-1], trajectories.actions]
    estimates = surrogate(logp, advantages, order="score", gamma=mdp.discount).mean(-1)
    return torch.autograd.grad(estimates.sum(), tables)[0]
