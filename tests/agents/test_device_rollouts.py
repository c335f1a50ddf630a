"""Trials collected on a GPU are those of the CPU. Needs one, or Numba's simulator of one."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import agents.networks
from agents.device_rollouts import STEPS_BETWEEN_QUESTIONS, DeviceRollouts, EveryRow
from agents.graph_steps import CAPTURES, Work, cuda_graph, kernel_by_kernel
from agents.rl2 import RL2Config, RL2Policy, make_env, new_policy, start, train
from agents.rollouts import collect_trials
from agents.runs import RunOptions, create_run
from agents.training_run import train_run
from agents.training_state import read_state, write_state
from metaenvs.cuda.arrays import device_available
from metaenvs.cuda.kernels import RowKernel

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
    assert len(expected["alive"]) % STEPS_BETWEEN_QUESTIONS  # There was something to leave out.
    assert bool((expected["bootstrap"] != 0).any()) == ("max_episode_steps" in config.env_arguments)


class Recorder(TorchDispatchMode):
    """Stands for a CUDA graph where there is none: repeats tensor operations and kernels only.

    Python does not run on a replay: what a step kept on the host would be missed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Callable[[], None]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answers = func(*args, **(kwargs or {}))

        def repeat() -> None:
            again = func(*args, **(kwargs or {}))
            for old, new in zip(tree_leaves(answers), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)

        self.done.append(repeat)
        return answers


def uncompiled_table_sum(base: Tensor, indices: Tensor, table: Tensor) -> Tensor:
    if indices.shape[1]:
        base = base + functional.embedding_bag(indices, table, mode="sum")
    return torch.relu(base)


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """What is captured, in CUDA graphs or in what stands for them."""
    captured: list[Work] = []
    device, capture = ("cpu", record) if SIMULATED else ("cuda", cuda_graph)

    def capturing(work: Work) -> tuple[Callable[[], None], dict[str, Tensor]]:
        captured.append(work)
        return capture(work)

    monkeypatch.setitem(CAPTURES, device, capturing)
    # As on a GPU: a CPU's compiled loops are no tensor operations.
    monkeypatch.setattr(agents.networks, "rectified_table_sum", uncompiled_table_sum)
    return captured


def record(work: Work) -> tuple[Callable[[], None], dict[str, Tensor]]:
    """Capture: recording does the work, so the first replay has nothing to do."""
    recorder, launch = Recorder(), RowKernel.launch

    def launched(*arguments: Any) -> None:
        launch(*arguments)
        recorder.done.append(lambda: launch(*arguments))

    with pytest.MonkeyPatch.context() as patch, recorder:
        patch.setattr(RowKernel, "launch", launched)
        answers = work()
    replays = 0

    @torch.no_grad()
    def replay() -> None:
        nonlocal replays
        for repeat in recorder.done if replays else ():
            repeat()
        replays += 1

    return replay, answers


SOON, LATER = [1, 1, 1, 2, 2], [0, 1, 1, 1, 2]
"""Captures there were after each rollout, by whether the second steps are those of the first."""


@pytest.mark.usefixtures("host_tensors")
@pytest.mark.parametrize(
    ("config", "expected"),
    [(BANDIT, LATER), (WORLD, SOON), (CUT, LATER), (POINTS, LATER)],
    ids=["bandit", "world", "cut", "points"],
)
def test_replayed_steps_are_the_launched_ones(
    config: RL2Config, expected: list[int], captures: list[Work]
) -> None:
    """Bit for bit: the trials, and what becomes of the environment."""
    arguments = {**config.env_arguments, "n_tasks": 5}
    config = dataclasses.replace(config, device="cuda", env_arguments=arguments)
    envs = [make_env(config) for _ in range(2)]
    policy = new_policy(config).to(envs[0].unwrapped.device)
    ways = [(kernel_by_kernel, DeviceRollouts()), (nullcontext, DeviceRollouts())]
    seed: list[int] | None = list(range(config.num_envs))
    counts = []
    for rollout in range(5):
        kept = []
        for env, (launching, collect) in zip(envs, ways, strict=True):
            generator = torch.Generator(env.unwrapped.device).manual_seed(rollout)
            with launching():
                trials = collect(
                    env,
                    EveryRow(policy.act),
                    lambda: policy.action.noise(config.num_envs, generator),  # noqa: B023
                    policy.encoder.prepare,
                    policy.memory.start(config.num_envs),
                    seed=seed,
                )
            kept.append((vars(trials), env.unwrapped.get_state()))
        launched, replayed = kept
        assert set(launched[1]) == set(replayed[1])
        for name, part in launched[0].items():
            assert torch.equal(part, replayed[0][name]), (rollout, name)
        for name, array in launched[1].items():
            np.testing.assert_array_equal(array, replayed[1][name], err_msg=f"{rollout} {name}")
        counts.append(len(captures))
        seed = None
        # Weights change where they lie. So does a pool of as many tasks, but pins are new.
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.01)
        for env in envs:
            rows: Any = env.unwrapped
            rows.step(torch.zeros_like(trials.actions[0]))  # A step that is no part of it.
            if rollout == 1:
                rows.set_pool(rows.pool, [3, 1, 1, 1, 1])
            if rollout == 2:
                rows.set_task(rows.pool[:1], mask=np.arange(config.num_envs) == 1)
    assert counts == expected


def parameters(policy: RL2Policy) -> list[Tensor]:
    return [parameter.detach().cpu() for parameter in policy.parameters()]


@pytest.mark.usefixtures("host_tensors")
def test_a_training_captures_its_rollouts_once(
    captures: list[Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RL2Policy, "acting", lambda policy: EveryRow(policy.act))
    config = dataclasses.replace(BANDIT, device="cuda", total_env_steps=120)
    replayed = train(config)
    assert len(captures) == 1
    with kernel_by_kernel():
        launched = train(config)
    assert len(captures) == 1
    for one, other in zip(parameters(replayed), parameters(launched), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0 if SIMULATED else 1e-6)


@pytest.mark.usefixtures("host_tensors")
@pytest.mark.parametrize(("cuda_graph", "expected"), [(True, 1), (False, 0)])
def test_a_run_says_whether_it_is_captured(
    cuda_graph: bool,
    expected: int,
    captures: list[Work],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RL2Policy, "acting", lambda policy: EveryRow(policy.act))
    config = dataclasses.replace(BANDIT, device="cuda", total_env_steps=60)
    create_run(tmp_path / "run", "rl2", config, RunOptions(cuda_graph=cuda_graph))
    train_run(tmp_path / "run")
    assert len(captures) == expected


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
