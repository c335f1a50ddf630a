"""The GRU against PyTorch's own, and against numerical differentiation."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence

from agents.gru import GRU

BATCH_SIZES = [6, 6, 4, 3, 3, 1]


def make_gru(input_size: int, hidden_size: int, seed: int = 0) -> GRU:
    return GRU(input_size, hidden_size, torch.Generator().manual_seed(seed)).double()


def torch_gru(ours: GRU, input_size: int) -> torch.nn.GRU:
    reference = torch.nn.GRU(input_size, ours.hidden_size).double()
    parameters = (ours.input_weight, ours.hidden_weight, ours.input_bias, ours.hidden_bias)
    with torch.no_grad():
        for theirs, own in zip(reference.parameters(), parameters, strict=True):
            theirs.copy_(own)
    return reference


@pytest.mark.parametrize("batch_sizes", [BATCH_SIZES, [1], [5], [3, 3, 3]])
def test_equals_pytorch(batch_sizes: list[int]) -> None:
    ours = make_gru(7, 5)
    reference = torch_gru(ours, 7)
    generator = torch.Generator().manual_seed(1)
    shape = (sum(batch_sizes), 7)
    inputs = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    same = inputs.detach().clone().requires_grad_()
    output = ours(inputs, batch_sizes)
    expected = reference(PackedSequence(same, torch.tensor(batch_sizes)))[0].data
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    weights = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(inputs.grad, same.grad, rtol=0, atol=1e-12)
    parameters = (ours.input_weight, ours.hidden_weight, ours.input_bias, ours.hidden_bias)
    for own, theirs in zip(parameters, reference.parameters(), strict=True):
        torch.testing.assert_close(own.grad, theirs.grad, rtol=0, atol=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    gru = make_gru(3, 4)
    inputs = torch.randn(sum(BATCH_SIZES), 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: gru(x, BATCH_SIZES), (inputs,))


def test_steps_equal_the_unrolled_trial() -> None:
    gru = make_gru(3, 4)
    inputs = torch.randn(5, 2, 3, dtype=torch.float64)
    hidden, outputs = gru.start(2), []
    for step_inputs in inputs:
        hidden = gru.step(step_inputs, hidden)
        outputs.append(hidden)
    unrolled = gru(inputs.reshape(10, 3), [2] * 5)
    torch.testing.assert_close(torch.cat(outputs), unrolled, rtol=0, atol=1e-14)


def test_batch_sizes_that_do_not_sum_are_refused() -> None:
    with pytest.raises(ValueError, match="must sum to the 4 packed steps, got 3"):
        make_gru(3, 4)(torch.zeros(4, 3, dtype=torch.float64), [2, 1])
