"""What only a GPU can show: where tensors are, that nothing waits, streams and graphs."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")

WORLD, ROWS, NUM_STEPS = "metaenvs/KrazyWorldEasy-v0", 300, 8


def make(**arguments: Any) -> Any:
    settings = {"autoreset_mode": AutoresetMode.SAME_STEP, "trial_inputs": "dict", **arguments}
    return gym.make_vec(WORLD, num_envs=ROWS, device="cuda", **settings)


def draw_actions() -> Any:
    rng = np.random.default_rng(0)
    return torch.as_tensor(rng.integers(4, size=(NUM_STEPS, ROWS)), device="cuda")


def flatten(value: Any) -> list[Any]:
    """The tensors of nested dictionaries and tuples."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple | list):
        return [value]
    return [tensor for part in value for tensor in flatten(part)]


def test_everything_is_on_the_device_and_nothing_waits_for_it() -> None:
    env = make(episodes_per_trial=2, task_in_info=True)
    env.reset(seed=0)
    actions = draw_actions()
    env.step(actions[0])
    torch.cuda.set_sync_debug_mode("error")
    try:
        seen = [env.step(action) for action in actions]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert {tensor.device.type for tensor in flatten(seen)} == {"cuda"}


def test_steps_may_be_taken_on_any_stream() -> None:
    expected, env, actions = make(), make(), draw_actions()
    expected.reset(seed=0)
    env.reset(seed=0)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        seen = [env.step(action) for action in actions]
    torch.cuda.current_stream().wait_stream(stream)
    for one, other in zip(
        flatten(seen), flatten([expected.step(action) for action in actions]), strict=True
    ):
        assert torch.equal(one, other)


def test_steps_are_captured_in_a_graph_and_replayed() -> None:
    eager, captured, actions = make(), make(), draw_actions()
    for env in (eager, captured):
        env.reset(seed=0)
        env.step(actions[0])  # Compiles, which may not happen while a graph is captured.
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        seen = flatten([captured.step(action) for action in actions])
    for _ in range(3):
        graph.replay()
        expected = flatten([eager.step(action) for action in actions])
        for one, other in zip(seen, expected, strict=True):
            assert torch.equal(one, other)
    state = eager.unwrapped.get_state()
    for name, array in captured.unwrapped.get_state().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)


def test_laws_drawn_on_the_device_are_those_of_the_cpu_to_rounding() -> None:
    draws = []
    for arguments in ({}, {"device": "cuda"}):
        env: Any = gym.make_vec(
            "metaenvs/TabularMDP-v0", num_envs=ROWS, split="all", concentration=1.0, **arguments
        )
        env.reset(seed=0)
        draws.append(env.unwrapped.get_task())
    for name in ("transitions", "rewards"):
        np.testing.assert_allclose(draws[1][name], draws[0][name], rtol=1e-9, atol=1e-12)
