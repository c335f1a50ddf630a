"""A baseline that is linear in features of the observation and of time, fitted to each task."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["fit_values"]

RIDGE = 1e-5
"""Added to the normal equations, relative to the number of steps."""
TIME_SCALE = 100.0


@torch.no_grad()
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
    width = features.shape[2]
    shape = (len(features), 2 * width + 4, features.shape[1])
    # Steps last: the products of few long rows take less than those of many short ones.
    regressors = features.new_empty(shape, dtype=torch.float64)
    regressors[:, :width] = features.mT
    regressors[:, width : 2 * width] = regressors[:, :width].square()
    late = times.double() / TIME_SCALE
    for power in range(4):
        regressors[:, 2 * width + power] = late**power
    regressors *= valid[:, None]
    moments = regressors @ regressors.mT
    moments.diagonal(dim1=-2, dim2=-1).add_(RIDGE * valid.sum(1, keepdim=True))
    weights = _solutions(moments, regressors @ returns[..., None].double())
    predictions: Tensor = (weights.mT @ regressors)[:, 0]
    return predictions.to(returns.dtype)


def _solutions(matrices: Tensor, right: Tensor) -> Tensor:
    """Of systems of equations, in float64.

    On a CPU with several threads PyTorch's own (2.13, MKL) hangs, or takes regular matrices for
    singular ones, where a batch of them has more than some hundred rows.
    """
    if matrices.device.type == "cpu":
        return torch.from_numpy(np.linalg.solve(matrices.numpy(), right.numpy()))
    solutions: Tensor = torch.linalg.solve(matrices, right)
    return solutions
