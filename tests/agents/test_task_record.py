"""What acts for many tasks: compiled or not, on how many threads, it computes the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agents.maml import MAMLConfig, new_policy
from agents.task_policy import Parameters, TaskPolicy
from agents.task_record import NetworkRecord

POLICIES = {
    env_id: new_policy(MAMLConfig(env_id=f"metaenvs/{env_id}", hidden_sizes=(7, 5)))
    for env_id in ("PointCorners-v0", "KrazyWorldEasy-v0")
}
"""A Gaussian and a categorical one."""
GAUSSIAN = POLICIES["PointCorners-v0"]
NUM_TASKS, NUM_STEPS = 3, 5


def own_parameters(policy: TaskPolicy, dtype: torch.dtype = torch.float32) -> Parameters:
    generator = torch.Generator().manual_seed(0)
    return {
        name: (value.detach() + 0.3 * torch.randn(value.shape, generator=generator)).to(dtype)
        for name, value in policy.for_tasks(NUM_TASKS).items()
    }


def recorded(
    policy: TaskPolicy,
    parameters: Parameters,
    rollouts: int,
    expected_steps: int = NUM_STEPS,
    threads: int = 1,
) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """What layers read and the outputs, and noise and actions (tasks, rollouts, steps, ...)."""
    record = NetworkRecord(policy, parameters, rollouts, expected_steps, threads)
    generator = torch.Generator().manual_seed(1)
    dtype, shape = parameters["bias_0"].dtype, (NUM_TASKS, rollouts)
    features = torch.randn(
        NUM_STEPS, NUM_TASKS * rollouts, policy.num_features, generator=generator
    ).to(dtype)
    noise = [policy.distribution.noise(shape, generator).to(dtype) for _ in features]
    actions = [record.act(*step) for step in zip(features, noise, strict=True)]
    read, outputs = record.of_steps(NUM_STEPS)
    assert torch.equal(read[0].flatten(0, 1), features.transpose(0, 1))
    return read, outputs, torch.stack(noise, 2), torch.stack(actions, 2)


@pytest.mark.parametrize("rollouts", [1, 3, 4, 6, 8])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_record_is_the_networks_forward_pass(
    policy: TaskPolicy, rollouts: int, shared: bool
) -> None:
    check_pass(policy, rollouts, shared)


@pytest.mark.parametrize("env_id", ["PointCorners-v0", "KrazyWorldEasy-v0"])
@pytest.mark.parametrize("hidden_sizes", [(), (5,), (6, 3, 5)])
def test_other_numbers_of_layers(env_id: str, hidden_sizes: tuple[int, ...]) -> None:
    config = MAMLConfig(env_id=f"metaenvs/{env_id}", hidden_sizes=hidden_sizes)
    check_pass(new_policy(config), rollouts=6, shared=False)


def check_pass(policy: TaskPolicy, rollouts: int, shared: bool) -> None:
    parameters = own_parameters(policy)
    if shared:
        parameters = {name: part.detach() for name, part in policy.for_tasks(NUM_TASKS).items()}
    read, outputs, noise, actions = recorded(policy, parameters, rollouts)
    torch.testing.assert_close(policy.distribution.sample(outputs, noise), actions)
    expected: list[Tensor] = []
    told = policy.run(policy.scaled(parameters), read[0].flatten(1, 2), expected)
    torch.testing.assert_close(outputs.flatten(1, 2), told)
    for one, other in zip(read, expected, strict=True):
        torch.testing.assert_close(one.flatten(1, 2), other)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_threads_change_no_number(policy: TaskPolicy) -> None:
    parameters = own_parameters(policy)
    alone, helped = (recorded(policy, parameters, 4, threads=threads) for threads in (1, 2))
    for one, other in zip((*alone[0], *alone[1:]), (*helped[0], *helped[1:]), strict=True):
        assert torch.equal(one, other)


def test_other_precision_other_code_same_numbers() -> None:
    single = recorded(GAUSSIAN, own_parameters(GAUSSIAN), 4)
    double = recorded(GAUSSIAN, own_parameters(GAUSSIAN, torch.float64), 4)
    for one, other in zip((*single[0], *single[1:]), (*double[0], *double[1:]), strict=True):
        assert other.dtype == torch.float64
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rollouts", [2, 6])
def test_a_record_grows_and_keeps_what_it_has(rollouts: int) -> None:
    parameters = own_parameters(GAUSSIAN)
    *read, outputs = (*(whole := recorded(GAUSSIAN, parameters, rollouts))[0], whole[1])
    for expected_steps in (1, 2):
        grown, told, *_ = recorded(GAUSSIAN, parameters, rollouts, expected_steps)
        assert torch.equal(told, outputs)
        assert all(torch.equal(one, other) for one, other in zip(read, grown, strict=True))
