"""Counter-based random numbers: every draw is a pure function of a key and a number.

Keys are 64-bit and derived from one another with :func:`fold`; draws come from
:func:`random_bits`. Both use the SplitMix64 finaliser (Steele, Lea and Flood 2014, with Stafford's
constants), a bijection of 64-bit words, so nothing is stored and any draw can be repeated.

Called uncompiled, all but :func:`random_normal` also work elementwise on ``uint64`` arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metaenvs.kernels.row_function import row_function

__all__ = [
    "fold", "mix", "random_bits", "random_integer", "random_normal", "random_pair",
    "random_uniform",
]  # fmt: skip

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
SECOND_MULTIPLIER = np.uint64(0x94D049BB133111EB)
SHIFT_30, SHIFT_27, SHIFT_31 = np.uint64(30), np.uint64(27), np.uint64(31)
SHIFT_32, SHIFT_11 = np.uint64(32), np.uint64(11)
LOW_32 = np.uint64(0xFFFFFFFF)
ONE = np.uint64(1)
TWO_PI = 2.0 * math.pi


@row_function
def mix(word: Any) -> Any:
    """Scramble a 64-bit word (uint64 to uint64, a bijection)."""
    word = (word ^ (word >> SHIFT_30)) * FIRST_MULTIPLIER
    word = (word ^ (word >> SHIFT_27)) * SECOND_MULTIPLIER
    return word ^ (word >> SHIFT_31)


@row_function
def fold(key: Any, number: Any) -> Any:
    """Derive the key of sub-stream ``number`` (an integer, at least 0) from ``key`` (uint64)."""
    return mix(key ^ mix(np.uint64(number) + GOLDEN))


@row_function
def random_bits(key: Any, counter: Any) -> Any:
    """64 random bits (uint64): draw ``counter`` of the stream ``key``."""
    return mix(key + (np.uint64(counter) + ONE) * GOLDEN)


@row_function
def random_integer(key: Any, counter: Any, bound: Any) -> Any:
    """An integer (int64) uniform on 0 .. bound-1, up to a bias of bound / 2**32."""
    high = random_bits(key, counter) >> SHIFT_32
    return np.int64((high * np.uint64(bound)) >> SHIFT_32)


@row_function
def random_pair(key: Any, counter: Any, first_bound: Any, second_bound: Any) -> Any:
    """Two independent integers (int64) below their bounds, from one draw, as unbiased as above."""
    bits = random_bits(key, counter)
    first = ((bits >> SHIFT_32) * np.uint64(first_bound)) >> SHIFT_32
    second = ((bits & LOW_32) * np.uint64(second_bound)) >> SHIFT_32
    return np.int64(first), np.int64(second)


@row_function
def random_uniform(key: Any, counter: Any) -> Any:
    """A float64 uniform on [0, 1), a multiple of 2**-53."""
    return np.float64(random_bits(key, counter) >> SHIFT_11) * (1.0 / 9007199254740992.0)


@row_function(inline=False)
def random_normal(key: Any, counter: Any) -> Any:
    """A standard normal float64 (Box and Muller 1958), of the draws ``counter`` and the next."""
    radius = math.sqrt(-2.0 * math.log(1.0 - random_uniform(key, counter)))
    return radius * math.cos(TWO_PI * random_uniform(key, counter + 1))
