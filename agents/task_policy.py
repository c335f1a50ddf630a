"""A feed-forward policy that acts for many tasks at once, each with parameters of its own.

Parameters are a dictionary of tensors with the task on the first axis, and inputs have it there
too: one batched matrix product a layer serves all tasks. Nothing here knows how the parameters
came to differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from agents.distributions import Categorical, distribution_of
from agents.networks import linear

__all__ = ["Parameters", "TaskPolicy"]

Parameters = dict[str, Tensor]
HEAD_GAIN = 0.1
"""Of the last layer: actions are nearly the same everywhere at first."""


class TaskPolicy(nn.Module):
    """Layers of tanh units and a categorical or Gaussian head; the initialisation that is learned.

    A Gaussian policy's deviations are parameters that do not depend on the observation.

    Args:
        observation_space, action_space: Spaces of one row.
        hidden_sizes: Widths of the layers.
        generator: Source of the initial weights.
        initial_deviation: Of a Gaussian policy.
        rate: Where given, every parameter gets a learned inner rate, at first this (Li et al.
            2017, Meta-SGD); otherwise ``rates`` is empty.

    Raises:
        TypeError: An observation that is not MultiDiscrete or Box, an action that is not Discrete
            or Box.
    """

    offsets: Tensor

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        hidden_sizes: Sequence[int],
        generator: torch.Generator,
        *,
        initial_deviation: float = 1.0,
        rate: float | None = None,
    ) -> None:
        super().__init__()
        self.distribution = distribution_of(action_space)
        self.action_shape = tuple(action_space.shape or ())
        self.observes_codes = isinstance(observation_space, gym.spaces.MultiDiscrete)
        sizes = np.zeros(1, np.int64)
        self.scale = 1.0
        if isinstance(observation_space, gym.spaces.MultiDiscrete):
            sizes = observation_space.nvec.ravel()
            self.num_features = int(sizes.sum())
        elif isinstance(observation_space, gym.spaces.Box):
            self.num_features = int(np.prod(observation_space.shape))
            self.scale = 1 / 255 if observation_space.dtype == np.uint8 else 1.0
        else:
            raise TypeError(
                f"Expected a MultiDiscrete or Box observation, got {observation_space}."
            )
        first_codes = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.register_buffer("offsets", torch.as_tensor(first_codes, dtype=torch.int64), False)
        self.num_layers = len(hidden_sizes) + 1
        self.num_means = self.distribution.num_means
        widths = [self.num_features, *hidden_sizes, self.num_means]
        self.initial = nn.ParameterDict()
        for number in range(self.num_layers):
            gain = HEAD_GAIN if number == self.num_layers - 1 else 1.0
            layer = linear(widths[number], widths[number + 1], gain, generator, bias=False)
            self.initial[f"weight_{number}"] = layer.weight.detach().t().contiguous()
            self.initial[f"bias_{number}"] = torch.zeros(widths[number + 1])
        if not isinstance(self.distribution, Categorical):
            self.initial["log_deviation"] = torch.full((widths[-1],), math.log(initial_deviation))
        self.rates = nn.ParameterDict()
        if rate is not None:
            for name, value in self.initial.items():
                self.rates[name] = torch.full_like(value, rate)

    def encode(self, observations: Tensor) -> Tensor:
        """Observations (n, ...) as the network reads them: (n, features), codes as one-hot."""
        flat = observations.reshape(observations.shape[0], -1)
        if not self.observes_codes:
            return flat.float() * self.scale if self.scale != 1.0 else flat.float()
        features = flat.new_zeros((flat.shape[0], self.num_features), dtype=torch.float32)
        return features.scatter_(1, flat + self.offsets, 1.0)

    def for_tasks(self, num_tasks: int) -> Parameters:
        """The initialisation for each task: views (num_tasks, ...), differentiable."""
        return {name: value.expand(num_tasks, *value.shape) for name, value in self.initial.items()}

    def outputs(self, parameters: Parameters, features: Tensor) -> Tensor:
        """Numbers of the action's distribution (tasks, n, outputs) of features (tasks, n, f)."""
        return self.run(self.scaled(parameters), features)

    def scaled(self, parameters: Parameters) -> Parameters:
        """Parameters of the same function with sigmoid units, for :meth:`run`.

        ``tanh(z) = 2 * sigmoid(2 z) - 1``, and PyTorch's sigmoid takes a sixth of its tanh's time
        on a CPU. Factors and shift move into the weights around the units, which are few.
        """
        scaled = dict(parameters)
        last = self.num_layers - 1
        for number in range(self.num_layers):
            # One number times a view of one initialisation has the tasks side by side in memory,
            # and the product of such matrices takes ten times as long.
            weight = parameters[f"weight_{number}"].contiguous()
            bias = parameters[f"bias_{number}"].contiguous()
            if number > 0:
                weight, bias = 2 * weight, bias - weight.sum(1)
            if number < last:
                weight, bias = 2 * weight, 2 * bias
            else:
                # Column by column: products with so few columns then take a third of the time.
                weight = weight.mT.contiguous().mT
            scaled[f"weight_{number}"], scaled[f"bias_{number}"] = weight, bias[:, None]
        return scaled

    def unscaled(self, slopes: Parameters) -> Parameters:
        """The gradient by parameters from that by what :meth:`scaled`, which is linear, made."""
        found = dict(slopes)
        for number in range(self.num_layers):
            weight, bias = slopes[f"weight_{number}"], slopes[f"bias_{number}"]
            if number < self.num_layers - 1:
                weight, bias = 2 * weight, 2 * bias
            if number > 0:
                weight = 2 * weight - bias
            found[f"weight_{number}"], found[f"bias_{number}"] = weight, bias[:, 0]
        return found

    def run(self, scaled: Parameters, features: Tensor, read: list[Tensor] | None = None) -> Tensor:
        """:meth:`outputs` from what :meth:`scaled` made of the parameters.

        ``read``, where given, is appended what each layer reads.
        """
        hidden = features
        for number in range(self.num_layers):
            if number > 0:
                hidden = hidden.sigmoid_()
            if read is not None:
                read.append(hidden)
            hidden = torch.baddbmm(scaled[f"bias_{number}"], hidden, scaled[f"weight_{number}"])
        return self.with_deviations(hidden, scaled)

    def with_deviations(self, means: Tensor, parameters: Parameters) -> Tensor:
        """The distribution's numbers: the network's, and a Gaussian's deviations beside them."""
        if "log_deviation" not in parameters:
            return means
        log_deviation = parameters["log_deviation"][:, None].expand_as(means)
        return torch.cat([means, log_deviation], -1)

    def shape_actions(self, actions: Tensor) -> Tensor:
        """Actions of all rows as the environment takes them: (rows, *action shape)."""
        return actions.reshape(-1, *self.action_shape)
