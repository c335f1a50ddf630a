"""Row functions: plain Python that can be bound to compiled callees, and hashed with them."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import metaenvs.kernels.random as kernels_random
from metaenvs.kernels import foreign, helpers
from metaenvs.kernels.row_function import RowFunction, bind, digest, row_function

FACTOR = 3


@row_function
def double(value: Any) -> Any:
    """Twice the value."""
    return 2 * value


@row_function(inline=False)
def scaled_double(value: Any) -> Any:
    return FACTOR * double(value)


@row_function
def triple(value: Any) -> Any:
    return 3 * value


def plus_one(value: Any) -> Any:
    return double(value) + scaled_double(value) + 1


def keep(python: FunctionType, inline: bool) -> FunctionType:
    return python


def test_a_row_function_is_the_python_function() -> None:
    assert double(5) == 10
    assert scaled_double(5) == 30
    assert (double.inline, scaled_double.inline) == (True, False)
    assert double.__name__ == "double" and double.__doc__ == "Twice the value."
    assert repr(double).endswith(".double>")


def test_row_functions_are_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(kernels_random.mix)) is kernels_random.mix
    assert copy.deepcopy(kernels_random.mix) is kernels_random.mix


def test_binding_compiles_each_callee_once_and_leaves_the_original() -> None:
    compiled: list[tuple[str, bool]] = []

    def compile_function(python: FunctionType, inline: bool) -> Any:
        compiled.append((python.__name__, inline))
        return lambda *arguments: ("compiled", python.__name__, python(*arguments))[-1]

    bound = bind(plus_one, compile_function, {})  # type: ignore[arg-type]
    assert bound(5) == plus_one(5) == 41
    assert sorted(compiled) == [("double", True), ("scaled_double", False)]
    assert bound.__code__ is plus_one.__code__
    assert isinstance(plus_one.__globals__["double"], RowFunction)
    assert not isinstance(bound.__globals__["double"], RowFunction)


def test_replacements_reach_callees_of_callees() -> None:
    bound = bind(plus_one, keep, {"double": triple})  # type: ignore[arg-type]
    assert bound(5) == 15 + 3 * 15 + 1
    assert plus_one(5) == 41


def test_a_foreign_code_object_keeps_the_globals() -> None:
    code = plus_one.__code__.replace(co_name="another", co_filename=__file__)
    bound = bind(plus_one, keep, {}, code=code)  # type: ignore[arg-type]
    assert bound.__code__.co_name == "another"
    assert bound(5) == 41


SOURCE = """
from metaenvs.kernels.row_function import row_function

OFFSET = {offset}

@row_function
def inner(value):
    return value + {inner}

@row_function{inline}
def middle(value):
    return inner(value) * OFFSET

def outer(value):
    return middle(value) - {outer}

UNRELATED = {unrelated}
"""
ORIGINAL = {"offset": "5", "inner": "1", "outer": "2", "unrelated": "0", "inline": ""}


def written(folder: Path, **changes: str) -> ModuleType:
    """A module of the source above with some numbers changed."""
    name = f"rules_{len(list(folder.iterdir()))}"
    path = folder / f"{name}.py"
    path.write_text(SOURCE.format(**{**ORIGINAL, **changes}))
    spec = importlib.util.spec_from_file_location("rules", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digest_of(module: ModuleType, **options: Any) -> str:
    return digest(module.outer, {}, options)


@pytest.mark.parametrize(
    "changes",
    [
        {"outer": "3"},
        {"inner": "2"},
        {"offset": "6"},
        {"offset": "5.0"},
        {"inline": "(inline=False)"},
    ],
    ids=str,
)
def test_an_edit_anywhere_below_gives_another_digest(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    original, edited = written(tmp_path), written(tmp_path, **changes)
    assert digest_of(original) != digest_of(edited)
    assert digest_of(written(tmp_path)) == digest_of(original)


def test_what_is_not_called_does_not_count(tmp_path: Path) -> None:
    assert digest_of(written(tmp_path)) == digest_of(written(tmp_path, unrelated="9"))


def test_a_constant_changed_in_memory_counts(tmp_path: Path) -> None:
    module = written(tmp_path)
    before = digest_of(module)
    module.OFFSET = 6
    assert digest_of(module) != before


def test_an_edit_beside_a_plain_function_counts(tmp_path: Path) -> None:
    """What Numba makes of functions of ``kernels/foreign.py`` is written below them."""
    path = tmp_path / "foreign.py"
    path.write_text(Path(foreign.__file__).read_text())
    namespace: dict[str, Any] = {"__name__": "foreign"}
    exec(compile(path.read_text(), path, "exec"), namespace)
    python = helpers.next_chunk.python
    told = {**python.__globals__, "add_to_word": namespace["add_to_word"]}
    taker = FunctionType(python.__code__, told)
    before = digest(taker, {}, {})
    path.write_text(path.read_text().replace('atomic_rmw("add"', 'atomic_rmw("sub"'))
    assert digest(taker, {}, {}) != before


def test_options_and_replacements_count(tmp_path: Path) -> None:
    module = written(tmp_path)
    digests = {
        digest_of(module),
        digest_of(module, nogil=True),
        digest_of(module, nogil=False),
        digest(module.outer, {"inner": double}, {}),
        digest(module.outer, {"inner": triple}, {}),
        digest(module.outer, {"middle": triple}, {}),
    }
    assert len(digests) == 6
    assert digest(module.outer, {"unheard_of": triple}, {}) == digest_of(module)


def test_digests_are_stable_across_processes() -> None:
    command = (
        "from metaenvs.kernels import batch; from metaenvs.kernels.row_function import digest;"
        "print(digest(batch.run_rows, {}, {}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", command], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
