"""The single environment's short way: the same answers as a batch of one gives."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.kernels.trial import REPORT_FIELDS
from metaenvs.lean_row import FORMATS, record_struct

EASY = "metaenvs/KrazyWorldEasy-v0"
IDS = [EASY, "metaenvs/ExplorationBandit-v0"]


def single(env_id: str, **arguments: Any) -> Any:
    return gym.make(env_id, **arguments).unwrapped


def assert_same(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    """Two answers of ``reset`` or ``step``, types of the numbers included."""
    np.testing.assert_array_equal(first[0], second[0])
    assert first[0].dtype == second[0].dtype
    for one, other in zip(first[1:], second[1:], strict=True):
        assert one == other
    assert [type(value) for value in first[-1].values()] == [
        type(value) for value in second[-1].values()
    ]


@pytest.mark.parametrize("env_id", IDS)
def test_a_trial_begun_without_a_seed_is_that_of_the_batch(env_id: str) -> None:
    lean, full = single(env_id, episodes_per_trial=1), single(env_id, episodes_per_trial=1)
    rng = np.random.default_rng(0)
    assert_same(lean.reset(seed=3), full.reset(seed=3))
    num_trials = 0
    while num_trials < 20:
        action = int(rng.integers(lean.action_space.n))
        full._lean = None
        answer = lean.step(action)
        assert_same(answer, full.step(action))
        if answer[2] or answer[3]:
            full._lean = None
            assert_same(lean.reset(), full.reset())
            num_trials += 1


def test_pins_and_pools_reach_a_trial_begun_without_a_seed() -> None:
    env = single(EASY)
    env.reset(seed=0)
    first, second = (env.sample_tasks(1) for _ in range(2))
    env.set_task(first)
    env.reset()
    np.testing.assert_array_equal(env.get_task()["tiles"], first["tiles"][0])
    env.set_task(None)
    env.set_pool(second)
    env.reset()
    np.testing.assert_array_equal(env.get_task()["tiles"], second["tiles"][0])


def test_a_state_of_no_trial_asks_for_a_reset_again() -> None:
    env = single(EASY)
    unbegun = env.get_state()
    env.reset(seed=0)
    env.step(0)
    env.set_state(unbegun)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)


def test_a_record_is_read_as_numpy_reads_it() -> None:
    fields = [(f"of_{code}_{n}", kind) for n in range(3) for kind, code in FORMATS.items()]
    dtype = np.dtype([*REPORT_FIELDS, *fields], align=True)
    rng = np.random.default_rng(0)
    record = np.zeros(1, dtype)
    for name in dtype.names or ():
        record[name] = rng.integers(-100, 100) / 8
    read = record_struct(dtype).unpack(record.view(np.uint8).data)
    assert read == record.item()
    assert [type(value) for value in read] == [type(value) for value in record.item()]
