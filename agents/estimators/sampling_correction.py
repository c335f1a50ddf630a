"""The term that E-MAML adds to MAML: credit for what the inner trajectories made possible.

MAML's estimator holds the inner trajectories fixed and differentiates through the update made of
them. That is the gradient of neither meta-objective in general; of the *sampled-update* one it
lacks the score of the sampling itself (Stadie et al. 2018, equation 4):

    (J_out(theta^K) - b) * sum over inner steps, trajectories, time of grad log pi_{theta^k}.

Both together are its gradient without bias where the inner surrogate is the score, whose plain
Hessian is the right one here; orders 1, 2, ... belong to the expected-update objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from agents.estimators.checks import check_floating, check_mask

__all__ = ["cross_task_baseline", "sampling_correction"]


def cross_task_baseline(outer_returns: Tensor) -> Tensor:
    """The mean outer return of all other tasks (leave one out): (tasks,) to (tasks,).

    It does not depend on the task's own trajectories, so that the correction stays unbiased.

    Raises:
        ValueError: Unless there is one dimension, of two tasks or more.
    """
    if outer_returns.ndim != 1 or outer_returns.shape[0] < 2:
        raise ValueError(
            "A cross-task baseline needs the returns of at least two tasks in one dimension, "
            f"got shape {tuple(outer_returns.shape)}."
        )
    return (outer_returns.sum() - outer_returns) / (outer_returns.shape[0] - 1)


def sampling_correction(
    inner_logps: Sequence[Tensor],
    outer_returns: Tensor,
    *,
    baseline: Tensor | float = 0.0,
    masks: Sequence[Tensor | None] | None = None,
    reduction: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """E-MAML's sampling correction, to be added to the outer objective; one value per task.

    Meta-objective: *sampled-update*. Only its gradient has a meaning. The outer returns must be
    returns, or advantages over a baseline from outside the task: advantages centred within the
    task have mean 0, and the correction would vanish.

    Args:
        inner_logps: One tensor per inner step, (..., trajectories, time): log probabilities of
            the actions taken, under the parameters of that step as a function of the
            meta-parameters. For further outer steps on the same trajectories, their likelihood
            ratios to the policies that acted instead.
        outer_returns: (...), each task's mean return after the inner updates; gradients into it
            are cut.
        baseline: Subtracted from them; (...) or a number, independent of the task's own inner
            trajectories. Gradients into it are cut.
        masks: One boolean mask or None per inner step; True on valid steps.
        reduction: ``"sum"`` over inner steps, trajectories and time is exact. ``"mean"`` over all
            valid samples is the smaller weight of released code.

    Returns:
        (...).

    Raises:
        TypeError: On a dtype that does not fit.
        ValueError: On a shape that does not fit, no inner step, or another reduction.
    """
    if reduction not in ("sum", "mean"):
        raise ValueError(f"reduction must be 'sum' or 'mean', got {reduction!r}.")
    if not inner_logps:
        raise ValueError("inner_logps must hold one tensor per inner step, got none.")
    if masks is None:
        masks = [None] * len(inner_logps)
    if len(masks) != len(inner_logps):
        raise ValueError(
            f"masks must hold one entry per inner step, {len(inner_logps)}, got {len(masks)}."
        )
    total = torch.zeros_like(outer_returns)
    samples = torch.zeros_like(outer_returns)
    for logp, mask in zip(inner_logps, masks, strict=True):
        check_floating("inner_logps", logp)
        check_mask(mask, "inner_logps", logp)
        if logp.shape[:-2] != outer_returns.shape:
            raise ValueError(
                "Each of inner_logps must have the shape of outer_returns, "
                f"{tuple(outer_returns.shape)}, and two dimensions more, trajectories and time; "
                f"got {tuple(logp.shape)}."
            )
        if logp.dtype != outer_returns.dtype:
            raise TypeError(
                f"inner_logps must have the dtype of outer_returns, {outer_returns.dtype}, "
                f"got {logp.dtype}: convert one of them."
            )
        valid = torch.ones_like(logp, dtype=torch.bool) if mask is None else mask
        total = total + logp.where(valid, 0).sum((-2, -1))
        samples = samples + valid.sum((-2, -1))
    if reduction == "mean":
        total = total / samples
    weight = outer_returns - baseline
    return weight.detach() * total
