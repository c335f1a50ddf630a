"""Returns and advantages over whole trials."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["explore_mask", "generalised_advantages"]


def explore_mask(episode_index: Tensor, explore_episodes: int) -> Tensor:
    """E-RL²'s chi: 0 on steps of the first ``explore_episodes`` episodes, 1 on later ones.

    Stadie et al. 2018, equation 8. Same shape as ``episode_index``, float32.
    """
    return (episode_index >= explore_episodes).float()


def generalised_advantages(
    rewards: Tensor,
    values: Tensor,
    alive: Tensor,
    bootstrap: Tensor,
    *,
    discounts: Tensor | Sequence[float],
    trace_decay: float,
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimates (Schulman et al. 2016) over trials.

    Nothing is cut at the ends of inner episodes.

    Args:
        rewards: (time, trials) float; masked already where the objective masks them.
        values: (time, trials) predictions of the remaining discounted reward of the trial.
        alive: (time, trials) bool; whether the step belongs to the trial.
        bootstrap: (trials,) value after the last step: 0 where the trial terminated.
        discounts: (time, trials), the discount applied after each step.
        trace_decay: GAE's lambda.

    Returns:
        Advantages and returns (advantage + value), both (time, trials) and zero where not alive.
    """
    discounts = torch.as_tensor(discounts)
    advantages = torch.zeros_like(rewards)
    next_value = bootstrap.clone()
    running = torch.zeros_like(bootstrap)
    mask = alive.to(rewards.dtype)
    for time in range(rewards.shape[0] - 1, -1, -1):
        here = mask[time]
        error = rewards[time] + discounts[time] * next_value - values[time]
        running = here * (error + discounts[time] * trace_decay * running)
        advantages[time] = running
        # Before its last step a trial's "next value" stays the bootstrap.
        next_value = torch.lerp(next_value, values[time], here)
    return advantages, (advantages + values) * mask
