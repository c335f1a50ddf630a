"""A gated recurrent unit over trials of different lengths.

The unit is that of ``torch.nn.GRU`` (Cho et al. 2014, PyTorch's variant). Trials come packed:
sorted by length, longest first, time-major, without padding. On a CPU the time loops, forward and
backward, are compiled functions (``agents.recurrent_kernels``); elsewhere they are PyTorch's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents import recurrent_kernels
from agents.register_tiles import BLOCK
from agents.tensor_arrays import arrays, arrays_to_write

__all__ = ["GRU"]


class _Unroll(torch.autograd.Function):
    """Packed inputs to packed hidden states, on a CPU."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weight: Tensor,
        input_bias: Tensor,
        hidden_weight: Tensor,
        hidden_bias: Tensor,
        batch_sizes: list[int],
    ) -> Tensor:
        """Shapes: (steps, inputs), then as :class:`GRU` has them, (times,)."""
        steps, size = len(inputs), hidden_weight.shape[1]
        gates = torch.addmm(input_bias, inputs, input_weight.t())
        candidates, previous = inputs.new_empty(2, steps, size)
        output: Tensor = inputs.new_empty(steps, size)
        times = np.array(batch_sizes, np.int64)
        recurrent_kernels.forward_scan(
            *arrays_to_write(gates),
            *arrays(hidden_weight.t(), hidden_bias),
            times,
            *arrays_to_write(candidates, previous, output),
            *arrays_to_write(inputs.new_empty(BLOCK, size), inputs.new_empty(BLOCK, 3 * size)),
        )
        ctx.save_for_backward(inputs, input_weight, hidden_weight, gates, candidates, previous)
        ctx.times = times
        return output

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor) -> Any:
        """Gradients of the inputs, and of each weight and bias."""
        inputs, input_weight, hidden_weight, gates, candidates, previous = ctx.saved_tensors
        steps, size = previous.shape
        gradient = gates.new_empty(steps, 4 * size)
        of_bias = gates.new_zeros(4 * size)
        recurrent_kernels.backward_scan(
            *arrays(output_gradient, hidden_weight),
            ctx.times,
            *arrays(gates, candidates, previous),
            *arrays_to_write(gradient, of_bias, gates.new_empty(5, BLOCK, size)),
        )
        both, _, of_hidden = gradient.split([2 * size, size, size], 1)
        of_inputs = gradient[:, : 3 * size]
        return (
            of_inputs @ input_weight,
            of_inputs.t() @ inputs,
            of_bias[: 3 * size],
            torch.cat([both.t() @ previous, of_hidden.t() @ previous]),
            torch.cat([of_bias[: 2 * size], of_bias[3 * size :]]),
            None,
        )


class GRU(nn.Module):
    """A gated recurrent unit.

    Args:
        input_size: Width of the inputs.
        hidden_size: Width of the hidden state.
        generator: Source of the initial weights, uniform within 1 / sqrt(hidden_size).
    """

    def __init__(self, input_size: int, hidden_size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        bound = 1.0 / math.sqrt(hidden_size)

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter((torch.rand(*shape, generator=generator) * 2 - 1) * bound)

        self.input_weight = uniform(3 * hidden_size, input_size)
        self.input_bias = uniform(3 * hidden_size)
        self.hidden_weight = uniform(3 * hidden_size, hidden_size)
        self.hidden_bias = uniform(3 * hidden_size)

    def start(self, num_rows: int) -> Tensor:
        """Hidden state at the start of a trial (num_rows, hidden_size): zeros."""
        return self.hidden_weight.new_zeros(num_rows, self.hidden_size)

    @torch.no_grad()
    def step(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """One step without gradients: (rows, input_size), (rows, hidden_size) to hidden."""
        return torch.gru_cell(inputs, hidden, *self._weights())

    def forward(self, inputs: Tensor, batch_sizes: list[int]) -> Tensor:
        """Unroll whole trials from their starts, with gradients.

        Args:
            inputs: (steps, input_size), packed: time-major, rows sorted by length, longest first.
            batch_sizes: Rows still alive at each time, not increasing; they sum to ``steps``.

        Returns:
            Hidden states (steps, hidden_size), packed alike.
        """
        if sum(batch_sizes) != inputs.shape[0]:
            raise ValueError(
                f"batch_sizes must sum to the {inputs.shape[0]} packed steps, "
                f"got {sum(batch_sizes)}."
            )
        if inputs.device.type != "cpu":
            start = self.start(batch_sizes[0])[None]
            lengths = torch.tensor(batch_sizes)
            # One layer with biases, no dropout, training, one direction.
            unrolled: Tensor = torch.gru(
                inputs, lengths, start, self._weights(), True, 1, 0.0, True, False
            )[0]
            return unrolled
        output: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs,
            self.input_weight,
            self.input_bias,
            self.hidden_weight,
            self.hidden_bias,
            batch_sizes,
        )
        return output

    def _weights(self) -> list[Tensor]:
        """In PyTorch's order."""
        return [self.input_weight, self.hidden_weight, self.input_bias, self.hidden_bias]
