"""The row functions are plain Python: uncompiled, they do exactly what the kernels do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs.batch
from metaenvs.cuda.records import RowArray
from metaenvs.kernels.row_function import RowFunction, bind
from metaenvs.registration import IDS

calls: list[str] = []


def build_uncompiled(
    template: FunctionType, row_functions: Mapping[str, RowFunction], **_: Any
) -> Callable[..., Any]:
    """Stands for ``build_kernel``: the same binding of names, with nothing compiled."""
    kernel = bind(template, lambda python, inline: python, row_functions)

    def run(*arguments: Any) -> Any:  # Of helpers there are none.
        calls.append(template.__name__)
        return kernel(*(in_python(argument) for argument in arguments))

    return run


def in_python(argument: Any) -> Any:
    """Records with fields that are set, like those that compiled code has."""
    if isinstance(argument, tuple):
        return type(argument)(*(in_python(array) for array in argument))
    return RowArray(argument) if argument.dtype.names else argument


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, environments are made with kernels in Python."""
    monkeypatch.setattr(metaenvs.batch, "build_kernel", build_uncompiled)
    monkeypatch.setattr(metaenvs.batch, "num_threads", lambda: 1)
    for name, value in list(vars(metaenvs.batch).items()):
        if hasattr(value, "cache_clear"):  # Compiled kernels are kept, and not asked for.
            monkeypatch.setattr(metaenvs.batch, name, value.__wrapped__)
    calls.clear()


def history(env_id: str, num_rows: int, num_steps: int, **arguments: Any) -> list[Any]:
    """All that can be seen of an environment, and its whole state after every step."""
    env: Any = gym.make_vec(env_id, num_envs=num_rows, **arguments)
    rng = np.random.default_rng(0)
    env.unwrapped.set_pool(None)  # Tasks are drawn in the kernel, a family's list or not.
    seen: list[Any] = [env.reset(seed=5), env.unwrapped.sample_tasks(2).to_records()]
    env.unwrapped.set_task(env.unwrapped.sample_tasks(1), mask=np.arange(num_rows) == 0)
    discrete = isinstance(env.single_action_space, gym.spaces.Discrete)
    size = env.action_space.shape
    for step in range(num_steps):
        if discrete:
            actions = rng.integers(env.single_action_space.n, size=num_rows)
        else:
            actions = rng.uniform(-1, 1, size).astype(np.float32)
        seen.append((env.step(actions), env.unwrapped.get_state()))
        if step == num_steps // 2:
            env.unwrapped.set_pool(env.unwrapped.sample_tasks(3), [3, 2, 1])
            seen.append(env.reset(options={"reset_mask": np.arange(num_rows) != 1}))
    actions[1] = 99 if discrete else np.nan
    with pytest.raises(ValueError, match="in row 1"):
        env.step(actions)
    return seen


def assert_same(first: Any, second: Any) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_same(first[name], second[name])
    elif isinstance(first, tuple | list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(first, second)
        assert np.asarray(first).dtype == np.asarray(second).dtype


SHORT = 15  # Steps of an episode where nothing but their limit may end one.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "trials": {"episodes_per_trial": 2, "episode_steps": 8},
}


@pytest.mark.costly
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("env_id", sorted(IDS))
def test_python_and_kernels_agree(env_id: str, configuration: str, request: Any) -> None:
    arguments = dict(CONFIGURATIONS[configuration])
    arguments.setdefault("episode_steps", SHORT)
    compiled = history(env_id, 3, 100, **arguments)
    request.getfixturevalue("uncompiled")
    python = history(env_id, 3, 100, **arguments)
    assert calls.count("run_rows") == 103 and "draw_tasks" in calls
    assert_same(python, compiled)
    ends = sum(int((result[2] | result[3]).sum()) for result in (
        entry[0] for entry in compiled if isinstance(entry, tuple) and len(entry[0]) == 5
    ))  # fmt: skip
    assert ends > 5


OPTIONS: dict[str, dict[str, Any]] = {
    "global view with everything": {
        "view": "global", "observe_position": True, "observe_energy": True, "task_visible": True,
        "dense_reward": True,
    },
    "images": {"image": True, "cell_pixels": 2},
}  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
def test_krazy_worlds_other_observations(options: str, request: Any) -> None:
    arguments = {"preset": "easy", **OPTIONS[options]}
    compiled = history("metaenvs/KrazyWorld-v0", 2, 30, **arguments)
    request.getfixturevalue("uncompiled")
    assert_same(history("metaenvs/KrazyWorld-v0", 2, 30, **arguments), compiled)
    assert "run_rows" in calls
