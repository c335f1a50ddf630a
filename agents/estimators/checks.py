"""Checks of the arguments that the estimators share."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["check_floating", "check_like", "check_mask", "check_values"]


def check_floating(name: str, tensor: Tensor) -> None:
    """Raise TypeError unless ``tensor`` is floating, ValueError unless it has a time dimension."""
    if not tensor.is_floating_point():
        raise TypeError(
            f"{name} must be floating, got {tensor.dtype}: convert it with .float() or .double()."
        )
    if tensor.ndim == 0 or tensor.shape[-1] == 0:
        raise ValueError(
            f"{name} must have at least one step in its last dimension, time; "
            f"got shape {tuple(tensor.shape)}."
        )


def check_like(name: str, tensor: Tensor, model_name: str, model: Tensor) -> None:
    """Raise unless ``tensor`` has the shape (ValueError) and dtype (TypeError) of ``model``."""
    if tensor.shape != model.shape:
        raise ValueError(
            f"{name} must have the shape of {model_name}, {tuple(model.shape)}, "
            f"got {tuple(tensor.shape)}: expand it before the call."
        )
    if tensor.dtype != model.dtype:
        raise TypeError(
            f"{name} must have the dtype of {model_name}, {model.dtype}, "
            f"got {tensor.dtype}: convert it with .to({model_name}.dtype)."
        )


def check_values(name: str, values: Tensor, rewards: Tensor) -> None:
    """Raise unless ``values`` has one entry more in time than ``rewards`` and its dtype."""
    expected = (*rewards.shape[:-1], rewards.shape[-1] + 1)
    if values.shape != expected:
        raise ValueError(
            f"{name} must have shape {expected}: one entry per step and, after the last step, "
            f"the bootstrap (0 where the episode terminated); got {tuple(values.shape)}."
        )
    if values.dtype != rewards.dtype:
        raise TypeError(
            f"{name} must have the dtype of the rewards, {rewards.dtype}, got {values.dtype}."
        )


def check_mask(mask: Tensor | None, model_name: str, model: Tensor) -> None:
    """Raise unless None or boolean (TypeError) and of the shape of ``model`` (ValueError)."""
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask must be boolean, True on valid steps, got {mask.dtype}: convert it with .bool()."
        )
    if mask.shape != model.shape:
        raise ValueError(
            f"mask must have the shape of {model_name}, {tuple(model.shape)}, "
            f"got {tuple(mask.shape)}: expand it before the call."
        )
