"""Compiled kernels: what is in their machine code, and when they come from the disk cache."""

from __future__ import annotations

import collections
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import metaenvs.batch
import metaenvs.kernels.compile as kernels_compile
from metaenvs.batch import Batch
from metaenvs.exploration_bandit import exploration_bandit
from metaenvs.family import ArrayFamily
from metaenvs.kernels.helpers import run_with_help
from metaenvs.krazy_world import rules as krazy_world_rules
from metaenvs.krazy_world.env import krazy_world

COUNTED = re.compile(r"@NRT_(?:incref|decref)|call [^\n]*@NRT_\w+")


def batch_of(family: ArrayFamily, num_rows: int) -> Batch:
    return Batch(
        family,
        num_rows,
        split="all",
        split_seed=0,
        episodes_per_trial=1,
        episode_steps=10,
        max_episode_steps=None,
        autoreset_mode=AutoresetMode.NEXT_STEP,
        final_observations=False,
    )


def kernels_of(monkeypatch: pytest.MonkeyPatch, batch: Batch) -> list[Any]:
    """What Numba makes of the kernels that begin rows, help with them, and draw tasks."""
    import numba

    run_with_help(lambda *_: None)  # Its own kernel is compiled before.
    made: list[Any] = []
    njit, cfunc = numba.njit, numba.cfunc

    def recording_njit(*arguments: Any, **options: Any) -> Any:
        compiled = njit(*arguments, **options)
        if "cache" in options:
            made.append(compiled)
        return compiled

    def recording_cfunc(*arguments: Any, **options: Any) -> Any:
        def decorate(python: Any) -> Any:
            made.append(cfunc(*arguments, **options)(python))
            return made[-1]

        return decorate

    monkeypatch.setattr(numba, "njit", recording_njit)
    monkeypatch.setattr(numba, "cfunc", recording_cfunc)
    for name, value in list(vars(metaenvs.batch).items()):
        if hasattr(value, "cache_clear"):  # Kernels of before are kept, and not asked for.
            monkeypatch.setattr(metaenvs.batch, name, value.__wrapped__)
    batch.begin(np.ones(batch.num_rows, np.bool_))
    batch.draw(3, np.uint64(0))
    return made


NUMBERS_OF_ROWS = {2: ["run_rows", "draw_tasks"], 300: ["run_rows", "help_with_rows", "draw_tasks"]}


@pytest.mark.parametrize("num_rows", NUMBERS_OF_ROWS)
def test_kernels_count_no_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_rows: int
) -> None:
    """In LLVM's code (of a small family, compiled here and now: cached kernels hide theirs)."""
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(metaenvs.batch, "num_threads", lambda: 2)
    kernels = kernels_of(monkeypatch, batch_of(exploration_bandit(), num_rows))
    assert [kernel.__name__.rpartition("_")[0] for kernel in kernels] == NUMBERS_OF_ROWS[num_rows]
    for kernel in kernels:
        code = kernel.inspect_llvm()
        code = code if isinstance(code, str) else "".join(code.values())
        assert "define" in code and "getelementptr" in code
        assert not COUNTED.search(code)


@pytest.mark.parametrize("num_rows", NUMBERS_OF_ROWS)
def test_cached_kernels_count_no_references(monkeypatch: pytest.MonkeyPatch, num_rows: int) -> None:
    """In the machine code of a large family: its symbols are those of the functions it calls."""
    monkeypatch.setattr(metaenvs.batch, "num_threads", lambda: 2)
    for kernel in kernels_of(monkeypatch, batch_of(krazy_world(preset="easy"), num_rows)):
        folder = Path(krazy_world_rules.__file__).parent / "__pycache__"
        files = list(folder.glob(f"*{kernel.__name__}*.nbc"))
        assert files
        for file in files:
            assert b"NRT_" not in file.read_bytes()


def counting(array: Any) -> Any:
    """What Numba's default options compile with reference counting."""
    return array[:1]


def test_the_search_for_reference_counting_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control for the two tests above."""
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    counted = numba.njit(counting, cache=True)
    counted(np.zeros(3))
    (code,) = counted.inspect_llvm().values()
    assert COUNTED.search(code)
    (file,) = Path(counted.stats.cache_path).glob("*.nbc")
    assert tmp_path in file.parents
    assert b"NRT_incref" in file.read_bytes()


def test_kernels_release_pythons_lock_and_count_nothing() -> None:
    assert kernels_compile.jit_options()["_nrt"] is False
    assert kernels_compile.jit_options()["nogil"] is True


SHARED = """
from metaenvs.kernels.row_function import row_function

@row_function
def shared(value):
    return value * 10
"""
HOME = """
from metaenvs.kernels.row_function import row_function
from shared import shared

OFFSET = 1

@row_function
def rule(value):
    return shared(value) + OFFSET
"""
TEMPLATE = """
from metaenvs.kernels.row_function import row_function

@row_function
def rule(value):
    return value

