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
    "add_to_word", "address_of", "call_with_two", "read_float", "read_int", "read_word", "value_at",
    "write_float", "write_int",
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


def read_word(address: Any) -> Any:
    """The int64 at ``address``, as other threads left it (sequentially consistent)."""
    return ctypes.c_int64.from_address(int(address)).value


def add_to_word(address: Any, amount: Any) -> Any:
    """Add to the int64 at ``address`` in one (sequentially consistent); answers what it was."""
    word = ctypes.c_int64.from_address(int(address))
    word.value += amount
    return word.value - amount


def address_of(value: Any) -> Any:
    """Where compiled code has put ``value``: good until the function returns that asked."""
    raise NotImplementedError("Only compiled code has values at addresses.")


def value_at(address: Any, kind: Any) -> Any:
    """The value of Numba's type ``kind`` at an address from :func:`address_of`."""
    raise NotImplementedError("Only compiled code has values at addresses.")


def _teach_numba() -> None:
    """Give each function above its compiled form."""
    # Untyped here, as in metaenvs.kernels.compile.
    extending: Any = importlib.import_module("numba.core.extending")
    intrinsic: Callable[[Any], Any] = extending.intrinsic
    types: Any = importlib.import_module("numba.core.types")
    ir: Any = importlib.import_module("llvmlite.ir")
    cgutils: Any = importlib.import_module("numba.core.cgutils")

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
    def load_shared(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
            return builder.load_atomic(pointer, "seq_cst", 8)

        return types.int64(types.uint64), generate

    @intrinsic
    def add(typing_context: Any, address: Any, amount: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
            return builder.atomic_rmw("add", pointer, arguments[1], "seq_cst")

        return types.int64(types.uint64, types.int64), generate

    @intrinsic
    def place(typing_context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = cgutils.alloca_once_value(builder, arguments[0])
            return builder.ptrtoint(pointer, ir.IntType(64))

        return types.uint64(value), generate

    @intrinsic
    def fetch(typing_context: Any, address: Any, kind: Any) -> Any:
        value_type = kind.instance_type

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            llvm_type = context.get_value_type(value_type)
            return builder.load(builder.inttoptr(arguments[0], llvm_type.as_pointer()))

        return value_type(types.uint64, kind), generate

    load_float = loader(types.float64, ir.DoubleType())
    load_int = loader(types.int32, ir.IntType(32))
    store_float = storer(types.float64, ir.DoubleType())
    store_int = storer(types.int32, ir.IntType(32))

    # Lambdas: Numba wants the two signatures alike, and annotations would tell them apart.
    overload = extending.overload
    overload(read_float)(lambda address: lambda address: load_float(address))
    overload(read_int)(lambda address: lambda address: load_int(address))
    overload(read_word)(lambda address: lambda address: load_shared(address))
    overload(add_to_word)(lambda address, amount: lambda address, amount: add(address, amount))
    # Not called but put in its place: the value is to live as long as the caller's.
    overload(address_of, inline="always")(lambda value: lambda value: place(value))
    overload(value_at)(lambda address, kind: lambda address, kind: fetch(address, kind))
    overload(write_int)(lambda address, value: lambda address, value: store_int(address, value))
    overload(write_float)(lambda address, value: lambda address, value: store_float(address, value))
    overload(call_with_two)(
        lambda function, first, second: (
            lambda function, first, second: call(function, first, second)
        )
    )


_teach_numba()
