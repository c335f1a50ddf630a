"""The network's derivatives that are written out: against automatic differentiation."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from agents import compiled_passes, network_passes
from agents.maml import MAMLConfig, new_policy
from agents.task_network import ForwardPass
from agents.task_policy import Parameters, TaskPolicy

NUM_TASKS, NUM_STEPS = 3, 11


def objective(outputs: Tensor) -> Tensor:
    """With a Hessian that is full in the outputs of a step, and neither definite nor constant."""
    return (outputs.sin() ** 3).sum() + (outputs[..., 0] * outputs[..., 1]).square().sum()


def differing(policy: TaskPolicy, generator: torch.Generator) -> Parameters:
    return {
        name: value.detach()
        + 0.3 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in policy.for_tasks(NUM_TASKS).items()
    }


@pytest.mark.parametrize("env_id", ["metaenvs/PointCorners-v0", "metaenvs/KrazyWorldEasy-v0"])
@pytest.mark.parametrize("hidden_sizes", [(7, 5), (6,), (3, 4, 5), ()])
def test_derivatives(env_id: str, hidden_sizes: tuple[int, ...]) -> None:
    policy = new_policy(MAMLConfig(env_id=env_id, hidden_sizes=hidden_sizes)).double()
    generator = torch.Generator().manual_seed(0)
    parameters, direction = differing(policy, generator), differing(policy, generator)
    features = torch.randn(
        NUM_TASKS, NUM_STEPS, policy.num_features, generator=generator, dtype=torch.float64
    )
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    outputs = policy.outputs(leaves, features)
    expected = torch.autograd.grad(objective(outputs), list(leaves.values()), create_graph=True)
    curved = torch.autograd.grad(
        expected, list(leaves.values()), list(direction.values()), retain_graph=True
    )
    # A gradient is linear in the outputs' weights: its derivative by these is the tangent.
    weights = torch.zeros_like(outputs, requires_grad=True)
    transposed = torch.autograd.grad(outputs, list(leaves.values()), weights, create_graph=True)
    (changed,) = torch.autograd.grad(transposed, weights, list(direction.values()))

    passed = ForwardPass(policy, parameters, features)
    torch.testing.assert_close(passed.outputs, outputs)
    torch.testing.assert_close(passed.tangent(direction), changed)
    (gradient,) = torch.autograd.grad(objective(passed.outputs), passed.outputs, create_graph=True)
    slopes = passed.slopes(gradient)
    for name, part in zip(leaves, expected, strict=True):
        torch.testing.assert_close(slopes.gradient[name], part.detach())
    for _ in range(2):  # nothing is used up
        product = slopes.change(direction, gradient)
        for name, part in zip(leaves, curved, strict=True):
            torch.testing.assert_close(product[name], part)


@pytest.mark.parametrize("num_steps", [4, 47, 51, 52, 53, 101])
@pytest.mark.parametrize("widths", [(2, 7, 5, 3), (4, 6, 1), (9, 3, 4, 5, 2)])
def test_compiled_passes_are_those_in_tensor_operations(
    num_steps: int, widths: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    read = [normal(NUM_TASKS, num_steps, width).sigmoid() for width in widths[:-1]]
    weights, change = (
        [normal(NUM_TASKS, *pair) for pair in itertools.pairwise(widths)] for _ in range(2)
    )
    biases = [normal(NUM_TASKS, 1, width) for width in widths[1:]]
    delta, curved = (normal(NUM_TASKS, num_steps, widths[-1]) for _ in range(2))
    assert compiled_passes.serves(read[0], len(weights))
    assert not compiled_passes.serves(read[0], 1)
    assert not compiled_passes.serves(read[0][:, :3], len(weights))
    assert not compiled_passes.serves(read[0].double(), len(weights))
    found = []
    for passes in (compiled_passes, network_passes):
        deltas, *slopes = passes.backward(read, weights, delta.clone())
        sums = passes.tangent(read, weights, change, biases)
        changed = passes.backward_change(read, weights, change, deltas, curved, sums)
        found.append([deltas, *slopes, sums, *changed])
    for own, expected in zip(*found, strict=True):
        assert len(own) == len(expected)
        for one, other in zip(own, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
