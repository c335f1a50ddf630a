"""Advantages, and the part of an estimate that carries no policy, from rewards and a critic.

Time is last. Critic values have one entry more than there are steps: entry ``t`` belongs to the
state before step ``t``, and the entry after an episode's last valid step is its bootstrap, 0 where
the episode terminated. Padding follows it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.estimators.checks import check_floating, check_mask, check_values

__all__ = ["bootstrapped_return", "discounts", "gae", "power_matrix", "temporal_differences"]


def discounts(gamma: float | Tensor, like: Tensor) -> Tensor:
    """``gamma ** t`` for each step of ``like`` (..., time): (time,), of its dtype and device."""
    powers = torch.ones(1, dtype=like.dtype, device=like.device)
    step = gamma
    # By doubling: torch.pow has no second derivative where its base is 0.
    while len(powers) < like.shape[-1]:
        powers = torch.cat([powers, powers * step])
        step = step * step
    return powers[: like.shape[-1]]


def power_matrix(factor: float | Tensor, like: Tensor) -> Tensor:
    """``factor ** (k - t)`` in row t, column k >= t, and 0 before: (time, time).

    ``x @ power_matrix`` sums over the past, ``x @ power_matrix.mT`` over the future, with one
    matrix product in the place of a loop over time; differentiable in ``factor``, at 0 too.
    """
    steps = torch.arange(like.shape[-1], device=like.device)
    distance = (steps - steps[:, None]).clamp(min=0)
    return discounts(factor, like)[distance].triu()


def temporal_differences(
    rewards: Tensor, values: Tensor | None, gamma: float | Tensor, mask: Tensor | None = None
) -> Tensor:
    """``r_t + gamma * V(s_{t+1}) - V(s_t)``, 0 on padding.

    Args:
        rewards: (..., time), float32 or float64.
        values: (..., time + 1), or None for no critic.
        gamma: Discount, a number or a tensor without dimensions.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (..., time).

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit.
    """
    check_floating("rewards", rewards)
    check_mask(mask, "rewards", rewards)
    errors = rewards
    if values is not None:
        check_values("values", values, rewards)
        errors = rewards + gamma * values[..., 1:] - values[..., :-1]
    return errors if mask is None else errors.where(mask, 0)


def gae(
    rewards: Tensor,
    values: Tensor | None = None,
    *,
    gamma: float | Tensor,
    trace_decay: float | Tensor = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016, equation 16).

    Without a critic and with ``trace_decay=1`` these are the returns from each step on. The result
    is differentiable in ``gamma``, ``trace_decay``, ``rewards`` and ``values``, as meta-learned
    discounts and intrinsic rewards need; detach a critic that must not be differentiated.

    Args:
        rewards: (..., time), float32 or float64.
        values: (..., time + 1), or None for no critic.
        gamma: Discount, a number or a tensor without dimensions.
        trace_decay: GAE's lambda, likewise.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (..., time), 0 on padding.

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit.
    """
    errors = temporal_differences(rewards, values, gamma, mask)
    return errors @ power_matrix(gamma * trace_decay, errors).mT


def bootstrapped_return(
    rewards: Tensor,
    values: Tensor | None = None,
    *,
    gamma: float | Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """The discounted return of each trajectory, plus its discounted bootstrap.

    What has to be added to a surrogate over advantages to make an estimate of the value; it
    carries no policy.

    Args:
        rewards: (..., time), float32 or float64.
        values: (..., time + 1), or None for no critic.
        gamma: Discount, a number or a tensor without dimensions.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (...), one per trajectory.

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit.
    """
    errors = temporal_differences(rewards, values, gamma, mask)
    # The telescoped form finds each episode's own bootstrap, wherever its padding begins.
    total = (errors * discounts(gamma, errors)).sum(-1)
    return total if values is None else total + values[..., 0]
