"""Products of four rows with some columns of a matrix, summed in the processor's registers.

Of a loop over columns Numba makes vectors, but its sums go through memory at every fourth input.
Here those of a *tile*, four rows by some columns, stay in registers until all inputs are done. The
code is made of LLVM's vectors, which it turns into what the processor has.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding

__all__ = ["BLOCK", "WIDE", "tile_of_1", "tile_of_4", "tile_of_8", "wide_tile"]

BLOCK = 4
"""Rows that share the reading of a weight."""

# Untyped: llvmlite and Numba's inner parts have no types.
ir: Any = importlib.import_module("llvmlite.ir")
types: Any = importlib.import_module("numba.core.types")
cgutils: Any = importlib.import_module("numba.core.cgutils")
extending: Any = importlib.import_module("numba.core.extending")
errors: Any = importlib.import_module("numba.core.errors")

INDEX, SHORT, BYTES = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
NUMBERS = {types.float32: (ir.FloatType(), "f32", 4), types.float64: (ir.DoubleType(), "f64", 8)}
"""LLVM's type, its name and bytes."""


class _Matrix:
    """Address and strides of an array, while code is generated."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self._builder = builder
        self._address = builder.bitcast(array.data, BYTES)
        self.num_rows = cgutils.unpack_tuple(builder, array.shape, 2)[0]
        self._strides = cgutils.unpack_tuple(builder, array.strides, 2)

    def pointer(self, row: Any, column: Any, kind: Any) -> Any:
        """To something of LLVM's type ``kind`` that begins there."""
        builder = self._builder
        steps = [
            builder.mul(place, stride)
            for place, stride in zip((row, column), self._strides, strict=True)
        ]
        address = builder.gep(self._address, [builder.add(*steps)])
        return builder.bitcast(address, kind.as_pointer())


def _tile(lanes: int, vectors: int, turns: int = 1) -> Any:
    """The function ``tile(rows, weight, out, column)`` for compiled code.

    It adds rows (4, n) times the columns of weight (n, m) from ``column`` on, which are
    ``lanes * vectors``, to those of ``out`` (4, m); all of float32 or all of float64, the last two
    in row-major order.

    Args:
        lanes: Numbers of a vector.
        vectors: Beside one another.
        turns: Sums that take the inputs in turn. A sum waits for what was added before; where a
            tile has few of them, more are needed to keep the processor busy.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *kinds, _ = signature.args
        *arrays, column = arguments
        number, number_name, size = NUMBERS[kinds[0].dtype]
        vector = ir.VectorType(number, lanes)
        rows, weight, out = (
            _Matrix(context, builder, *pair) for pair in zip(kinds, arrays, strict=True)
        )
        columns = [builder.add(column, INDEX(lanes * place)) for place in range(vectors)]
        places = [(INDEX(row), at) for row in range(BLOCK) for at in columns]
        multiply_add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * 3),
            f"llvm.fmuladd.v{lanes}{number_name}",
        )

        def load(pointer: Any) -> Any:
            return builder.load(pointer, align=size)

        def repeated(factor: Any) -> Any:
            nothing = ir.Constant(vector, ir.Undefined)
            first = builder.insert_element(nothing, factor, SHORT(0))
            everywhere = ir.Constant(ir.VectorType(SHORT, lanes), [0] * lanes)
            return builder.shuffle_vector(first, nothing, everywhere)

        def add_inputs(first: Any, sums: Sequence[Any], num_turns: int) -> list[Any]:
            """The next inputs, one to each turn."""
            found = list(sums)
            for turn in range(num_turns):
                k = builder.add(first, INDEX(turn))
                weights = [load(weight.pointer(k, at, vector)) for at in columns]
                for row in range(BLOCK):
                    factor = repeated(load(rows.pointer(INDEX(row), k, number)))
                    for place, values in enumerate(weights):
                        at = (turn * BLOCK + row) * vectors + place
                        found[at] = builder.call(multiply_add, [factor, values, found[at]])
            return found

        sums = [load(out.pointer(*place, vector)) for place in places]
        sums += [ir.Constant(vector, [0.0] * lanes)] * (len(places) * (turns - 1))
        k, end = INDEX(0), weight.num_rows
        if turns > 1:
            whole = builder.sub(end, builder.srem(end, INDEX(turns)))
            k, sums = _loop(builder, k, whole, turns, sums, add_inputs)
        k, sums = _loop(builder, k, end, 1, sums, add_inputs)
        for at, place in enumerate(places):
            total = sums[at]
            for turn in range(1, turns):
                total = builder.fadd(total, sums[turn * len(places) + at])
            builder.store(total, out.pointer(*place, vector), align=size)
        return context.get_dummy_value()

    @extending.intrinsic  # type: ignore[untyped-decorator]
    def tile(typing_context: Any, rows: Any, weight: Any, out: Any, column: Any) -> Any:
        kinds = (rows, weight, out)
        matrices = all(isinstance(kind, types.Array) and kind.ndim == 2 for kind in kinds)
        numbers = {kind.dtype for kind in kinds} if matrices else set()
        if not (len(numbers) == 1 and numbers <= NUMBERS.keys()):
            raise errors.TypingError(f"Expected matrices of float32 or float64, got {kinds}.")
        if not weight.layout == out.layout == "C":
            raise errors.TypingError(f"Expected row-major weight and out, got {weight}, {out}.")
        return types.void(rows, weight, out, types.int64), generate

    return tile


def _loop(
    builder: Any,
    first: Any,
    last: Any,
    step: int,
    sums: Sequence[Any],
    body: Callable[[Any, Sequence[Any], int], list[Any]],
) -> tuple[Any, list[Any]]:
    """From ``first`` while below ``last``; answers the number reached and the sums."""
    before = builder.block
    head, inside, after = (builder.append_basic_block() for _ in range(3))
    builder.branch(head)
    builder.position_at_end(head)
    k, *reached = (builder.phi(value.type) for value in (first, *sums))
    for phi, value in zip((k, *reached), (first, *sums), strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", k, last), inside, after)
    builder.position_at_end(inside)
    found = body(k, reached, step)
    for phi, value in zip((k, *reached), (builder.add(k, INDEX(step)), *found), strict=True):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return k, reached


_LANES, _VECTORS = (16, 2) if binding.get_host_cpu_features().get("avx512f") else (8, 3)
# Of the wide tile: sums, weights and a factor just fit into the registers.

WIDE = _LANES * _VECTORS
"""Columns of a wide tile; the others have 8, 4 and 1."""

wide_tile = _tile(_LANES, _VECTORS)
tile_of_8, tile_of_4, tile_of_1 = _tile(8, 1, turns=2), _tile(4, 1, turns=2), _tile(1, 1, turns=2)
