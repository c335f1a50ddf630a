"""Tasks: many tasks of one family, as named arrays with the task on the first axis."""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Iterator, KeysView, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.random import GOLDEN, mix

__all__ = ["Task", "Tasks", "record_words", "task_ids", "task_record_dtype"]

Task = dict[str, Any]
"""One task: names to scalars or arrays, a point of a family's ``task_space``."""

WORD = 8


def task_record_dtype(fields: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> np.dtype[Any]:
    """Lay out one task as a record: fields sorted by name, each padded to whole 64-bit words."""
    names, formats, offsets, offset = [], [], [], 0
    for name in sorted(fields):
        dtype, shape = fields[name]
        names.append(name)
        formats.append((dtype, shape) if shape else dtype)
        offsets.append(offset)
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        offset += -(-size // WORD) * WORD
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": max(offset, WORD)}
    )


def record_words(records: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """View records (n,) as their 64-bit words (n, itemsize / 8), sharing memory."""
    return records.view(np.uint64).reshape(records.shape[0], records.dtype.itemsize // WORD)


def task_ids(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Hash the contents of task records (n, words) to ids (n,).

    ``mix(sum_k mix(word_k + (k + 1) * GOLDEN))``: the kernels compute the same.
    """
    positions = (np.arange(words.shape[1], dtype=np.uint64) + np.uint64(1)) * GOLDEN
    total = mix(words + positions).sum(axis=1, dtype=np.uint64)
    ids: npt.NDArray[np.int64] = mix(total).view(np.int64)
    return ids


class Tasks:
    """Many tasks of one family.

    A mapping from parameter names to arrays whose first axis is the task. ``tasks["goal"]`` is
    such an array, ``tasks[3]`` one task, ``tasks[2:5]`` or ``tasks[mask]`` fewer tasks; ``len``
    counts tasks, ``==`` compares contents, and :meth:`save` writes a ``.npz`` file.

    Args:
        arrays: Names to arrays; copied. All have the same length on the first axis.

    Raises:
        ValueError: No parameter, an array without a first axis, or different lengths.
    """

    def __init__(self, arrays: Mapping[str, npt.ArrayLike]) -> None:
        copied = {str(name): np.array(arrays[name]) for name in sorted(arrays)}
        if not copied:
            raise ValueError("Tasks needs at least one named array, got none.")
        for name, array in copied.items():
            if array.ndim == 0:
                raise ValueError(
                    f"Tasks[{name!r}] must have the task on its first axis, got a scalar; "
                    "for a single task use Tasks.stack([task])."
                )
            if array.dtype.hasobject:
                raise ValueError(f"Tasks[{name!r}] must be numeric, got dtype {array.dtype}.")
        lengths = {name: len(array) for name, array in copied.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"All arrays of Tasks must be of one length, got {lengths}.")
        for array in copied.values():
            array.flags.writeable = False
        self._arrays = copied

    @classmethod
    def stack(cls, tasks: Sequence[Mapping[str, Any]]) -> Tasks:
        """Collect single tasks; all must name the same parameters (ValueError otherwise)."""
        if not tasks:
            raise ValueError("Tasks.stack needs at least one task, got none.")
        names = sorted(tasks[0])
        for index, task in enumerate(tasks):
            if sorted(task) != names:
                raise ValueError(f"Task {index} names {sorted(task)}, task 0 names {names}.")
        return cls({name: np.stack([np.asarray(task[name]) for task in tasks]) for name in names})

    @classmethod
    def concatenate(cls, parts: Sequence[Tasks]) -> Tasks:
        """Put several ``Tasks`` of the same names one after another."""
        if not parts:
            raise ValueError("Tasks.concatenate needs at least one part, got none.")
        names = list(parts[0].keys())
        for index, part in enumerate(parts):
            if list(part.keys()) != names:
                raise ValueError(f"Part {index} names {list(part.keys())}, part 0 names {names}.")
        return cls({name: np.concatenate([part[name] for part in parts]) for name in names})

    @classmethod
    def from_records(cls, records: npt.NDArray[Any]) -> Tasks:
        """Unpack a structured array (n,) whose fields are the parameters."""
        assert records.dtype.names is not None
        return cls({name: records[name] for name in records.dtype.names})

    def to_records(self) -> npt.NDArray[Any]:
        """Pack into a structured array (n,), laid out by :func:`task_record_dtype`."""
        layout = {name: (array.dtype, array.shape[1:]) for name, array in self._arrays.items()}
        records = np.zeros(len(self), task_record_dtype(layout))
        for name, array in self._arrays.items():
            records[name] = array
        return records

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Ids (n,) int64: hashes of the tasks' contents, equal only for equal tasks."""
        return task_ids(record_words(self.to_records()))

    def keys(self) -> KeysView[str]:
        """Parameter names, sorted."""
        return self._arrays.keys()

    def unique(self) -> Tasks:
        """The distinct tasks, in the order of their first appearance."""
        _, first = np.unique(self.ids, return_index=True)
        return self[np.sort(first)]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a ``.npz`` file, whole or not at all; OSError where that fails."""
        target = Path(path)
        temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
        try:
            with open(temporary, "xb") as file:
                np.savez_compressed(file, allow_pickle=False, **self._arrays)
            temporary.replace(target)
        except OSError as error:
            error.filename = str(target)  # Not the file beside it.
            raise
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tasks:
        """Read a file written by :meth:`save`; ValueError where it is not one, or damaged."""
        try:
            with open(path, "rb") as file:
                if not zipfile.is_zipfile(file):
                    raise ValueError("it is no archive of arrays, as Tasks.save writes it.")
                file.seek(0)
                with np.load(file, allow_pickle=False) as archive:
                    return cls({name: archive[name] for name in archive.files})
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"{os.fspath(path)} is not a file of tasks: {error}") from error

    @overload
    def __getitem__(self, index: str) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Task: ...
    @overload
    def __getitem__(self, index: slice | npt.NDArray[Any] | list[int]) -> Tasks: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            if index not in self._arrays:
                raise KeyError(f"no parameter {index!r}; these tasks have {list(self._arrays)}")
            return self._arrays[index]
        if isinstance(index, int | np.integer):
            return {name: array[index] for name, array in self._arrays.items()}
        return Tasks({name: array[index] for name, array in self._arrays.items()})

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values())))

    def __iter__(self) -> Iterator[Task]:
        return (self[index] for index in range(len(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tasks):
            return NotImplemented
        return list(self.keys()) == list(other.keys()) and all(
            array.shape == other[name].shape and bool(np.array_equal(array, other[name]))
            for name, array in self._arrays.items()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name}: {array.dtype}{list(array.shape[1:])}" for name, array in self._arrays.items()
        )
        return f"Tasks({len(self)}; {fields})"
