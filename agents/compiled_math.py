"""Arithmetic of the compiled functions: exponentials and products of rows, each in a few loops."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload

from agents.compiled import compiled, compiled_in_any_order
from agents.register_tiles import WIDE, tile_of_1, tile_of_4, tile_of_8, wide_tile

__all__ = [
    "ONE",
    "TWO",
    "ZERO",
    "add_combination",
    "add_products",
    "add_scaled",
    "begin_sums",
    "copy",
    "dot",
    "exp",
    "sigmoid",
    "tanh",
    "through_units",
]

_TAYLOR = [np.float32(math.log(2.0) ** n / math.factorial(n)) for n in range(8)]
_C1, _C2, _C3, _C4, _C5, _C6, _C7 = _TAYLOR[1:]
ZERO, _HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_LOG2_E = np.float32(1.0 / math.log(2.0))
_LOWEST, _HIGHEST = np.float32(-87.0), np.float32(88.0)
_BIAS, _EXPONENT = np.int32(127), np.int32(1 << 23)


def exp(x: Any) -> Any:
    """Exponential; of a float32 to 2e-7 relative, in operations that vectorise."""
    raise NotImplementedError


@overload(exp, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _(x: Any) -> Any:
    if x != numba.float32:

        def exp(x: Any) -> Any:
            return math.exp(x)

        return exp

    def exp_float32(x: Any) -> Any:
        x = _LOWEST if x < _LOWEST else x
        x = _HIGHEST if x > _HIGHEST else x
        powers = x * _LOG2_E
        whole = np.floor(powers + _HALF)
        # ln(2)^n / n! of the remainder, at most a half: the next term is below 1e-8.
        f = powers - whole
        series = ONE + f * (
            _C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * (_C6 + f * _C7)))))
        )
        return series * np.int32((np.int32(whole) + _BIAS) * _EXPONENT).view(np.float32)

    return exp_float32


@compiled
def sigmoid(x: Any) -> Any:
    """The logistic function."""
    return ONE / (ONE + exp(-x))


@compiled
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return ONE - TWO / (ONE + exp(x + x))


@compiled
def add_products(rows: Any, weight: Any, out: Any) -> None:
    """Add rows (4, n) times weight (n, m) to ``out`` (4, m); the last two in row-major order."""
    column, end = 0, weight.shape[1]
    while end - column >= WIDE:
        wide_tile(rows, weight, out, column)
        column += WIDE
    while end - column >= 8:
        tile_of_8(rows, weight, out, column)
        column += 8
    if end - column >= 4:
        tile_of_4(rows, weight, out, column)
        column += 4
    while column < end:
        tile_of_1(rows, weight, out, column)
        column += 1


@compiled
def add_combination(factors: Any, rows: Any, out: Any) -> None:
    """Add the sum of the rows (n, m), each times its factor (n,), to ``out`` (m,)."""
    fours = rows.shape[0] - rows.shape[0] % 4
    for k in range(0, fours, 4):
        r0, r1, r2, r3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        a0, a1, a2, a3 = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        for j in range(out.size):
            out[j] = out[j] + a0 * r0[j] + a1 * r1[j] + a2 * r2[j] + a3 * r3[j]
    for k in range(fours, rows.shape[0]):
        add_scaled(factors[k], rows[k], out)


@compiled
def begin_sums(bias: Any, out: Any) -> None:
    """Put a row into each of the four rows of ``out``."""
    o0, o1, o2, o3 = out[0], out[1], out[2], out[3]
    for j in range(bias.size):
        o0[j] = bias[j]
        o1[j] = bias[j]
        o2[j] = bias[j]
        o3[j] = bias[j]


@compiled
def through_units(sums: Any, units: Any) -> None:
    """The logistic function of a row."""
    for j in range(sums.size):
        units[j] = sigmoid(sums[j])


@compiled
def copy(source: Any, target: Any) -> None:
    """Copy one row."""
    for j in range(target.size):
        target[j] = source[j]


@compiled_in_any_order
def dot(left: Any, right: Any) -> Any:
    """The product of two rows of float32, summed in any order."""
    total = ZERO
    for j in range(left.size):
        total += left[j] * right[j]
    return total


@compiled
def add_scaled(value: Any, weight: Any, out: Any) -> None:
    """Add a number times a row to ``out``."""
    for j in range(out.size):
        out[j] += value * weight[j]
