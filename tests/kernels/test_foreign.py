"""C memory and functions by address: the same from Python and from compiled code."""

from __future__ import annotations

import ctypes
from typing import Any

import numba
import numpy as np

from metaenvs.kernels import foreign

BINARY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


def address_of(array: np.ndarray) -> np.uint64:
    return np.uint64(array.__array_interface__["data"][0])


def compiled(function: Any) -> Any:
    return numba.njit(function)


def test_numbers_are_read_and_written() -> None:
    floats = np.array([1.5, -2.25, np.nan])
    ints = np.array([7, -9], np.int32)

    def exchange(floats: Any, ints: Any) -> Any:
        foreign.write_float(floats + np.uint64(16), foreign.read_float(floats + np.uint64(8)))
        foreign.write_int(ints, foreign.read_int(ints + np.uint64(4)) - 1)
        return foreign.read_float(floats), foreign.read_int(ints + np.uint64(4))

    for run in (exchange, compiled(exchange)):
        floats[2], ints[0] = np.nan, 7
        assert run(address_of(floats), address_of(ints)) == (1.5, -9)
        assert floats.tolist() == [1.5, -2.25, -2.25] and ints.tolist() == [-10, -9]


def test_functions_are_called_with_two_pointers() -> None:
    @BINARY
    def copy_one(first: int, second: int) -> None:
        value = ctypes.c_double.from_address(first).value
        ctypes.c_double.from_address(second).value = value

    def call(function: Any, first: Any, second: Any) -> None:
        foreign.call_with_two(function, first, second)

    function = np.uint64(ctypes.cast(copy_one, ctypes.c_void_p).value)
    for run in (call, compiled(call)):
        source, target = np.array([4.5]), np.array([0.0])
        run(function, address_of(source), address_of(target))
        assert target[0] == 4.5


def test_no_ticket_is_given_twice() -> None:
    """Four threads draw a million tickets."""
    counter = np.zeros(1, np.int64)

    @numba.njit(nogil=True)
    def draw(address: Any, seen: Any) -> None:
        while True:
            ticket = foreign.add_to_word(address, 1)
            if ticket >= seen.shape[0]:
                break
            seen[ticket] += 1

    from concurrent.futures import ThreadPoolExecutor

    draw(address_of(counter), np.zeros(3, np.int64))
    counter[0] = 0
    seen = np.zeros(1_000_000, np.int64)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: draw(address_of(counter), seen), range(4)))
    assert (seen == 1).all()
    assert counter[0] == len(seen) + 4
    assert foreign.add_to_word(address_of(counter), -3) == len(seen) + 4
    assert foreign.read_word(address_of(counter)) == counter[0] == len(seen) + 1
    assert numba.njit(lambda address: foreign.read_word(address))(address_of(counter)) == counter[0]
