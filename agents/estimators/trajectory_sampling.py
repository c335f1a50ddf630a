"""Trajectories drawn from a tabular process, for many policies at once."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.estimators.enumeration import Trajectories
from agents.estimators.tabular_mdp import TabularMDP

__all__ = ["sample_trajectories"]


def sample_trajectories(
    mdp: TabularMDP, policy: Tensor, horizon: int, count: int, generator: torch.Generator
) -> Trajectories:
    """Independent trajectories of each policy.

    Args:
        mdp: The process.
        policy: (..., states, actions) probabilities, of the process's dtype; gradients into it
            are cut.
        horizon: Number of steps, from 1 on.
        count: Trajectories per policy, from 1 on.
        generator: On the process's device.

    Returns:
        Trajectories whose arrays have the leading dimensions (..., count).

    Raises:
        ValueError: If the policy's shape does not fit or a number is not positive.
    """
    if policy.shape[-2:] != mdp.rewards.shape:
        raise ValueError(
            f"A policy of this process has shape (..., {mdp.rewards.shape[0]}, "
            f"{mdp.rewards.shape[1]}), got {tuple(policy.shape)}."
        )
    if horizon < 1 or count < 1:
        raise ValueError(f"horizon and count must be positive, got {horizon} and {count}.")
    leading = policy.shape[:-2]
    choices = _cumulative(policy.detach().reshape(-1, *mdp.rewards.shape))
    moves = _cumulative(mdp.transitions)
    row = torch.arange(len(choices), device=policy.device)[:, None]

    def draw(cumulative: Tensor) -> Tensor:
        dice = torch.rand(
            cumulative.shape[:-1], generator=generator, dtype=policy.dtype, device=policy.device
        )
        return (dice[..., None] >= cumulative).sum(-1)

    states = [draw(_cumulative(mdp.initial).expand(len(choices), count, -1))]
    actions, rewards = [], []
    dynamics = mdp.initial[states[0]]
    for _ in range(horizon):
        action = draw(choices[row, states[-1]])
        following = draw(moves[states[-1], action])
        dynamics = dynamics * mdp.transitions[states[-1], action, following]
        rewards.append(mdp.rewards[states[-1], action])
        actions.append(action)
        states.append(following)
    return Trajectories(
        states=torch.stack(states, -1).view(*leading, count, -1),
        actions=torch.stack(actions, -1).view(*leading, count, -1),
        rewards=torch.stack(rewards, -1).view(*leading, count, -1),
        dynamics=dynamics.view(*leading, count),
    )


def _cumulative(law: Tensor) -> Tensor:
    """Cumulative probabilities, exactly 1 from the last possible entry on.

    A number below 1 then never falls on an entry whose probability is 0.
    """
    sums = law.cumsum(-1)
    return sums / sums[..., -1:]
