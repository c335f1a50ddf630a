"""Laws of ``Tasks``: a sequence of named values, with ids that are hashes of the content."""

from __future__ import annotations

import copy
import errno
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metaenvs import Tasks
from metaenvs.tasks import record_words, task_ids, task_record_dtype

DTYPES = ("uint8", "int16", "int64", "float32", "float64", "bool")


@st.composite
def some_tasks(draw: st.DrawFn, min_size: int = 0) -> Tasks:
    """Tasks of one to three parameters of any numeric dtype, scalars or arrays."""
    length = draw(st.integers(min_size, 6))
    names = draw(st.lists(st.text("abcxyz_", min_size=1, max_size=5), min_size=1, max_size=3))
    columns = {}
    for name in names:
        dtype = np.dtype(draw(st.sampled_from(DTYPES)))
        shape = draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
        elements = None
        if dtype.kind == "f":
            elements = st.floats(-1e3, 1e3, width=8 * dtype.itemsize).map(lambda x: x + 0.0)
        columns[name] = draw(arrays.arrays(dtype, (length, *shape), elements=elements))
    return Tasks(columns)


def mixed(word: int) -> int:
    """The SplitMix64 finaliser, in Python's integers."""
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


def reference_id(task: dict[str, Any]) -> int:
    """The documented hash of a task's bytes: parameters by name, each padded to 64-bit words."""
    data = b""
    for name in sorted(task):
        part = np.asarray(task[name]).tobytes()
        data += part + b"\0" * (-len(part) % 8)
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    golden = 0x9E3779B97F4A7C15
    total = sum(mixed((word + (k + 1) * golden) % 2**64) for k, word in enumerate(words))
    unsigned = mixed(total % 2**64)
    return unsigned - 2**64 if unsigned >= 2**63 else unsigned


@given(some_tasks())
def test_ids_are_the_documented_hash(tasks: Tasks) -> None:
    assert tasks.ids.dtype == np.int64
    assert tasks.ids.tolist() == [reference_id(task) for task in tasks]


@given(some_tasks(min_size=2))
def test_ids_are_equal_exactly_for_equal_tasks(tasks: Tasks) -> None:
    for first in range(len(tasks)):
        for second in range(len(tasks)):
            equal = tasks[[first]] == tasks[[second]]
            assert (tasks.ids[first] == tasks.ids[second]) == equal


def test_ids_do_not_depend_on_the_order_of_names() -> None:
    one = Tasks({"a": np.arange(3), "b": np.ones(3)})
    other = Tasks({"b": np.ones(3), "a": np.arange(3)})
    assert one == other
    assert list(one.keys()) == list(other.keys()) == ["a", "b"]
    np.testing.assert_array_equal(one.ids, other.ids)
    swapped = Tasks({"a": np.ones(3), "b": np.arange(3.0)})
    assert not set(one.ids) & set(swapped.ids)


@given(some_tasks(), st.integers(-7, 7), st.integers(-7, 7), st.integers(1, 3))
def test_slices_are_those_of_a_sequence(tasks: Tasks, start: int, stop: int, step: int) -> None:
    part = tasks[start:stop:step]
    chosen = range(len(tasks))[start:stop:step]
    assert len(part) == len(chosen)
    assert part == tasks[list(chosen)]
    assert part == tasks[np.isin(np.arange(len(tasks)), chosen)]
    assert part.ids.tolist() == [int(tasks.ids[index]) for index in chosen]
    for position, index in enumerate(chosen):
        for name in tasks.keys():  # noqa: SIM118
            np.testing.assert_array_equal(part[position][name], tasks[name][index])


@given(some_tasks(min_size=1))
def test_iteration_gives_single_tasks_and_stack_puts_them_together(tasks: Tasks) -> None:
    singles = list(tasks)
    assert len(singles) == len(tasks)
    assert Tasks.stack(singles) == tasks
    assert {name: tasks[name].dtype for name in tasks.keys()} == {  # noqa: SIM118
        name: Tasks.stack(singles)[name].dtype
        for name in tasks.keys()  # noqa: SIM118
    }


@given(some_tasks(), st.integers(0, 6))
def test_concatenation_undoes_a_cut(tasks: Tasks, where: int) -> None:
    assert Tasks.concatenate([tasks[:where], tasks[where:]]) == tasks


@given(some_tasks())
def test_records_hold_the_same(tasks: Tasks) -> None:
    records = tasks.to_records()
    assert Tasks.from_records(records) == tasks
    assert record_words(records).shape == (len(tasks), records.dtype.itemsize // 8)
    np.testing.assert_array_equal(task_ids(record_words(records)), tasks.ids)


@given(some_tasks(min_size=1), st.lists(st.integers(0, 5), max_size=12))
def test_unique_keeps_first_appearances(tasks: Tasks, indices: list[int]) -> None:
    repeated = tasks[[index % len(tasks) for index in indices]]
    expected = list(dict.fromkeys(repeated.ids.tolist()))
    assert repeated.unique().ids.tolist() == expected
    assert repeated.unique().unique() == repeated.unique()


@given(tasks=some_tasks())
@settings(max_examples=30)
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, tasks: Tasks) -> None:
    path = tmp_path_factory.mktemp("tasks") / "list.npz"
    tasks.save(path)
    loaded = Tasks.load(str(path))
    assert loaded == tasks
    assert [loaded[n].dtype for n in loaded.keys()] == [tasks[n].dtype for n in tasks.keys()]  # noqa: SIM118
    assert [file.name for file in path.parent.iterdir()] == ["list.npz"]


