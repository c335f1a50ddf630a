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
    mask = alive.to(rewards.dtype)
    discounts = torch.as_tensor(discounts) * mask
    # What follows a trial's last step is the bootstrap.
    following = torch.cat([torch.where(alive[1:], values[1:], bootstrap), bootstrap[None]])
    errors = (rewards - values) * mask + discounts * following
    decays = discounts * trace_decay
    advantages = torch.empty_like(rewards)
    running = torch.zeros_like(bootstrap)
    steps = zip(errors.unbind(), decays.unbind(), advantages.unbind(), strict=True)
    for error, decay, advantage in reversed(list(steps)):
        running = torch.addcmul(error, decay, running, out=advantage)
    return advantages, (advantages + values) * mask
