"""Training that has left the finite numbers ends."""

from __future__ import annotations

import numpy as np
from torch import nn

__all__ = ["check_finite"]


def check_finite(module: nn.Module, losses: dict[str, float], env_steps: int) -> None:
    """FloatingPointError for a loss or a parameter that is not finite, before it is kept."""
    mend = "A smaller learning_rate usually mends it."
    if not all(np.isfinite(value) for value in losses.values()):
        raise FloatingPointError(
            f"A loss is not finite after {env_steps} env steps: {losses}. {mend}"
        )
    for name, parameter in module.named_parameters():
        if not parameter.isfinite().all():
            raise FloatingPointError(
                f"Parameter {name} is not finite after {env_steps} env steps. {mend}"
            )
