"""What a CUDA graph may hold, as far as it shows without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import metaenvs.cuda.batch
import metaenvs.cuda.inputs
from agents.device_rollouts import DeviceRollouts
from agents.graph_steps import CAPTURES, GraphSteps, Work, cuda_graph, kernel_by_kernel
from agents.rl2 import RL2Config, make_env, new_policy
from metaenvs.cuda.arrays import TorchArrays

META = torch.device("meta")


class CapturableOnly(TorchDispatchMode):
    """Refuses what no CUDA graph holds; the device is torch's "meta", which holds no numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise AssertionError(f"{func} draws random numbers")
        for tensor in tree_leaves((args, kwargs, answer)):
            if isinstance(tensor, Tensor) and tensor.device != META:
                raise AssertionError(f"{func} has a tensor on the host")
        return answer


def check_capture(work: Work) -> tuple[Callable[[], None], dict[str, Tensor]]:
    with CapturableOnly():
        answers = work()
    return lambda: None, answers


COUNT = torch.zeros(3, device="meta")
UNFIT: dict[str, Callable[[], Any]] = {
    "a number that the device knows": lambda: COUNT.sum().item(),
    "a question": lambda: bool(COUNT.any()),
    "rows by a mask": lambda: COUNT[COUNT > 0],
    "a copy to the host": lambda: COUNT.cpu(),
    "a copy from the host": lambda: torch.zeros(3).to("meta"),
    "a number on the host": lambda: COUNT * torch.tensor(2.0),
    "random numbers": lambda: torch.rand(3, device="meta"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_the_check_refuses(what: str) -> None:
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        check_capture(lambda: {"answer": UNFIT[what]()})


class MetaTensors(TorchArrays):
    """Tensors without numbers, and no device behind them."""

    def __init__(self) -> None:
        super().__init__("meta")

    def argument(self, array: Any, dtype: npt.DTypeLike | None = None) -> Any:
        return array

    def download(self, array: Any) -> npt.NDArray[Any]:
        return np.zeros(tuple(array.shape), str(array.dtype).removeprefix("torch."))

    def stream(self) -> Any:
        return None


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Batches on a device that is none: which kernels they launch."""
    names: list[str] = []

    def row_kernel(template: Any, functions: Any = ()) -> Any:
        return SimpleNamespace(launch=lambda *arguments: names.append(template.__name__))

    for module in (metaenvs.cuda.batch, metaenvs.cuda.inputs):
        monkeypatch.setattr(module, "row_kernel", row_kernel)
    monkeypatch.setattr(metaenvs.cuda.batch, "device_arrays", MetaTensors)
    return names


@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("inputs", [None, "dict", "flat"])
@pytest.mark.parametrize("env_id", ["metaenvs/KrazyWorldEasy-v0", "metaenvs/PointCorners-v0"])
def test_steps_of_an_environment_can_be_captured(
    env_id: str, inputs: str | None, mode: AutoresetMode, launched: list[str]
) -> None:
    env = gym.make_vec(
        env_id, num_envs=3, device="cuda", autoreset_mode=mode, trial_inputs=inputs,
        one_hot=inputs != "flat" and "Krazy" in env_id, episodes_per_trial=2, task_in_info=True,
    )  # fmt: skip
    env.reset(seed=0)
    shape = env.action_space.shape
    dtype = torch.int64 if "Krazy" in env_id else torch.float32
    actions = torch.zeros(shape or (3,), dtype=dtype, device="meta")
    launched.clear()
    with CapturableOnly():
        env.step(actions)
    assert launched[0] == "step_rows" and set(launched[1:]) <= {"encode_rows"}


WORLD = {"env_id": "metaenvs/KrazyWorldEasy-v0", "env_arguments": {"episode_steps": 7}}
CONFIGS = {
    "bandit": RL2Config(env_id="metaenvs/ExplorationBandit-v0", device="cuda", num_envs=3),
    "world": RL2Config(**WORLD, device="cuda", num_envs=3),  # type: ignore[arg-type]
    "pictures": RL2Config(
        env_id="metaenvs/KrazyWorldEasy-v0", env_arguments={"image": True}, device="cuda",
        num_envs=2,
    ),
    "points": RL2Config(env_id="metaenvs/PointCorners-v0", device="cuda", num_envs=3),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_steps_of_policy_and_environment_can_be_captured(
    name: str, launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of them meets the host: no number is read, none copied; kernels are launched."""
    captures: list[Work] = []

    def capture(work: Work) -> tuple[Callable[[], None], dict[str, Tensor]]:
        captures.append(work)
        launched.clear()
        monkeypatch.setattr(Tensor, "__bool__", ask)
        check_capture(work)
        raise InterruptedError  # Without numbers a rollout never ends.

    monkeypatch.setitem(CAPTURES, "meta", capture)
    ask = Tensor.__bool__
    monkeypatch.setattr(Tensor, "__bool__", lambda tensor: True)  # Trials go on.
    config = CONFIGS[name]
    env, policy = make_env(config), new_policy(config).to("meta")
    with pytest.raises(InterruptedError):
        DeviceRollouts()(
            env,
            policy.acting(),
            lambda: torch.zeros_like(
                policy.action.noise(config.num_envs, torch.Generator()), device="meta"
            ),
            policy.encoder.prepare,
            policy.memory.start(config.num_envs),
            seed=[0] * config.num_envs,
        )
    assert captures
    assert launched == ["step_rows"] * 16


def fake_capture(work: Work) -> tuple[Callable[[], None], dict[str, Tensor]]:
    """Does the work anew for a replay; its answers are written where the first were."""
    answers: dict[str, Tensor] = {}

    def replay() -> None:
        for name, answer in work().items():
            answers[name].copy_(answer)

    answers.update({"count": torch.zeros(())})
    return replay, answers


def counting() -> tuple[Tensor, Work]:
    count = torch.zeros(())

    def work() -> dict[str, Tensor]:
        count.add_(1)
        return {"count": count.clone()}

    return count, work


def test_work_is_captured_the_second_time_and_its_answers_are_the_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captured: list[Work] = []

    def capture(work: Work) -> Any:
        captured.append(work)
        return fake_capture(work)

    monkeypatch.setitem(CAPTURES, "cpu", capture)
    count, work = counting()
    steps = GraphSteps(work, torch.device("cpu"))
    first = steps()
    assert not captured
    answers = [first, *(steps() for _ in range(3))]
    assert captured == [work]
    assert [float(answer["count"]) for answer in answers] == [1, 2, 3, 4] and count == 4
    with kernel_by_kernel():
        again = GraphSteps(work, torch.device("cpu"))
    assert [float(again()["count"]) for _ in range(3)] == [5, 6, 7]
    never = GraphSteps(work, torch.device("cpu"), captured=False)
    assert [float(never()["count"]) for _ in range(2)] == [8, 9]
    assert captured == [work]


def test_where_there_are_no_graphs_work_is_done_as_it_stands() -> None:
    count, work = counting()
    steps = GraphSteps(work, torch.device("cpu"))
    assert [float(steps()["count"]) for _ in range(3)] == [1, 2, 3] and count == 3


def test_what_cannot_be_captured_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Graph:
        replay = None

    class Capturing:
        def __init__(self, graph: Any, **options: Any) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *error: Any) -> None: ...

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Capturing)

    def work() -> dict[str, Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match=r"not permitted.*--no-cuda-graph"):
        cuda_graph(work)
