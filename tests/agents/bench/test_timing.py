"""Turns of contenders: their order, what counts, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agents.bench.timing import Contender, interleave, sustained


def scripted(name: str, seconds: list[float], diary: list[str]) -> Contender:
    turns = iter(seconds)

    def run() -> tuple[float, float]:
        diary.append(name)
        return 12.0, next(turns)

    return Contender(name, run)


def ticking(step: float) -> Callable[[], float]:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += step
        return now

    return clock


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    diary: list[str] = []
    contenders = [
        scripted("a", [9.0, 1.0, 2.0, 3.0], diary),
        scripted("b", [9.0, 4.0, 6.0, 12.0], diary),
    ]
    rates = interleave(contenders, 3)
    assert diary == ["a", "b"] * 4
    np.testing.assert_array_equal(rates["a"], [12.0, 6.0, 4.0])
    np.testing.assert_array_equal(rates["b"], [3.0, 2.0, 1.0])


def test_contenders_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="names of their own"):
        interleave([scripted("a", [], []), scripted("a", [], [])], 1)


def test_at_least_one_round_is_needed() -> None:
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        interleave([], 0)


def test_a_block_is_repeated_until_the_time_is_over() -> None:
    blocks = 0

    def block() -> int:
        nonlocal blocks
        blocks += 1
        return 10

    units, seconds = sustained(block, 2.5, ticking(1.0))()
    assert (blocks, units, seconds) == (3, 30, 3.0)


def test_a_block_longer_than_the_time_is_done_once() -> None:
    units, seconds = sustained(lambda: 7, 0.5, ticking(1.0))()
    assert (units, seconds) == (7, 1.0)
