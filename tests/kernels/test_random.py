"""The counter-based random numbers: against Python's integers, published values and statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaenvs.kernels.random import (
    fold,
    mix,
    random_bits,
    random_integer,
    random_pair,
    random_uniform,
)
from metaenvs.seeding import derive_key

WORDS = st.integers(0, 2**64 - 1)
COUNTERS = st.integers(0, 2**40)
GOLDEN = 0x9E3779B97F4A7C15


def mix_reference(word: int) -> int:
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


def fold_reference(key: int, number: int) -> int:
    return mix_reference(key ^ mix_reference((number + GOLDEN) % 2**64))


def bits_reference(key: int, counter: int) -> int:
    return mix_reference((key + (counter + 1) * GOLDEN) % 2**64)


def word(value: int) -> np.ndarray:
    return np.array([value], np.uint64)


@given(WORDS, COUNTERS)
def test_all_draws_equal_python_integers(key: int, number: int) -> None:
    assert int(mix(word(key))[0]) == mix_reference(key)
    assert int(fold(word(key), word(number))[0]) == fold_reference(key, number)
    bits = bits_reference(key, number)
    assert int(random_bits(word(key), word(number))[0]) == bits
    assert float(random_uniform(word(key), word(number))[0]) == (bits >> 11) / 2**53
    for bound in (1, 2, 7, 100, 2**31):
        integer = int(random_integer(word(key), word(number), word(bound))[0])
        assert integer == (bits >> 32) * bound >> 32
        first, second = random_pair(word(key), word(number), word(bound), word(9))
        assert int(first[0]) == (bits >> 32) * bound >> 32
        assert int(second[0]) == (bits & 0xFFFFFFFF) * 9 >> 32


def test_the_published_splitmix64_sequence() -> None:
    """The outputs of Vigna's splitmix64.c for the seed 1234567, as in Rosetta Code."""
    expected = [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
        16408922859458223821,
    ]  # fmt: skip
    drawn = random_bits(word(1234567), np.arange(5, dtype=np.uint64))
    assert drawn.tolist() == expected


