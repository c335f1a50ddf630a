"""Products that are summed in registers are those of NumPy, at all widths and strides."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from agents.compiled_math import add_products
from agents.register_tiles import WIDE, tile_of_1, tile_of_4, tile_of_8, wide_tile


def normal(*shape: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


@settings(deadline=None)  # The first example compiles.
@given(
    inputs=st.integers(0, 40),
    outputs=st.integers(1, 2 * WIDE + 13),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_products_are_added(inputs: int, outputs: int, dtype: str) -> None:
    rows, weight = normal(4, inputs, dtype=dtype), normal(inputs, outputs, dtype=dtype)
    out = normal(4, outputs, dtype=dtype)
    expected = out.astype(float) + rows.astype(float) @ weight
    add_products(rows, weight, out)
    np.testing.assert_allclose(out, expected, atol=1e-4 if dtype == "float32" else 1e-12)


def test_rows_may_be_columns_of_a_matrix_and_nothing_else_is_written() -> None:
    left, right, out = normal(9, 6), normal(9, 45), normal(7, 45)
    expected = out.copy()
    expected[2:6] += left[:, 1:5].T @ right
    add_products(left[:, 1:5].T, right, out[2:6])
    np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("tile", "width"), [(wide_tile, WIDE), (tile_of_8, 8), (tile_of_4, 4), (tile_of_1, 1)]
)
def test_a_tile_has_its_columns_and_no_more(tile: Any, width: int) -> None:
    @numba.njit(_nrt=False)
    def add_tile(rows: Any, weight: Any, out: Any) -> None:
        tile(rows, weight, out, 3)

    for inputs in (1, 2, 5):
        rows, weight, out = normal(4, inputs), normal(inputs, 3 + width + 2), normal(4, 5 + width)
        expected = out.copy()
        expected[:, 3 : 3 + width] += rows @ weight[:, 3 : 3 + width]
        add_tile(rows, weight, out)
        np.testing.assert_allclose(out, expected, atol=1e-5)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypingError, match="float32 or float64"):
        add_products(np.ones((4, 3)), np.ones((3, 8), np.float32), np.ones((4, 8)))
    with pytest.raises(TypingError, match="float32 or float64"):
        add_products(*(np.ones((4, 4), np.int64),) * 3)


def test_columns_that_are_not_neighbours_are_refused() -> None:
    rows, weight, out = normal(4, 4), normal(4, 8), normal(4, 8)
    for other in ((weight.T.copy().T, out), (weight, out.T.copy().T), (weight[:, ::2], out)):
        with pytest.raises(TypingError, match="row-major"):
            add_products(rows, *other)
