"""Exact values, gradients and Hessians of policies in a tabular Markov decision process.

A policy is a table of probabilities (states, actions); where derivatives in a parameter are
meant, the parameter is the table of logits of a softmax. All results are differentiable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = [
    "TabularMDP",
    "action_values",
    "exact_gradient",
    "exact_hessian",
    "exact_score_surrogate",
    "exact_taypo",
    "exact_value",
    "finite_horizon_action_values",
    "finite_horizon_state_values",
    "state_values",
]


@dataclass(frozen=True)
class TabularMDP:
    """A Markov decision process with finitely many states and actions.

    Raises:
        ValueError: If shapes do not fit, a law does not sum to 1, or the discount lies outside
            [0, 1].
    """

    transitions: Tensor
    """(states, actions, states), the law of the next state; float32 or float64."""
    rewards: Tensor
    """(states, actions), expected reward."""
    initial: Tensor
    """(states,), the law of the first state."""
    discount: float
    """In [0, 1]; below 1 for values of the infinite horizon."""

    def __post_init__(self) -> None:
        states, actions = self.rewards.shape
        if self.transitions.shape != (states, actions, states):
            raise ValueError(
                f"transitions must have shape {(states, actions, states)} beside rewards of "
                f"shape {(states, actions)}, got {tuple(self.transitions.shape)}."
            )
        if self.initial.shape != (states,):
            raise ValueError(
                f"initial must have shape {(states,)}, got {tuple(self.initial.shape)}."
            )
        for name, law in (("transitions", self.transitions), ("initial", self.initial)):
            if not (law >= 0).all() or not torch.allclose(law.sum(-1), law.new_ones(())):
                raise ValueError(
                    f"{name} must be probabilities that sum to 1 over the last dimension."
                )
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount must lie in [0, 1], got {self.discount}.")


def state_values(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """Values of the infinite horizon: solution of the Bellman equation, (states,).

    Raises:
        ValueError: If the policy's shape does not fit or the discount is 1.
    """
    _check_policy(mdp, policy)
    if mdp.discount == 1:
        raise ValueError(
            "The infinite horizon needs a discount below 1: lower it or give a finite horizon."
        )
    values: Tensor = torch.linalg.solve(_resolvent(mdp, policy), (policy * mdp.rewards).sum(-1))
    return values


def action_values(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """Values of actions over the infinite horizon, (states, actions).

    Raises:
        ValueError: As :func:`state_values`.
    """
    return mdp.rewards + mdp.discount * mdp.transitions @ state_values(mdp, policy)


def finite_horizon_state_values(mdp: TabularMDP, policy: Tensor, horizon: int) -> Tensor:
    """Values before each step and after the last, where they are 0: (horizon + 1, states).

    Raises:
        ValueError: If the policy's shape does not fit or the horizon is not a positive integer.
    """
    _check_policy(mdp, policy)
    if horizon != int(horizon) or horizon < 1:
        raise ValueError(f"horizon must be a positive whole number, got {horizon}.")
    values = [torch.zeros_like(policy[:, 0])]
    for _ in range(int(horizon)):
        following = mdp.rewards + mdp.discount * mdp.transitions @ values[-1]
        values.append((policy * following).sum(-1))
    return torch.stack(values[::-1])


def finite_horizon_action_values(mdp: TabularMDP, policy: Tensor, horizon: int) -> Tensor:
    """Values of actions at each step, (horizon, states, actions).

    Raises:
        ValueError: As :func:`finite_horizon_state_values`.
    """
    values = finite_horizon_state_values(mdp, policy, horizon)
    following = torch.einsum("iaj,tj->tia", mdp.transitions, values[1:])
    return mdp.rewards + mdp.discount * following


def exact_value(mdp: TabularMDP, policy: Tensor, horizon: float = math.inf) -> Tensor:
    """Expected discounted return from the initial law, a tensor without dimensions.

    Args:
        mdp: The process.
        policy: (states, actions) probabilities.
        horizon: Number of steps, or ``math.inf``.

    Raises:
        ValueError: If the policy's shape or the horizon does not fit.
    """
    if horizon == math.inf:
        return mdp.initial @ state_values(mdp, policy)
    return mdp.initial @ finite_horizon_state_values(mdp, policy, int(horizon))[0]


def exact_gradient(mdp: TabularMDP, logits: Tensor, horizon: float = math.inf) -> Tensor:
    """Gradient of the value in the logits of a softmax policy, in closed form.

    ``d(s) pi(a|s) (Q(s, a) - V(s))`` with the discounted, unnormalised visits ``d`` (Sutton et
    al. 2000, theorem 1), summed over steps where the horizon is finite.

    Args:
        mdp: The process.
        logits: (states, actions).
        horizon: Number of steps, or ``math.inf``.

    Returns:
        (states, actions).

    Raises:
        ValueError: If the logits' shape or the horizon does not fit.
    """
    policy = logits.softmax(-1)
    if horizon == math.inf:
        values = action_values(mdp, policy)
        visits: Tensor = torch.linalg.solve(_resolvent(mdp, policy).mT, mdp.initial)
        return visits[:, None] * _centred(policy, values)
    gradient = torch.zeros_like(logits)
    visits = mdp.initial
    moves = _state_transitions(mdp, policy)
    for values in finite_horizon_action_values(mdp, policy, int(horizon)):
        gradient = gradient + visits[:, None] * _centred(policy, values)
        visits = mdp.discount * visits @ moves
    return gradient


def exact_hessian(mdp: TabularMDP, logits: Tensor, horizon: float = math.inf) -> Tensor:
    """Hessian of the value in the logits: the Jacobian of :func:`exact_gradient`.

    Args:
        mdp: The process.
        logits: (states, actions).
        horizon: Number of steps, or ``math.inf``.

    Returns:
        (states, actions, states, actions).

    Raises:
        ValueError: If the logits' shape or the horizon does not fit.
    """
    hessian: Tensor = torch.func.jacrev(lambda table: exact_gradient(mdp, table, horizon))(logits)
    return hessian


def exact_taypo(
    mdp: TabularMDP, policy: Tensor, behaviour: Tensor, order: int, horizon: float = math.inf
) -> Tensor:
    """Expectation of the Taylor expansion of the value around the behaviour policy.

    ``V^mu + U_1 + ... + U_K``, where ``U_k = (g M dP)^{k-1} M g_1``, ``M = (I - g P^mu)^{-1}``,
    ``dP = P^pi - P^mu`` and ``g_1(s) = sum_a (pi - mu)(a|s) Q^mu(s, a)`` (Tang et al. 2021,
    equation 6, in matrix form). Order infinity would be the value of ``policy`` itself.

    Args:
        mdp: The process.
        policy: (states, actions), the policy to be valued.
        behaviour: (states, actions), mu.
        order: K, from 1 on.
        horizon: Number of steps, or ``math.inf``.

    Returns:
        A tensor without dimensions.

    Raises:
        ValueError: If a policy's shape, the order or the horizon does not fit.
    """
    if order < 1 or order != int(order):
        raise ValueError(f"order must be a whole number from 1 on, got {order}.")
    _check_policy(mdp, policy)
    difference = policy - behaviour
    difference_moves = _state_transitions(mdp, difference)
    if horizon == math.inf:
        resolvent = _resolvent(mdp, behaviour)
        total = state_values(mdp, behaviour)
        gain = (difference * action_values(mdp, behaviour)).sum(-1)
        for _ in range(order):
            term = torch.linalg.solve(resolvent, gain)
            total = total + term
            gain = mdp.discount * difference_moves @ term
        return mdp.initial @ total
    total = finite_horizon_state_values(mdp, behaviour, int(horizon))[0]
    moves = _state_transitions(mdp, behaviour)
    gains = (difference * finite_horizon_action_values(mdp, behaviour, int(horizon))).sum(-1)
    for _ in range(order):
        # The resolvent over finitely many steps: values under mu of the gains as rewards.
        terms = [torch.zeros_like(gains[0])]
        for gain in gains.flip(0):
            terms.append(gain + mdp.discount * moves @ terms[-1])
        terms.reverse()
        total = total + terms[0]
        gains = mdp.discount * torch.stack(terms[1:]) @ difference_moves.mT
    return mdp.initial @ total


def exact_score_surrogate(
    mdp: TabularMDP,
    policy: Tensor,
    behaviour: Tensor,
    critic: Tensor | None = None,
    horizon: float = math.inf,
) -> Tensor:
    """Expectation under the behaviour policy of the score surrogate, order ``"score"``.

    ``sum_t gamma^t (Q^mu(s_t, a_t) - critic(s_t)) log pi(a_t|s_t)``. Where the two policies agree
    its gradient is the value's; its Hessian is not, and depends on the critic.

    Args:
        mdp: The process.
        policy: (states, actions), the policy that is differentiated.
        behaviour: (states, actions), mu.
        critic: (states,), or (horizon, states) where the horizon is finite; None for none.
        horizon: Number of steps, or ``math.inf``.

    Returns:
        A tensor without dimensions.

    Raises:
        ValueError: If a policy's shape or the horizon does not fit.
    """
    _check_policy(mdp, policy)
    weights = behaviour * policy.log()
    if horizon == math.inf:
        advantages = action_values(mdp, behaviour)
        if critic is not None:
            advantages = advantages - critic[:, None]
        visits: Tensor = torch.linalg.solve(_resolvent(mdp, behaviour).mT, mdp.initial)
        return visits @ (weights * advantages).sum(-1)
    advantages = finite_horizon_action_values(mdp, behaviour, int(horizon))
    if critic is not None:
        advantages = advantages - critic[..., None]
    total = torch.zeros_like(mdp.initial[0])
    visits = mdp.initial
    moves = _state_transitions(mdp, behaviour)
    for advantage in advantages:
        total = total + visits @ (weights * advantage).sum(-1)
        visits = mdp.discount * visits @ moves
    return total


def _state_transitions(mdp: TabularMDP, weights: Tensor) -> Tensor:
    """Transitions between states under weights of actions (states, actions)."""
    return torch.einsum("ia,iaj->ij", weights, mdp.transitions)


def _resolvent(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """``I - g P^pi``, of which values and visits are solutions."""
    moves = _state_transitions(mdp, policy)
    identity = torch.eye(moves.shape[0], dtype=moves.dtype, device=moves.device)
    return identity - mdp.discount * moves


def _centred(policy: Tensor, values: Tensor) -> Tensor:
    return policy * (values - (policy * values).sum(-1, keepdim=True))


def _check_policy(mdp: TabularMDP, policy: Tensor) -> None:
    if policy.shape != mdp.rewards.shape:
        raise ValueError(
            f"A policy of this process has shape {tuple(mdp.rewards.shape)}, "
            f"got {tuple(policy.shape)}."
        )