@given(WORDS)
def test_mix_loses_nothing(value: int) -> None:
    """A bijection: its inverse, step by step, gives the word back."""

    def undo_shift(word: int, shift: int) -> int:
        result = word
        for _ in range(64 // shift):
            result = word ^ (result >> shift)
        return result

    mixed = undo_shift(int(mix(word(value))[0]), 31)
    mixed = undo_shift(mixed * pow(0x94D049BB133111EB, -1, 2**64) % 2**64, 27)
    mixed = undo_shift(mixed * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64, 30)
    assert mixed == value


@given(WORDS, st.lists(st.integers(0, 2**63), max_size=4))
def test_derived_keys_are_folds(key: int, numbers: list[int]) -> None:
    expected = key
    for number in numbers:
        expected = fold_reference(expected, number)
    derived = derive_key(key, *numbers)
    assert int(derived) == expected
    assert isinstance(derived, np.uint64)


@pytest.fixture(scope="module")
def compiled() -> Any:
    """All draws compiled into one function, for scalars."""
    import numba

    from metaenvs.kernels.compile import jit_options
    from metaenvs.kernels.row_function import bind

    def draw_all(key: Any, number: Any, bound: Any) -> Any:
        first, second = random_pair(key, number, bound, 5)
        return (
            mix(key), fold(key, number), random_bits(key, number),
            random_integer(key, number, bound), first, second, random_uniform(key, number),
        )  # fmt: skip

    bound_function = bind(draw_all, lambda f, _: numba.njit(f, **jit_options()), {})  # type: ignore[arg-type]
    return numba.njit(bound_function)


@given(key=WORDS, number=COUNTERS, bound=st.integers(1, 2**31 - 1))
@settings(deadline=None)
def test_compiled_draws_are_the_same(compiled: Any, key: int, number: int, bound: int) -> None:
    bits = bits_reference(key, number)
    assert compiled(np.uint64(key), number, bound) == (
        mix_reference(key), fold_reference(key, number), bits, (bits >> 32) * bound >> 32,
        (bits >> 32) * bound >> 32, (bits & 0xFFFFFFFF) * 5 >> 32, (bits >> 11) / 2**53,
    )  # fmt: skip


def chi_square(values: np.ndarray, num_cells: int) -> float:
    counts = np.bincount(values, minlength=num_cells)
    assert len(counts) == num_cells
    expected = len(values) / num_cells
    return float(((counts - expected) ** 2 / expected).sum())


def limits(freedom: int) -> tuple[float, float]:
    """Five standard deviations around the mean of chi-square."""
    return freedom - 5 * (2 * freedom) ** 0.5, freedom + 5 * (2 * freedom) ** 0.5


NUMBERS = np.arange(100_000, dtype=np.uint64)
STREAMS = {
    "one stream": lambda: (np.uint64(12345), NUMBERS),
    "first draws of neighbouring streams": lambda: (fold(word(7), NUMBERS), np.uint64(0)),
    "first draws of neighbouring seeds": lambda: (
        fold(fold(fold(word(0), NUMBERS), word(0)), word(0)), word(0)
    ),
    "draws of tiny keys": lambda: (NUMBERS, word(0)),
}  # fmt: skip


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("bound", [2, 6, 100, 256])
def test_integers_are_uniform(stream: str, bound: int) -> None:
    key, counter = STREAMS[stream]()
    values = random_integer(key, counter, np.uint64(bound))
    assert values.min() == 0 and values.max() == bound - 1
    low, high = limits(bound - 1)
    assert low < chi_square(values, bound) < high


@pytest.mark.parametrize("stream", STREAMS)
def test_uniform_floats_fill_the_unit_interval(stream: str) -> None:
    key, counter = STREAMS[stream]()
    values = random_uniform(key, counter)
    assert values.dtype == np.float64
    assert 0 <= values.min() < 1e-4 and 1 - 1e-4 < values.max() < 1
    low, high = limits(199)
    assert low < chi_square((values * 200).astype(int), 200) < high


def test_pairs_are_uniform_and_independent() -> None:
    first, second = random_pair(word(3), NUMBERS, np.uint64(8), np.uint64(9))
    low, high = limits(71)
    assert low < chi_square(first * 9 + second, 72) < high


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("successive draws", (word(5), NUMBERS), (word(5), NUMBERS + np.uint64(1))),
        ("a stream and its sub-stream", (word(5), NUMBERS), (fold(word(5), word(0)), NUMBERS)),
        (
            "neighbouring sub-streams",
            (fold(word(5), word(0)), NUMBERS),
            (fold(word(5), word(1)), NUMBERS),
        ),
        (
            "the same sub-stream of neighbouring keys",
            (fold(word(5), NUMBERS), word(0)),
            (fold(word(6), NUMBERS), word(0)),
        ),
        (
            "paths in another order",
            (fold(fold(word(5), NUMBERS), word(1)), word(0)),
            (fold(fold(word(5), word(1)), NUMBERS), word(0)),
        ),
    ],
)
def test_streams_are_independent(name: str, one: Any, other: Any) -> None:
    first = random_integer(*one, np.uint64(10))
    second = random_integer(*other, np.uint64(10))
    low, high = limits(99)
    assert low < chi_square(first * 10 + second, 100) < high, name


def test_different_paths_never_meet() -> None:
    """Keys of 60 x 60 x 60 paths, and the keys on the way, are all different."""
    numbers = np.arange(60, dtype=np.uint64)
    rows = fold(word(0), numbers)
    trials = fold(rows[:, None], numbers)
    episodes = fold(trials[:, :, None], numbers)
    keys = np.concatenate([rows, trials.ravel(), episodes.ravel()])
    assert len(np.unique(keys)) == 60 + 60**2 + 60**3


def test_each_bit_flips_with_each_bit_of_the_key() -> None:
    """Avalanche: a flipped bit of the key flips each bit of a draw half the time."""
    keys = mix(np.arange(20_000, dtype=np.uint64))
    before = random_bits(keys, word(0))
    for position in range(0, 64, 7):
        flipped = random_bits(keys ^ (np.uint64(1) << np.uint64(position)), word(0)) ^ before
        for bit in range(64):
            share = ((flipped >> np.uint64(bit)) & np.uint64(1)).mean()
            assert abs(share - 0.5) < 0.02  # Five standard deviations are 0.018.
