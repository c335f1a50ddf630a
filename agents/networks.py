"""Networks shared by the agents: encoders of trial inputs, and heads."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from agents.table_sum import rectified_table_sum

__all__ = ["TrialEncoder", "linear"]


def linear(
    inputs: int, outputs: int, gain: float, generator: torch.Generator, *, bias: bool = True
) -> nn.Linear:
    """A linear layer with orthogonal weights scaled by ``gain`` and zero bias."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        nn.init.orthogonal_(layer.weight, gain, generator=generator)
        if bias:
            layer.bias.zero_()
    return layer


class TrialEncoder(nn.Module):
    """One linear layer and a rectifier over what RL² reads.

    Categories (tile codes, the previous action) are looked up in a table of weights: the same as
    a linear layer on their one-hot vectors, without making these.

    Args:
        observation_space: ``MultiDiscrete`` or ``Box`` of one row, without trial inputs.
        action_space: ``Discrete`` or ``Box`` of one row.
        width: Number of outputs.
        generator: Source of the initial weights.

    Raises:
        TypeError: Spaces of another kind.
    """

    offsets: Tensor

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        width: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        code_sizes: list[int] = []
        num_values = 2  # the previous reward and the episode-end flag
        self.scale = 1.0
        if isinstance(observation_space, gym.spaces.MultiDiscrete):
            code_sizes += [int(size) for size in observation_space.nvec.ravel()]
        elif isinstance(observation_space, gym.spaces.Box):
            num_values += int(np.prod(observation_space.shape))
            self.scale = 1 / 255 if observation_space.dtype == np.uint8 else 1.0
        else:
            raise TypeError(
                f"Expected a MultiDiscrete or Box observation, got {observation_space}."
            )
        if isinstance(action_space, gym.spaces.Discrete):
            code_sizes.append(int(action_space.n) + 1)
        elif isinstance(action_space, gym.spaces.Box):
            num_values += int(np.prod(action_space.shape))
        else:
            raise TypeError(f"Expected a Discrete or Box action, got {action_space}.")
        self.observes_codes = isinstance(observation_space, gym.spaces.MultiDiscrete)
        self.acts_codes = isinstance(action_space, gym.spaces.Discrete)
        offsets = np.concatenate([[0], np.cumsum(code_sizes)[:-1]]) if code_sizes else [0]
        self.register_buffer("offsets", torch.as_tensor(offsets, dtype=torch.int64), False)
        num_active = len(code_sizes) + num_values
        spread = (2.0 / num_active) ** 0.5
        self.table = nn.Parameter(
            torch.randn(max(sum(code_sizes), 1), width, generator=generator) * spread
        )
        self.values = nn.Parameter(torch.randn(num_values, width, generator=generator) * spread)
        self.bias = nn.Parameter(torch.zeros(width))

    def prepare(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Turn trial inputs (n rows) into indices (n, codes) int64 and values (n, values)."""
        rows = inputs["previous_reward"].shape[0]
        observation = inputs["observation"].reshape(rows, -1)
        action = inputs["previous_action"].reshape(rows, -1)
        codes: list[Tensor] = []
        values = [inputs[name].reshape(rows, -1) for name in ("previous_reward", "episode_end")]
        if self.observes_codes:
            codes.append(observation)
        else:
            values.append(observation.float() * self.scale)
        (codes if self.acts_codes else values).append(action)
        # Concatenation brings the parts to one type.
        joined = torch.cat(values, dim=1).float()
        if not codes:
            return action.new_zeros(rows, 0, dtype=torch.int64), joined
        return torch.cat(codes, dim=1) + self.offsets, joined

    def forward(self, indices: Tensor, values: Tensor) -> Tensor:
        """Encode prepared inputs: (n, width)."""
        linear = torch.addmm(self.bias, values, self.values)
        return rectified_table_sum(linear, indices, self.table)
