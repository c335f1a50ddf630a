"""A gated recurrent unit over trials of different lengths, with its own backward pass.

The unit is that of ``torch.nn.GRU`` (Cho et al. 2014, PyTorch's variant). Trials come packed:
sorted by length, longest first, time-major, without padding. The time loop holds six operations
forward and five backward; everything that can be computed for all steps at once is. That is
several times faster on a CPU than automatic differentiation of the loop.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["GRU"]


class _Scan(torch.autograd.Function):
    """The time loop: packed input gates to packed hidden states."""

    @staticmethod
    def forward(
        ctx: Any,
        input_gates: Tensor,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        batch_sizes: list[int],
    ) -> Tensor:
        """Shapes: (steps, 3 * size), (rows, size), (3 * size, size), (3 * size,), (times,)."""
        steps, size = input_gates.shape[0], hidden.shape[1]
        hidden_gates = input_gates.new_empty(steps, 3 * size)
        gates = input_gates.new_empty(steps, 2 * size)
        candidates = input_gates.new_empty(steps, size)
        previous = input_gates.new_empty(steps, size)
        output = input_gates.new_empty(steps, size)
        transposed = weight.t()
        first = 0
        for rows in batch_sizes:
            last = first + rows
            before = previous[first:last]
            before.copy_(hidden[:rows])
            hidden = output[first:last]
            _cell(
                input_gates[first:last], before, transposed, bias, hidden_gates[first:last],
                gates[first:last], candidates[first:last], hidden,
            )  # fmt: skip
            first = last
        ctx.save_for_backward(hidden_gates, gates, candidates, previous, weight)
        ctx.batch_sizes = batch_sizes
        return output

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor) -> Any:
        """Gradients of the input gates, first hidden state, weight and bias."""
        hidden_gates, gates, candidates, previous, weight = ctx.saved_tensors
        steps, size = previous.shape
        batch_sizes: list[int] = ctx.batch_sizes
        reset, update = gates[:, :size], gates[:, size:]
        # Factors of the hidden state's gradient that no step has to wait for.
        to_update_and_candidate = torch.stack(
            [
                (previous - candidates) * update * (1 - update),
                (1 - update) * (1 - candidates * candidates),
            ],
            dim=1,
        )
        to_reset_and_hidden = torch.stack(
            [hidden_gates[:, 2 * size :] * reset * (1 - reset), reset], dim=1
        )
        # Gradients by step: update, candidate, reset, the candidate's hidden part.
        gradients = output_gradient.new_empty(steps, 4, size)
        order = [2, 0, 3]
        weight_blocks = weight.view(3, size, size)[[1, 0, 2]]
        # Rows of the gradient as the loop lays them out: update, reset, hidden candidate.
        stacked_weight = weight_blocks.reshape(3 * size, size)
        carried = output_gradient.new_zeros(batch_sizes[0], size)
        arranged = output_gradient.new_empty(batch_sizes[0], 3, size)
        last = steps
        carried_rows = 0
        for rows in reversed(batch_sizes):
            first = last - rows
            gradient = output_gradient[first:last]
            if carried_rows:
                gradient = gradient.clone()
                gradient[:carried_rows] += carried[:carried_rows]
            step_gradients = gradients[first:last]
            torch.mul(
                to_update_and_candidate[first:last], gradient[:, None], out=step_gradients[:, :2]
            )
            torch.mul(
                to_reset_and_hidden[first:last],
                step_gradients[:, 1:2],
                out=step_gradients[:, 2:],
            )
            arranged_rows = arranged[:rows]
            arranged_rows[:, 0] = step_gradients[:, 0]
            arranged_rows[:, 1:] = step_gradients[:, 2:]
            torch.addmm(
                gradient * update[first:last],
                arranged_rows.view(rows, 3 * size),
                stacked_weight,
                out=carried[:rows],
            )
            carried_rows = rows
            last = first
        input_gradient = gradients[:, [2, 0, 1]].reshape(steps, 3 * size)
        hidden_gradient = gradients[:, order].reshape(steps, 3 * size)
        return (
            input_gradient,
            carried,
            hidden_gradient.t() @ previous,
            hidden_gradient.sum(0),
            None,
        )


def _cell(
    input_gates: Tensor,
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    hidden_gates: Tensor,
    gates: Tensor,
    candidates: Tensor,
    output: Tensor,
) -> None:
    """One step, written into the last four tensors; gates are reset, update, candidate."""
    size = hidden.shape[1]
    torch.addmm(bias, hidden, weight, out=hidden_gates)
    torch.add(input_gates[:, : 2 * size], hidden_gates[:, : 2 * size], out=gates).sigmoid_()
    torch.addcmul(
        input_gates[:, 2 * size :], gates[:, :size], hidden_gates[:, 2 * size :], out=candidates
    ).tanh_()
    torch.lerp(candidates, hidden, gates[:, size:], out=output)


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
        rows, size = hidden.shape
        input_gates = torch.addmm(self.input_bias, inputs, self.input_weight.t())
        output = hidden.new_empty(rows, size)
        _cell(
            input_gates, hidden, self.hidden_weight.t(), self.hidden_bias,
            hidden.new_empty(rows, 3 * size), hidden.new_empty(rows, 2 * size),
            hidden.new_empty(rows, size), output,
        )  # fmt: skip
        return output

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
        input_gates = torch.addmm(self.input_bias, inputs, self.input_weight.t())
        start = self.start(batch_sizes[0])
        output: Tensor = _Scan.apply(  # type: ignore[no-untyped-call]
            input_gates, start, self.hidden_weight, self.hidden_bias, batch_sizes
        )
        return output
