"""A baseline that is linear in features of the observation and of time, fitted to each task."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fit_values"]

RIDGE = 1e-5
"""Added to the normal equations, relative to the number of steps."""
TIME_SCALE = 100.0


def fit_values(features: Tensor, times: Tensor, returns: Tensor, valid: Tensor) -> Tensor:
    """Predict returns by least squares in the features, their squares, and powers of time.

    Duan et al. 2016 (supplementary material, section 2); each task is fitted to its own steps.
    Residuals of a task have mean 0, as there is a constant among the regressors: what is made of
    them tells nothing of how one task compares with another.

    Args:
        features: (tasks, steps, features) float; anything finite where not valid.
        times: Each step's number in its episode (tasks, steps).
        returns: From each step on (tasks, steps).
        valid: Which steps exist (tasks, steps) bool.

    Returns:
        Predictions (tasks, steps), 0 where not valid, in the dtype of the returns.
    """
    late = times.to(features.dtype)[..., None] / TIME_SCALE
    powers = torch.cat([late**0, late, late**2, late**3], -1)
    regressors = torch.cat([features, features.square(), powers], -1)
    regressors = (regressors * valid[..., None]).double()
    moments = regressors.mT @ regressors
    moments.diagonal(dim1=-2, dim2=-1).add_(RIDGE * valid.sum(1, keepdim=True))
    weights = torch.linalg.solve(moments, regressors.mT @ returns[..., None].double())
    predictions: Tensor = (regressors @ weights)[..., 0]
    return predictions.to(returns.dtype)
