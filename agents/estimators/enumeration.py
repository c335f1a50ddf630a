"""All trajectories of a small tabular process, and all batches of them, with their probabilities.

An expectation over samples becomes a weighted sum without error.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import torch
from torch import Tensor

from agents.estimators.tabular_mdp import TabularMDP

__all__ = [
    "Trajectories",
    "batch_probabilities",
    "enumerate_batches",
    "enumerate_trajectories",
    "taken_log_probabilities",
    "trajectory_probabilities",
]

_LIMIT = 2_000_000
"""Trajectories or batches above which an enumeration is refused rather than begun."""


@dataclass(frozen=True)
class Trajectories:
    """Trajectories of one length, and the part of their probability that no policy changes."""

    states: Tensor
    """(trajectories, horizon + 1) int64."""
    actions: Tensor
    """(trajectories, horizon) int64."""
    rewards: Tensor
    """(trajectories, horizon), in the process's dtype."""
    dynamics: Tensor
    """(trajectories,), probability of the states given the actions."""


def enumerate_trajectories(mdp: TabularMDP, horizon: int) -> Trajectories:
    """Every trajectory that the process can produce.

    Args:
        mdp: The process.
        horizon: Number of steps, from 1 on.

    Returns:
        At most ``states * (states * actions) ** horizon`` trajectories, those that the dynamics
        rule out left out.

    Raises:
        ValueError: If the horizon is not positive or there are more than two million.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be a positive whole number, got {horizon}.")
    num_states, num_actions = mdp.rewards.shape
    ways = (mdp.transitions > 0).sum(1).double()
    count = float((mdp.initial > 0).double() @ torch.linalg.matrix_power(ways, horizon).sum(-1))
    if count > _LIMIT:
        raise ValueError(
            f"{count:.0f} trajectories of {horizon} steps, more than {_LIMIT}: enumerate a "
            "shorter horizon or a smaller process."
        )
    device = mdp.rewards.device
    states = mdp.initial.nonzero()
    actions = torch.zeros(len(states), 0, dtype=torch.int64, device=device)
    rewards = mdp.rewards.new_zeros(len(states), 0)
    dynamics = mdp.initial[states[:, 0]]
    for _ in range(horizon):
        # One copy of every prefix per action and next state.
        prefix, action, following = torch.cartesian_prod(
            torch.arange(len(states), device=device),
            torch.arange(num_actions, device=device),
            torch.arange(num_states, device=device),
        ).unbind(-1)
        here = states[prefix, -1]
        dynamics = dynamics[prefix] * mdp.transitions[here, action, following]
        states = torch.cat([states[prefix], following[:, None]], -1)
        actions = torch.cat([actions[prefix], action[:, None]], -1)
        rewards = torch.cat([rewards[prefix], mdp.rewards[here, action][:, None]], -1)
        possible = dynamics > 0
        states, actions = states[possible], actions[possible]
        rewards, dynamics = rewards[possible], dynamics[possible]
    return Trajectories(states, actions, rewards, dynamics)


def taken_log_probabilities(trajectories: Trajectories, logits: Tensor) -> Tensor:
    """Log probabilities of the actions taken under a softmax policy.

    Args:
        trajectories: Of one process.
        logits: (states, actions).

    Returns:
        (trajectories, horizon), differentiable in the logits.
    """
    return logits.log_softmax(-1)[trajectories.states[:, :-1], trajectories.actions]


def trajectory_probabilities(trajectories: Trajectories, policy: Tensor) -> Tensor:
    """Probabilities of the trajectories under a policy.

    Args:
        trajectories: All of one process, from :func:`enumerate_trajectories`.
        policy: (states, actions) probabilities.

    Returns:
        (trajectories,), summing to 1; differentiable in the policy.
    """
    taken = policy[trajectories.states[:, :-1], trajectories.actions]
    return trajectories.dynamics * taken.prod(-1)


def enumerate_batches(num_trajectories: int, batch_size: int) -> Tensor:
    """Every batch of trajectories, regardless of order, as counts of each trajectory.

    Args:
        num_trajectories: How many different trajectories there are.
        batch_size: How many a batch holds.

    Returns:
        (batches, num_trajectories) int64, each row summing to ``batch_size``.

    Raises:
        ValueError: If an argument is not positive or there are more than two million batches.
    """
    if num_trajectories < 1 or batch_size < 1:
        raise ValueError(
            "num_trajectories and batch_size must be positive, "
            f"got {num_trajectories} and {batch_size}."
        )
    batches = comb(num_trajectories + batch_size - 1, batch_size)
    if batches > _LIMIT:
        raise ValueError(
            f"{batches} batches of {batch_size} out of {num_trajectories} trajectories: enumerate "
            "smaller batches or fewer trajectories."
        )
    members = torch.tensor(list(combinations_with_replacement(range(num_trajectories), batch_size)))
    counts = torch.zeros(batches, num_trajectories, dtype=torch.int64)
    return counts.scatter_add_(1, members, torch.ones_like(members))


def batch_probabilities(counts: Tensor, probabilities: Tensor) -> Tensor:
    """Multinomial probabilities of batches of independent trajectories.

    Args:
        counts: (batches, trajectories) int64, from :func:`enumerate_batches`.
        probabilities: (trajectories,), of one draw.

    Returns:
        (batches,), summing to 1; differentiable in the probabilities.
    """
    factors = counts.to(probabilities)
    orders = torch.lgamma(factors.sum(-1) + 1) - torch.lgamma(factors + 1).sum(-1)
    return orders.exp() * (probabilities**factors).prod(-1)
