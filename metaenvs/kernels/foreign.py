"""Memory and functions of a C library, for row functions: by address, in Python and compiled.

Numba knows these functions once this module is imported; addresses come to them as data, so that
compiled kernels can be kept on disk. An address is a uint64 and is not checked.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any

__all__ = [
    "call_with_two", "read_float", "read_int", "take_ticket", "write_float", "write_int",
]  # fmt: skip

BINARY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


def read_float(address: Any) -> Any:
    """The double (float64) at ``address``."""
    return ctypes.c_double.from_address(int(address)).value


def write_float(address: Any, value: Any) -> None:
    """Put ``value`` (float64) at ``address``."""
    ctypes.c_double.from_address(int(address)).value = float(value)


def read_int(address: Any) -> Any:
    """The C int (32 bits) at ``address``."""
    return ctypes.c_int32.from_address(int(address)).value


def write_int(address: Any, value: Any) -> None:
    """Put ``value`` at ``address`` as a C int (32 bits)."""
    ctypes.c_int32.from_address(int(address)).value = int(value)


def call_with_two(function: Any, first: Any, second: Any) -> None:
    """Call the C function ``void f(void*, void*)`` that lies at ``function``."""
    BINARY(int(function))(int(first), int(second))


def take_ticket(address: Any) -> Any:
    """The int64 at ``address``, which becomes one greater: no two threads are given the same."""
    ticket = ctypes.c_int64.from_address(int(address))
    ticket.value += 1
    return ticket.value - 1


def _teach_numba() -> None:
    """Give each function above its compiled form."""
    # Untyped here, as in metaenvs.kernels.compile.
    extending: Any = importlib.import_module("numba.core.extending")
    intrinsic: Callable[[Any], Any] = extending.intrinsic
    types: Any = importlib.import_module("numba.core.types")
    ir: Any = importlib.import_module("llvmlite.ir")

    def loader(value_type: Any, llvm_type: Any) -> Any:
        @intrinsic
        def load(typing_context: Any, address: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                return builder.load(builder.inttoptr(arguments[0], llvm_type.as_pointer()))

            return value_type(types.uint64), generate

        return load

    def storer(value_type: Any, llvm_type: Any) -> Any:
        @intrinsic
        def store(typing_context: Any, address: Any, value: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                pointer = builder.inttoptr(arguments[0], llvm_type.as_pointer())
                builder.store(arguments[1], pointer)
                return context.get_dummy_value()

            return types.void(types.uint64, value_type), generate

        return store

    @intrinsic
    def call(typing_context: Any, function: Any, first: Any, second: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word = ir.IntType(64)
            callee = ir.FunctionType(ir.VoidType(), [word, word]).as_pointer()
            builder.call(builder.inttoptr(arguments[0], callee), arguments[1:])
            return context.get_dummy_value()

        return types.void(types.uint64, types.uint64, types.uint64), generate

    @intrinsic
    def add_one(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word = ir.IntType(64)
            pointer = builder.inttoptr(arguments[0], word.as_pointer())
            return builder.atomic_rmw("add", pointer, word(1), "seq_cst")

        return types.int64(types.uint64), generate

    load_float = loader(types.float64, ir.DoubleType())
    load_int = loader(types.int32, ir.IntType(32))
    store_float = storer(types.float64, ir.DoubleType())
    store_int = storer(types.int32, ir.IntType(32))

    # Lambdas: Numba wants the two signatures alike, and annotations would tell them apart.
    overload = extending.overload
    overload(read_float)(lambda address: lambda address: load_float(address))
    overload(read_int)(lambda address: lambda address: load_int(address))
    overload(take_ticket)(lambda address: lambda address: add_one(address))
    overload(write_int)(lambda address, value: lambda address, value: store_int(address, value))
    overload(write_float)(lambda address, value: lambda address, value: store_float(address, value))
    overload(call_with_two)(
        lambda function, first, second: (
            lambda function, first, second: call(function, first, second)
        )
    )


_teach_numba()
