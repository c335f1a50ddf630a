"""A training taken up again is the training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from agents.rl2 import RL2Config, RL2Policy, start, train
from agents.training_state import TrainingState, read_state, write_state

BANDIT = RL2Config(
    env_id="metaenvs/ExplorationBandit-v0", num_envs=16, total_env_steps=480, hidden_size=8
)
CHEETAH = RL2Config(
    env_id="metaenvs/DOMINOHalfCheetah-v0",
    env_arguments={"episode_steps": 10},
    episodes_per_trial=2,
    num_envs=4,
    total_env_steps=300,
    hidden_size=8,
)
WORLD = dataclasses.replace(BANDIT, env_id="metaenvs/KrazyWorldEasy-v0", total_env_steps=4000)


def parameters(policy: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in policy.parameters()]


@pytest.mark.parametrize("config", [BANDIT, WORLD, CHEETAH], ids=lambda config: config.env_id)
def test_goes_on_from_any_iteration_bit_for_bit(config: RL2Config) -> None:
    if config is CHEETAH:
        pytest.importorskip("mujoco")
    kept: list[Any] = []
    told: list[dict[str, float]] = []

    def keep(state: TrainingState[RL2Policy]) -> None:
        kept.append(read_state(state))

    whole = parameters(train(config, told.append, keep=keep))
    assert len(kept) >= 3
    for done, (arrays, counters) in enumerate(kept, start=1):
        state, again = start(config), []
        write_state(state, arrays, counters)
        resumed = parameters(train(config, again.append, state=state))
        assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
        assert [line_of(metrics) for metrics in again] == [line_of(one) for one in told[done:]]


def line_of(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith("time/")}


def test_time_goes_on_as_well() -> None:
    arrays, counters = read_state(start(BANDIT))
    state = start(BANDIT)
    write_state(state, arrays, {**counters, "seconds": 1000.0})
    told: list[dict[str, float]] = []
    train(BANDIT, told.append, state=state)
    assert told[0]["time/elapsed"] > 1000
    assert told[0]["time/env_steps_per_second"] < 1


@pytest.mark.parametrize("part", ["module", "optimiser", "generator", "env"])
def test_every_part_of_the_state_decides_the_result(part: str) -> None:
    kept: list[Any] = []
    whole = parameters(train(BANDIT, keep=lambda state: kept.append(read_state(state))))
    arrays, counters = kept[0]
    others = dataclasses.replace(BANDIT, seed=1)
    foreign: list[Any] = []
    train(others, keep=lambda state: foreign.append(read_state(state)))
    mixed = {
        name: foreign[0][0][name] if name.startswith(f"{part}/") else array
        for name, array in arrays.items()
    }
    state = start(BANDIT)
    write_state(state, mixed, counters)
    resumed = parameters(train(BANDIT, state=state))
    assert not all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_the_state_of_another_training_is_refused() -> None:
    arrays, counters = read_state(start(BANDIT))
    wider = start(dataclasses.replace(BANDIT, hidden_size=9))
    with pytest.raises(ValueError, match="size mismatch"):
        write_state(wider, arrays, counters)
    more_rows = start(dataclasses.replace(BANDIT, num_envs=17))
    with pytest.raises(ValueError, match="of an environment made alike"):
        write_state(more_rows, arrays, counters)
    lacking = {name: array for name, array in arrays.items() if name != "generator/batch"}
    with pytest.raises(ValueError, match="batch"):
        write_state(start(BANDIT), lacking, counters)


def test_what_was_read_does_not_change_with_the_training() -> None:
    state = start(BANDIT)
    arrays, _ = read_state(state)
    before = {name: array.copy() for name, array in arrays.items()}
    train(BANDIT, state=state)
    assert all(np.array_equal(before[name], array) for name, array in arrays.items())
