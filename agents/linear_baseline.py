"""A baseline that is linear in features of the observation and of time, fitted to each task."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fit_values"]

RIDGE = 1e-5
"""Added to the normal equations, relative to the number of steps."""
TIME_SCALE = 100.0


@torch.no_grad()
def fit_values(
    features: Tensor, times: Tensor, returns: Tensor, valid: Tensor, *, squares: bool = True
) -> Tensor:
    """Predict returns by least squares in the features, their squares, and powers of time.

    Duan et al. 2016 (supplementary material, section 2); each task is fitted to its own steps.
    Residuals of a task have mean 0, as there is a constant among the regressors: what is made of
    them tells nothing of how one task compares with another.

    Args:
        features: (tasks, steps, features) float; anything finite where not valid.
        times: Each step's number in its episode (tasks, steps).
        returns: From each step on (tasks, steps).
        valid: Which steps exist (tasks, steps) bool.
        squares: False leaves them out: those of zeros and ones add nothing, and with twice the
            regressors a fit takes almost three times as long (Krazy World's 124 features).

    Returns:
        Predictions (tasks, steps), 0 where not valid, in the dtype of the returns.
    """
    num_tasks, num_steps, width = features.shape
    own = 2 * width if squares else width
    # Steps last: the products of few long rows take less than those of many short ones.
    regressors = features.new_empty((num_tasks, own + 4, num_steps), dtype=torch.float64)
    regressors[:, :width] = features.mT
    if squares:
        regressors[:, width:own] = regressors[:, :width].square()
    late = times.double() / TIME_SCALE
    for power in range(4):
        regressors[:, own + power] = late**power
    regressors *= valid[:, None]
    moments = regressors @ regressors.mT
    moments.diagonal(dim1=-2, dim2=-1).add_(RIDGE * valid.sum(1, keepdim=True))
    weights = _solutions(moments, regressors @ returns[..., None].double())
    predictions: Tensor = (weights.mT @ regressors)[:, 0]
    return predictions.to(returns.dtype)


def _solutions(matrices: Tensor, right: Tensor) -> Tensor:
    """Of systems of equations.

    On a CPU one after another: with several threads PyTorch's solution of a batch (2.13) hangs, or
    takes regular matrices for singular ones, where these have more than some hundred rows.
    """
    if matrices.device.type == "cpu":
        systems = zip(matrices, right, strict=True)
        return torch.stack([torch.linalg.solve(*system) for system in systems])
    solutions: Tensor = torch.linalg.solve(matrices, right)
    return solutions
