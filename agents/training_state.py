"""What a training goes on from, as plain arrays and counters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from agents import ranks

__all__ = ["TrainingState", "read_state", "write_state"]

Array = npt.NDArray[Any]
Module = TypeVar("Module", bound=nn.Module)

COUNTERS = ("env_steps", "iteration", "seconds")


@dataclass
class TrainingState(Generic[Module]):
    """All that changes from one iteration to the next, and decides the following ones."""

    module: Module
    """What is learned."""
    optimiser: torch.optim.Optimizer
    """Of its parameters; its settings follow from the configuration and the counters."""
    generators: dict[str, torch.Generator]
    """By what they are for."""
    env: gym.vector.VectorEnv[Any, Any, Any]
    """Where it is learned: this rank's rows. It has ``get_state`` and ``set_state`` if the state is
    to be kept: named arrays with the row first, but for those named in ``shared_state``."""
    env_steps: int = 0
    """Taken so far."""
    iteration: int = 0
    """Iterations so far."""
    seconds: float = 0.0
    """Spent on them."""


def read_state(state: TrainingState[Any]) -> tuple[dict[str, Array], dict[str, float]]:
    """Copy a state between two iterations, of all ranks, into named arrays and counters."""
    arrays = {f"module/{name}": part for name, part in state.module.state_dict().items()}
    for index, slots in state.optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser/{index}/{name}": slot for name, slot in slots.items()}
    arrays |= {f"generator/{name}": own.get_state() for name, own in state.generators.items()}
    return (
        {name: tensor.detach().cpu().numpy().copy() for name, tensor in arrays.items()}
        | {f"env/{name}": array for name, array in _read_rows(state.env.unwrapped).items()},
        {name: getattr(state, name) for name in COUNTERS},
    )


def write_state(
    state: TrainingState[Any], arrays: Mapping[str, Array], counters: Mapping[str, float]
) -> None:
    """Put what :func:`read_state` gave into the state of a training that has not begun.

    Raises:
        ValueError: The arrays are those of another module, optimiser or environment; the state
            is then not to be used.
    """
    parts: dict[str, dict[str, Array]] = {
        part: {} for part in ("module", "optimiser", "generator", "env")
    }
    slots: dict[int, dict[str, Tensor]] = {}
    try:
        for name, array in arrays.items():
            part, rest = name.split("/", 1)
            parts[part][rest] = array
        for name, array in parts["optimiser"].items():
            index, slot = name.split("/")
            slots.setdefault(int(index), {})[slot] = torch.tensor(array)
        env: Any = state.env.unwrapped
        env.set_state(_own_rows(env, parts["env"]))
        state.module.load_state_dict(
            {name: torch.tensor(array) for name, array in parts["module"].items()}
        )
        state.optimiser.load_state_dict({**state.optimiser.state_dict(), "state": slots})
        for name, generator in state.generators.items():
            generator.set_state(torch.tensor(np.asarray(parts["generator"][name])))
        for name in COUNTERS:
            setattr(state, name, counters[name])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"The state of another training: {error}") from error


def _read_rows(env: Any) -> dict[str, Array]:
    """The environment's state with the rows of all ranks, in their order."""
    states: list[dict[str, Array]] = ranks.everyone(env.get_state())
    if len(states) == 1:
        return states[0]
    return {
        name: array if name in _shared(env) else np.concatenate([own[name] for own in states])
        for name, array in states[0].items()
    }


def _own_rows(env: Any, state: dict[str, Array]) -> dict[str, Array]:
    """Of such a state, this rank's part."""
    counts = ranks.everyone(env.num_envs)
    if len(counts) == 1:
        return state
    first = sum(counts[: ranks.number()])
    mine = slice(first, first + env.num_envs)
    own = {name: array if name in _shared(env) else array[mine] for name, array in state.items()}
    rows = max(len(array) for name, array in state.items() if name not in _shared(env))
    if rows != sum(counts):
        raise ValueError(f"expected {sum(counts)} rows, got {rows}.")
    return own


def _shared(env: Any) -> Collection[str]:
    """Names of the arrays that do not have the row first."""
    names: Collection[str] = getattr(env, "shared_state", ())
    return names