def test_a_failing_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.npz"
    Tasks({"a": [1]}).save(path)

    def fill_the_disk(file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(np, "savez_compressed", fill_the_disk)
    with pytest.raises(OSError, match="no space"):
        Tasks({"a": [2]}).save(path)
    assert Tasks.load(path) == Tasks({"a": [1]})
    assert [file.name for file in tmp_path.iterdir()] == ["list.npz"]


def test_loading_what_is_no_file_of_tasks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tasks.load(tmp_path / "missing.npz")
    Tasks({"a": np.arange(1000)}).save(tmp_path / "good.npz")
    contents = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(contents[: len(contents) // 2])
    (tmp_path / "text.npz").write_text("goal = 3")
    np.save(tmp_path / "array.npy", np.arange(3))
    np.savez(tmp_path / "lengths.npz", a=np.arange(3), b=np.arange(4))
    np.savez(tmp_path / "objects.npz", a=np.array([{}, {}], dtype=object))
    for name in ("cut.npz", "text.npz", "array.npy", "lengths.npz", "objects.npz"):
        with pytest.raises(ValueError, match=rf"{name} is not a file of tasks"):
            Tasks.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"'.*/nowhere/list\.npz'$"):
        Tasks({"a": [1]}).save(tmp_path / "nowhere" / "list.npz")


def test_others_may_read_what_is_saved(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("")
    Tasks({"a": [1]}).save(tmp_path / "list.npz")
    assert (tmp_path / "list.npz").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@given(some_tasks())
def test_copies_are_equal(tasks: Tasks) -> None:
    assert pickle.loads(pickle.dumps(tasks)) == tasks
    assert copy.deepcopy(tasks) == tasks


def test_equality_looks_at_names_shapes_and_values() -> None:
    tasks = Tasks({"a": [1, 2]})
    assert tasks == Tasks({"a": [1, 2]})
    assert tasks != Tasks({"a": [1, 3]})
    assert tasks != Tasks({"b": [1, 2]})
    assert tasks != Tasks({"a": [1, 2, 2]})
    assert tasks != Tasks({"a": [[1], [2]]})
    assert tasks != {"a": [1, 2]}
    with pytest.raises(TypeError, match="unhashable"):
        hash(tasks)


def test_contents_are_copied_and_fixed() -> None:
    goals = np.zeros((2, 3))
    tasks = Tasks({"goal": goals})
    goals[0] = 1.0
    assert tasks["goal"].sum() == 0.0
    with pytest.raises(ValueError, match="read-only"):
        tasks["goal"][0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        tasks[0]["goal"][0] = 1.0


def test_names_and_representation() -> None:
    tasks = Tasks({"goal": np.zeros((2, 3), np.float32), "mass": np.ones(2)})
    assert "goal" in tasks and "length" not in tasks
    assert repr(tasks) == "Tasks(2; goal: float32[3], mass: float64[])"
    with pytest.raises(KeyError, match=r"no parameter 'gaol'; these tasks have \['goal', 'mass'\]"):
        tasks["gaol"]
    with pytest.raises(IndexError):
        tasks[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "at least one named array"),
        ({"a": 3.0}, r"Tasks\['a'\] must have the task on its first axis.*Tasks.stack"),
        ({"a": [1, 2], "b": [1]}, r"one length, got \{'a': 2, 'b': 1\}"),
        ({"a": [None, {}]}, r"Tasks\['a'\] must be numeric"),
    ],
)
def test_what_are_no_tasks(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tasks(arguments)


def test_what_cannot_be_put_together() -> None:
    with pytest.raises(ValueError, match="at least one task"):
        Tasks.stack([])
    with pytest.raises(ValueError, match=r"Task 1 names \['b'\], task 0 names \['a'\]"):
        Tasks.stack([{"a": 1}, {"b": 1}])
    with pytest.raises(ValueError, match="at least one part"):
        Tasks.concatenate([])
    with pytest.raises(ValueError, match=r"Part 1 names \['a', 'b'\], part 0 names \['a'\]"):
        Tasks.concatenate([Tasks({"a": [1]}), Tasks({"a": [1], "b": [1]})])


def test_records_pad_each_parameter_to_whole_words() -> None:
    dtype = task_record_dtype(
        {"b": (np.dtype("u1"), (9,)), "a": (np.dtype("i2"), ()), "c": (np.dtype("f8"), ())}
    )
    assert dtype.names == ("a", "b", "c")
    assert [dtype.fields[name][1] for name in dtype.names] == [0, 8, 24]  # type: ignore[index]
    assert dtype.itemsize == 32
