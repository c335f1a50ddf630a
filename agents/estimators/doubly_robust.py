"""Doubly robust estimates of a policy's value, by recursion over time.

Estimates of the value from each step on; the first is the trajectory's. Differentiable in the
policy, to every order. With unclipped ratios all are unbiased, value and derivatives, on and off
policy, for any critic.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from agents.estimators.checks import check_floating, check_like, check_values
from agents.estimators.surrogate import log_ratio

__all__ = ["dr_recursion", "dr_recursion_q"]


def dr_recursion(
    logp: Tensor,
    rewards: Tensor,
    values: Tensor | None = None,
    *,
    gamma: float | Tensor,
    behaviour_logp: Tensor | None = None,
    rho_clip: float = math.inf,
    c_clip: float = math.inf,
    mask: Tensor | None = None,
) -> Tensor:
    """The doubly robust recursion with a state critic, and V-trace where ratios are clipped.

    ``V_t = v(s_t) + min(rho_t, rho_clip) * delta_t + gamma * min(rho_t, c_clip) *
    (V_{t+1} - v(s_{t+1}))`` (Tang et al. 2021, section 3.2; Espeholt et al. 2018, remark 1).
    Without a critic and without clips this is step-wise importance sampling, on-policy DiCE.
    Clips make it biased off-policy. At a ratio that equals its clip the gradient passes whole,
    so that on-policy a clip of 1 changes nothing.

    Args:
        logp: (..., time) log probabilities of the actions taken, float32 or float64.
        rewards: (..., time).
        values: (..., time + 1), the entry after an episode's last step being its bootstrap; None
            for no critic.
        gamma: Discount.
        behaviour_logp: Log probabilities under the policy that acted; None on-policy.
        rho_clip: Upper bound of the ratio at the temporal difference (V-trace's rho bar).
        c_clip: Upper bound of the ratio in the trace (V-trace's c bar).
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (..., time); entry 0 is the trajectory's estimate. On padding, the critic's value.

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit, or a clip that is not positive.
    """
    for name, clip in (("rho_clip", rho_clip), ("c_clip", c_clip)):
        if not clip > 0:
            raise ValueError(f"{name} must be positive (math.inf for none), got {clip}.")
    ratio = log_ratio(logp, behaviour_logp, mask).exp()
    check_like("rewards", rewards, "logp", logp)
    if values is None:
        values = torch.nn.functional.pad(torch.zeros_like(rewards), (0, 1))
    check_values("values", values, rewards)
    # torch.minimum would give half of the gradient to each side of a tie; clamp gives it all.
    clipped_rho, clipped_c = ratio.clamp(max=rho_clip), ratio.clamp(max=c_clip)
    errors = rewards + gamma * values[..., 1:] - values[..., :-1]
    if mask is not None:
        errors = errors.where(mask, 0)
    # V_t - v(s_t), from the last step backwards.
    correction = torch.zeros_like(values[..., 0])
    corrections = []
    for time in range(rewards.shape[-1] - 1, -1, -1):
        correction = (
            clipped_rho[..., time] * errors[..., time] + gamma * clipped_c[..., time] * correction
        )
        corrections.append(correction)
    return values[..., :-1] + torch.stack(corrections[::-1], -1)


def dr_recursion_q(
    logp: Tensor,
    rewards: Tensor,
    taken_values: Tensor,
    expected_values: Tensor,
    *,
    gamma: float | Tensor,
    behaviour_logp: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The doubly robust recursion with an action critic (Tang et al. 2021, equation 3).

    ``V_t = sum_a pi(a|s_t) Q(s_t, a) + rho_t * (r_t + gamma * V_{t+1} - Q(s_t, a_t))``. The policy
    also enters through the sum: keep ``expected_values`` attached to it.

    Args:
        logp: (..., time) log probabilities of the actions taken, float32 or float64.
        rewards: (..., time).
        taken_values: (..., time), ``Q(s_t, a_t)``.
        expected_values: (..., time + 1), ``sum_a pi(a|s_t) Q(s_t, a)``, the entry after an
            episode's last step being its bootstrap.
        gamma: Discount.
        behaviour_logp: Log probabilities under the policy that acted; None on-policy.
        mask: (..., time) boolean, True on valid steps; None where all are.

    Returns:
        (..., time); entry 0 is the trajectory's estimate. On padding, the expected value.

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit.
    """
    check_floating("logp", logp)
    ratio = log_ratio(logp, behaviour_logp, mask).exp()
    check_like("rewards", rewards, "logp", logp)
    check_like("taken_values", taken_values, "logp", logp)
    check_values("expected_values", expected_values, rewards)
    estimate = expected_values[..., -1]
    estimates = []
    for time in range(rewards.shape[-1] - 1, -1, -1):
        expected = expected_values[..., time]
        error = rewards[..., time] + gamma * estimate - taken_values[..., time]
        estimate = expected + ratio[..., time] * error
        if mask is not None:
            estimate = estimate.where(mask[..., time], expected)
        estimates.append(estimate)
    return torch.stack(estimates[::-1], -1)
