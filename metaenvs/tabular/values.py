"""Exact values of tabular Markov decision processes, in plain NumPy, for many tasks at once.

All functions take the tasks of `metaenvs/TabularMDP-v0` (n processes) and answer with the task on
the first axis, float64. Values of a finite horizon are of the first step.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from metaenvs.tasks import Tasks

__all__ = ["DISCOUNT", "action_values", "backward_induction", "policy_iteration", "state_values"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DISCOUNT = 0.8
"""Of the code of Tang et al. 2021."""


def state_values(
    tasks: Tasks,
    policy: npt.ArrayLike,
    *,
    discount: float = DISCOUNT,
    horizon: float = math.inf,
) -> Floats:
    """Expected discounted return from every state.

    Args:
        tasks: n processes.
        policy: Probabilities (states, actions), or (n, states, actions).
        discount: In [0, 1], below 1 for the infinite horizon.
        horizon: Number of steps, or ``math.inf``.

    Returns:
        (n, states).

    Raises:
        ValueError: A policy of a wrong shape or that does not sum to 1, a discount or a horizon
            out of its range.
    """
    laws = _policy_of(tasks, policy)
    _check_discount(discount, horizon)
    rewards = (laws * tasks["rewards"]).sum(-1)
    moves = np.einsum("nia,niaj->nij", laws, tasks["transitions"])
    if horizon == math.inf:
        identity = np.eye(moves.shape[-1])
        values: Floats = np.linalg.solve(identity - discount * moves, rewards[..., None])[..., 0]
        return values
    values = np.zeros_like(rewards)
    for _ in range(int(horizon)):
        values = rewards + discount * np.einsum("nij,nj->ni", moves, values)
    return values


def action_values(
    tasks: Tasks,
    policy: npt.ArrayLike,
    *,
    discount: float = DISCOUNT,
    horizon: float = math.inf,
) -> Floats:
    """Expected discounted return after each action, following the policy from then on.

    Args:
        tasks: n processes.
        policy: Probabilities (states, actions), or (n, states, actions).
        discount: In [0, 1], below 1 for the infinite horizon.
        horizon: Number of steps, the action's among them, or ``math.inf``.

    Returns:
        (n, states, actions).

    Raises:
        ValueError: As :func:`state_values`.
    """
    _check_discount(discount, horizon)
    if horizon == 1:
        _policy_of(tasks, policy)
        return np.array(tasks["rewards"])
    values = state_values(tasks, policy, discount=discount, horizon=horizon - 1)
    return _look_ahead(tasks, values, discount)


def backward_induction(
    tasks: Tasks, *, discount: float = 1.0, horizon: int
) -> tuple[Floats, Integers]:
    """Optimal values and actions over finitely many steps.

    Args:
        tasks: n processes.
        discount: In [0, 1].
        horizon: Number of steps.

    Returns:
        Values (n, horizon + 1, states), before each step and after the last, where they are 0;
        and actions (n, horizon, states), the first of those that are best.

    Raises:
        ValueError: A discount or a horizon out of its range.
    """
    if horizon == math.inf:
        raise ValueError("Backward induction needs a finite horizon; see policy_iteration.")
    _check_discount(discount, horizon)
    values = [np.zeros(tasks["rewards"].shape[:2])]
    actions = []
    for _ in range(horizon):
        choices = _look_ahead(tasks, values[-1], discount)
        actions.append(choices.argmax(-1))
        values.append(choices.max(-1))
    return np.stack(values[::-1], 1), np.stack(actions[::-1], 1)


def policy_iteration(tasks: Tasks, *, discount: float = DISCOUNT) -> tuple[Floats, Integers]:
    """Optimal values and actions over the infinite horizon.

    Args:
        tasks: n processes.
        discount: In [0, 1).

    Returns:
        Values (n, states) and actions (n, states).

    Raises:
        ValueError: A discount out of its range.
    """
    _check_discount(discount, math.inf)
    num_actions = tasks["rewards"].shape[-1]
    actions = tasks["rewards"].argmax(-1)
    while True:
        values = state_values(tasks, np.eye(num_actions)[actions], discount=discount)
        choices = _look_ahead(tasks, values, discount)
        # Rounding must not make it change its mind for ever between equally good actions.
        better = choices.max(-1) > values + 1e-10 * (1 + np.abs(values))
        if not better.any():
            return values, actions
        actions = np.where(better, choices.argmax(-1), actions)


def _look_ahead(tasks: Tasks, values: Floats, discount: float) -> Floats:
    """Reward of every action and the discounted values (n, states) that follow."""
    following: Floats = np.einsum("niaj,nj->nia", tasks["transitions"], values)
    return tasks["rewards"] + discount * following


def _policy_of(tasks: Tasks, policy: npt.ArrayLike) -> Floats:
    laws = np.asarray(policy, np.float64)
    shape = tasks["rewards"].shape
    if laws.shape not in (shape, shape[1:]):
        raise ValueError(f"policy must have shape {shape[1:]} or {shape}, got {laws.shape}.")
    if not (laws >= 0).all() or not np.allclose(laws.sum(-1), 1, atol=1e-6):
        raise ValueError("policy must hold probabilities of actions that sum to 1.")
    return np.broadcast_to(laws, shape)


def _check_discount(discount: float, horizon: float) -> None:
    if not 0 <= discount <= 1 or (discount == 1 and horizon == math.inf):
        raise ValueError(
            f"discount must lie in [0, 1], below 1 for an infinite horizon; got {discount}."
        )
    if not horizon >= 1 or (horizon != math.inf and horizon != int(horizon)):
        raise ValueError(f"horizon must be a positive whole number or math.inf, got {horizon}.")
