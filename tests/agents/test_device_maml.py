"""MAML on a GPU is MAML on a CPU. Needs one, or Numba's simulator of one."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.maml import MAMLConfig, MAMLPolicy, new_policy, start, train
from agents.training_state import read_state, write_state
from metaenvs.cuda.arrays import device_available

numba: Any = importlib.import_module("numba")
SIMULATED = bool(numba.config.ENABLE_CUDASIM)

pytestmark = [
    pytest.mark.skipif(
        not device_available(), reason="no NVIDIA GPU (tests/cuda/test_simulator.py simulates one)"
    ),
    pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning"),
]

BANDIT = MAMLConfig(
    env_id="metaenvs/ExplorationBandit-v0", num_tasks=4, rollouts_per_task=4, hidden_sizes=(6,),
    total_env_steps=64,
)  # fmt: skip
# Episodes of 20 steps: a device is asked after 16 of them whether any still goes on.
POINTS = dataclasses.replace(
    BANDIT, env_id="metaenvs/PointCorners-v0", env_arguments={"episode_steps": 20}, num_tasks=2,
    total_env_steps=320,
)  # fmt: skip
# Episodes that end at different times, and earn next to nothing.
WORLD = dataclasses.replace(
    BANDIT, env_id="metaenvs/KrazyWorldEasy-v0", env_arguments={"episode_steps": 7}, num_tasks=2,
    outer="gradient", entropy_weight=0.1,
)  # fmt: skip


def parameters(policy: MAMLPolicy) -> list[Tensor]:
    return [parameter.detach().cpu() for parameter in policy.parameters()]


@pytest.mark.skipif(not SIMULATED, reason="a GPU draws other noise than a CPU")
@pytest.mark.parametrize(
    "config",
    [
        BANDIT,
        POINTS,
        WORLD,
        dataclasses.replace(POINTS, first_order=True, outer="gradient"),
        dataclasses.replace(BANDIT, correction_weight=1.0, outer="ppo"),
        dataclasses.replace(
            POINTS, inner_estimator="lvc", outer="ppo", epochs=2, inner_divergence_weight=5e-4,
            inner_steps=2, learn_inner_rates=True,
        ),
    ],
    ids=["maml-bandit", "maml-points", "maml-world", "first-order", "e-maml", "promp"],
)  # fmt: skip
def test_training_is_that_of_the_cpu(config: MAMLConfig) -> None:
    told: list[list[dict[str, float]]] = [[], []]
    on_cpu, on_device = (
        train(dataclasses.replace(config, device=device), metrics.append)
        for device, metrics in zip(("cpu", "cuda"), told, strict=True)
    )
    for one, other, begun in zip(
        parameters(on_device), parameters(on_cpu), parameters(new_policy(config)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
        assert not torch.equal(one, begun)
    for mine, theirs in zip(*told, strict=True):
        assert mine["env_steps"] == theirs["env_steps"]
        assert mine["train/return"] == pytest.approx(theirs["train/return"])


def test_a_training_on_a_device_goes_on_where_it_stopped() -> None:
    config = dataclasses.replace(BANDIT, device="cuda", total_env_steps=96)
    kept: list[Any] = []
    told: list[dict[str, float]] = []
    whole = train(config, told.append, keep=lambda state: kept.append(read_state(state)))
    assert [metrics["env_steps"] for metrics in told] == [32, 64, 96]
    state = start(config)
    write_state(state, *kept[0])
    resumed = train(config, state=state)
    for one, other in zip(parameters(whole), parameters(resumed), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0 if SIMULATED else 1e-6)
