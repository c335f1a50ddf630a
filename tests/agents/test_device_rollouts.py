"""Trials collected on a GPU are those of the CPU. Needs one, or Numba's simulator of one."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.device_rollouts import STEPS_AT_ONCE, DeviceRollouts
from agents.rl2 import RL2Config, RL2Policy, make_env, new_policy, start, train
from agents.rollouts import collect_trials
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

BANDIT = RL2Config(
    env_id="metaenvs/ExplorationBandit-v0", num_envs=6, total_env_steps=30, hidden_size=8
)
WORLD = dataclasses.replace(
    BANDIT,
    env_id="metaenvs/KrazyWorldEasy-v0",
    env_arguments={"episode_steps": 7},
    episodes_per_trial=3,
)
CUT = dataclasses.replace(WORLD, env_arguments={"episode_steps": 7, "max_episode_steps": 11})
POINTS = dataclasses.replace(CUT, env_id="metaenvs/PointCorners-v0")


def collected(config: RL2Config) -> dict[str, Tensor]:
    """Trials of an untrained policy that draws the same noise again and again."""
    env = make_env(config)
    policy = new_policy(config).to(env.unwrapped.device if config.device == "cuda" else "cpu")
    noise = policy.action.noise(config.num_envs, torch.Generator().manual_seed(5))
    noise = noise.to(policy.value.weight.device)
    collect = collect_trials if config.device == "cpu" else DeviceRollouts()
    trials = collect(
        env,
        # Uncompiled, rows whose trial has ended go on acting on the CPU as they do on the device.
        lambda inputs, memory, active, drawn: policy.act(inputs, memory, drawn),
        lambda: noise,
        policy.encoder.prepare,
        policy.memory.start(config.num_envs),
        seed=list(range(config.num_envs)),
    )
    return {name: part.cpu() for name, part in vars(trials).items()}


@pytest.mark.parametrize(
    "config", [BANDIT, WORLD, CUT, POINTS], ids=["bandit", "world", "cut", "points"]
)
def test_trials_are_those_of_the_cpu(config: RL2Config) -> None:
    expected, trials = collected(config), collected(dataclasses.replace(config, device="cuda"))
    for name, part in expected.items():
        assert trials[name].dtype == part.dtype, name
        torch.testing.assert_close(trials[name], part, msg=name, rtol=1e-5, atol=1e-5)
    assert len(expected["alive"]) % STEPS_AT_ONCE  # There was something to leave out.
    assert bool((expected["bootstrap"] != 0).any()) == ("max_episode_steps" in config.env_arguments)


def parameters(policy: RL2Policy) -> list[Tensor]:
    return [parameter.detach().cpu() for parameter in policy.parameters()]


@pytest.mark.skipif(not SIMULATED, reason="a GPU draws other noise than a CPU")
def test_an_iteration_of_training_is_that_of_the_cpu() -> None:
    on_cpu, on_device = (
        train(dataclasses.replace(WORLD, device=device)) for device in ("cpu", "cuda")
    )
    for one, other, begun in zip(
        parameters(on_device), parameters(on_cpu), parameters(new_policy(WORLD)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
        assert not torch.equal(one, begun)


def test_a_training_on_a_device_goes_on_where_it_stopped() -> None:
    config = dataclasses.replace(BANDIT, device="cuda", total_env_steps=90)
    kept: list[Any] = []
    told: list[dict[str, float]] = []
    whole = train(config, told.append, keep=lambda state: kept.append(read_state(state)))
    assert [metrics["env_steps"] for metrics in told] == [30, 60, 90]
    state = start(config)
    write_state(state, *kept[0])
    resumed = train(config, state=state)
    for one, other in zip(parameters(whole), parameters(resumed), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0 if SIMULATED else 1e-6)


def test_a_reward_that_is_not_finite_is_told() -> None:
    env = make_env(dataclasses.replace(WORLD, device="cuda"))
    policy = new_policy(WORLD).to(env.unwrapped.device)
    step = env.step

    def broken(actions: Any) -> Any:
        observation, reward, *rest = step(actions)
        reward[2] = float("nan")
        return observation, reward, *rest

    env.step = broken  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="not finite, in row 2"):
        DeviceRollouts()(
            env,
            policy.acting(),
            lambda: policy.action.noise(env.num_envs, torch.Generator(policy.value.weight.device)),
            policy.encoder.prepare,
            policy.memory.start(env.num_envs),
            seed=list(range(env.num_envs)),
        )