@row_function(inline=False)
def apply_one(value, values):
    result = rule(value)
    for k in range(values.shape[0]):  # Long enough not to be inlined after all.
        value = value + rule(value) * k
        if value > 1e9:
            value = value / 3
    return result if value > -1 else value

def apply(values):
    for index in range(values.shape[0]):
        values[index] = apply_one(values[index], values)
"""
MAIN = """
import json, logging, sys
import numpy as np
import importlib, template
from metaenvs.kernels.compile import build_kernel

messages = []
logger = logging.getLogger("metaenvs")
logger.setLevel(logging.INFO)
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
logger.addHandler(handler)
results = []
kernels = []
for name in sys.argv[1:]:
    home = importlib.import_module(name)
    kernels.append(build_kernel(
        template.apply, {"rule": home.rule}, home=home.__file__,
        arguments=(np.zeros(1),),
    ))
    values = np.arange(5.0)
    kernels[-1](values)
    results.append(values.tolist())
print(json.dumps({"values": results[-1], "results": results, "messages": messages}))
"""


def run(folder: Path, homes: tuple[str, ...] = ("home",)) -> dict[str, Any]:
    """Build and run kernels over the rules in ``folder``, in a process of their own."""
    command = [sys.executable, "main.py", *homes]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    cached = folder.glob("__pycache__/*.nbc")
    answer["cached"] = {file.name: file.stat().st_mtime_ns for file in cached}
    return answer


def add_first(record: Any) -> None:
    record.sum[0] += record.first[0]


def add_first_of_pair(pair: Any) -> None:
    pair[0].sum[0] += pair[0].first[0]


def record_class(*fields: str, module: str = __name__) -> Any:
    return collections.namedtuple("Record", fields, module=module)


RECORD_CLASSES = [
    record_class("first", "sum"),
    record_class("sum", "first"),
    record_class("first", "sum", module="elsewhere"),
]
"""Numba's cache has their name and where they stand, and would take one for another."""


@pytest.mark.parametrize("template", [add_first, add_first_of_pair])
def test_kernels_are_told_apart_by_the_classes_of_their_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, template: Any
) -> None:
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    (tmp_path / "home.py").write_text("")
    names = set()
    for kind in RECORD_CLASSES:
        record = kind(np.ones(1), np.ones(1))
        argument = record if template is add_first else (record, 0)
        kernel = kernels_compile.build_kernel(
            template, {}, home=str(tmp_path / "home.py"), arguments=(argument,)
        )
        names.add(kernel.__name__)
    assert len(names) == len(RECORD_CLASSES)


def test_a_second_process_loads_kernels_and_edits_compile_them_anew(tmp_path: Path) -> None:
    sources = {"shared": SHARED, "home": HOME, "template": TEMPLATE, "main": MAIN}
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)

    first = run(tmp_path)
    assert first["values"] == [1.0, 11.0, 21.0, 31.0, 41.0]
    assert len(first["cached"]) == 1
    (message,) = first["messages"]
    assert message.startswith("Compiling apply_") and "first time" in message

    second = run(tmp_path)
    assert second == {**first, "messages": []}  # Not even written again.

    # An edit where Numba's own cache does not look, in a function or a constant.
    (tmp_path / "shared.py").write_text(SHARED.replace("* 10", "* 100"))
    edited = run(tmp_path)
    assert edited["values"] == [1.0, 101.0, 201.0, 301.0, 401.0]
    assert len(edited["messages"]) == 1
    (tmp_path / "home.py").write_text(HOME.replace("OFFSET = 1", "OFFSET = 2"))
    assert run(tmp_path)["values"] == [2.0, 102.0, 202.0, 302.0, 402.0]

    # And back: nothing stale is taken for the first version.
    (tmp_path / "shared.py").write_text(SHARED)
    (tmp_path / "home.py").write_text(HOME)
    assert run(tmp_path)["values"] == first["values"]


def test_cached_kernels_of_several_families_do_not_mix(tmp_path: Path) -> None:
    """Compiled in processes of their own and loaded into one, each calls its own functions.

    They differ in a function below one of the template's that is called, not inlined, and whose
    name and types are the same in both: a linker that goes by those would take one for both.
    """
    other = HOME.replace("OFFSET = 1", "OFFSET = 7")
    sources = {"shared": SHARED, "home": HOME, "other": other, "template": TEMPLATE, "main": MAIN}
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    results = [run(tmp_path, homes=(name,))["values"] for name in ("home", "other")]
    assert results == [[1.0, 11.0, 21.0, 31.0, 41.0], [7.0, 17.0, 27.0, 37.0, 47.0]]
    together = run(tmp_path, homes=("home", "other", "home"))
    assert together["messages"] == []
    assert together["results"] == [*results, results[0]]


def test_importing_the_package_is_light() -> None:
    command = "import sys, metaenvs; print(sorted({'numba', 'torch', 'pygame'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
