"""The clipped surrogate of proximal policy optimisation (Schulman et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from agents import ranks

__all__ = ["clipped_surrogate", "standardise"]


def standardise(advantages: Tensor) -> Tensor:
    """Shift and scale to mean 0 and deviation 1 (unchanged scale where all are equal).

    These are of the advantages of all ranks together.
    """
    return (advantages - ranks.mean(advantages)) / (ranks.deviation(advantages) + 1e-8)


def clipped_surrogate(
    log_probabilities: Tensor, old_log_probabilities: Tensor, advantages: Tensor, clip: float
) -> Tensor:
    """``min(ratio * A, clip(ratio, 1 - clip, 1 + clip) * A)``, to be maximised in the mean.

    Equation 7 of the paper. All of shape (n,); ``old_log_probabilities`` and ``advantages`` carry
    no gradient.
    """
    ratio = (log_probabilities - old_log_probabilities).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return torch.min(ratio * advantages, clipped * advantages)
