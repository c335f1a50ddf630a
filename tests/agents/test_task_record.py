"""What acts for many tasks: compiled or not, it computes the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agents.compiled_passes import padded
from agents.maml import MAMLConfig, new_policy
from agents.task_policy import Parameters, TaskPolicy
from agents.task_record import NetworkRecord

POLICY = new_policy(MAMLConfig(env_id="metaenvs/PointCorners-v0", hidden_sizes=(7, 5)))
NUM_TASKS, NUM_STEPS = 3, 5


def own_parameters(policy: TaskPolicy, dtype: torch.dtype = torch.float32) -> Parameters:
    generator = torch.Generator().manual_seed(0)
    return {
        name: (value.detach() + 0.3 * torch.randn(value.shape, generator=generator)).to(dtype)
        for name, value in policy.for_tasks(NUM_TASKS).items()
    }


def recorded(
    parameters: Parameters, rollouts: int, expected_steps: int = NUM_STEPS
) -> list[Tensor]:
    record = NetworkRecord(POLICY, parameters, rollouts, expected_steps)
    generator = torch.Generator().manual_seed(1)
    dtype = parameters["bias_0"].dtype
    told = [
        record.step(torch.randn(NUM_TASKS * rollouts, 2, generator=generator).to(dtype)).clone()
        for _ in range(NUM_STEPS)
    ]
    read, outputs = record.of_steps(NUM_STEPS)
    assert torch.equal(outputs[..., :2], torch.stack(told, 2))
    return [*read, outputs]


@pytest.mark.parametrize("rollouts", [1, 3, 4, 6, 8])
@pytest.mark.parametrize("shared", [False, True])
def test_a_record_is_the_networks_forward_pass(rollouts: int, shared: bool) -> None:
    parameters = own_parameters(POLICY)
    if shared:
        parameters = {name: part.detach() for name, part in POLICY.for_tasks(NUM_TASKS).items()}
    *read, outputs = (part.flatten(1, 2) for part in recorded(parameters, rollouts))
    expected: list[Tensor] = []
    told = POLICY.run(POLICY.scaled(parameters), read[0].clone(), expected)
    torch.testing.assert_close(outputs, told)
    for one, other in zip(read, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_other_precision_other_code_same_numbers() -> None:
    single = recorded(own_parameters(POLICY), 4)
    double = recorded(own_parameters(POLICY, torch.float64), 4)
    for one, other in zip(single, double, strict=True):
        assert other.dtype == torch.float64
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rollouts", [2, 6])
def test_a_record_grows_and_keeps_what_it_has(rollouts: int) -> None:
    parameters = own_parameters(POLICY)
    whole = recorded(parameters, rollouts)
    for expected_steps in (1, 2):
        grown = recorded(parameters, rollouts, expected_steps)
        assert all(torch.equal(one, other) for one, other in zip(whole, grown, strict=True))


def test_padding_adds_zeros_up_to_a_multiple() -> None:
    assert padded(torch.ones(2, 3, 5)).shape == (2, 3, 8)
    assert padded(torch.ones(2, 8)).shape == (2, 8)
    assert float(padded(torch.ones(2, 3)).sum()) == 6.0
