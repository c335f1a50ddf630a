"""A batch of rows on a GPU: its arrays there, and the kernels that move them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.batch import Batch
from metaenvs.batch_state import RECORDS, VARIABLE_LENGTH
from metaenvs.cuda import rows as templates
from metaenvs.cuda.arrays import as_bytes, device_arrays
from metaenvs.cuda.kernels import row_kernel
from metaenvs.family import ArrayFamily
from metaenvs.kernels.trial import ROW_DTYPE, SETTINGS_DTYPE, is_legal_continuous, is_legal_discrete
from metaenvs.tasks import Tasks, record_words

__all__ = ["CudaBatch", "DeviceResult"]

Array = npt.NDArray[Any]


@dataclass
class DeviceResult:
    """Arrays of one step on the device, row on the first axis; records are their bytes."""

    observation: Any
    reward: Any
    terminated: Any
    truncated: Any
    fresh: Any
    """Whether what is observed is a trial's start."""
    report: Any
    final_observation: Any
    final_report: Any


class CudaBatch:
    """What :class:`metaenvs.batch.Batch` is on the CPU, with the same arguments.

    Tasks that are asked for are drawn on the CPU, so that a finite list of them is the same list
    whatever the device; those of an endless stream are drawn by the rows' own threads.

    Raises:
        ValueError: A family that steps with more than data, or no GPU.
        ImportError: A package that is missing.
    """

    def __init__(self, family: ArrayFamily, num_rows: int, **arguments: Any) -> None:
        if family.attach is not None:
            raise ValueError(
                "device='cuda' steps families whose rules are row functions; this one steps with a "
                "library on the CPU. Leave device out."
            )
        self.arrays = device_arrays()
        self.family = family
        self.num_rows = num_rows
        self._drawing = Batch(family, 1, **arguments)
        self.report_dtype = self._drawing.report_dtype
        shapes = self._drawing.allocate()
        final_rows = num_rows * len(shapes.final_observation)
        self._observation = (num_rows, *shapes.observation.shape[1:]), shapes.observation.dtype
        self._final = (final_rows, *shapes.observation.shape[1:]), shapes.observation.dtype
        self._num_final_reports = num_rows * len(shapes.final_report)
        discrete = isinstance(family.action_space, gym.spaces.Discrete)
        self._functions = (
            *family.row_functions.items(),
            ("is_legal", is_legal_discrete if discrete else is_legal_continuous),
        )
        rows = np.zeros(num_rows, ROW_DTYPE)
        rows["trial"] = -1
        tasks = np.zeros(num_rows, family.task_dtype)
        self._records = {
            "rows": (self.arrays.upload(as_bytes(rows)), ROW_DTYPE),
            "tasks": (self.arrays.upload(as_bytes(tasks)), family.task_dtype),
            "states": (
                self.arrays.upload(as_bytes(np.zeros(num_rows, family.state_dtype))),
                family.state_dtype,
            ),
        }
        self._constants = (
            (self.arrays.upload(as_bytes(self._drawing.settings)), SETTINGS_DTYPE),
            (self.arrays.upload(as_bytes(family.parameters)), family.parameters.dtype),
        )
        self._refusals = self.arrays.zeros((num_rows,), np.uint8)
        width = record_words(tasks).shape[1]
        self.pins = np.zeros((0, width), np.uint64)
        self.pool = np.zeros((0, width), np.uint64)
        self.pool_cumulative = np.zeros(0, np.float64)
        self._pinned = np.zeros(num_rows, np.bool_)
        self._lists: dict[str, Any] = {}
        self.standing: tuple[Any, ...] = ()
        """What every kernel takes first; another tuple once any of these arrays has moved."""
        self._place_tasks()

    # ------------------------------------------------------------------ moving rows

    def step(self, actions: Any) -> DeviceResult:
        """Advance every row, without waiting for the device.

        Args:
            actions: (num_rows,) int64, or (num_rows, ...) of the action space's dtype, on the
                device.
        """
        arrays, num_rows = self.arrays, self.num_rows
        result = DeviceResult(
            arrays.empty(*self._observation),
            arrays.empty((num_rows,), np.float64),
            arrays.empty((num_rows,), np.bool_),
            arrays.empty((num_rows,), np.bool_),
            arrays.empty((num_rows,), np.bool_),
            arrays.empty((num_rows, self.report_dtype.itemsize), np.uint8),
            arrays.zeros(*self._final),
            arrays.zeros((self._num_final_reports, self.report_dtype.itemsize), np.uint8),
        )
        self._launch(
            templates.step_rows,
            self._argument(self._refusals),
            self._argument(actions),
            self._argument(result.observation),
            self._argument(result.reward),
            self._argument(result.terminated),
            self._argument(result.truncated),
            self._argument(result.fresh),
            arrays.argument(result.report, self.report_dtype),
            self._argument(result.final_observation),
            arrays.argument(result.final_report, self.report_dtype),
        )
        return result

    def begin(
        self, mask: npt.NDArray[np.bool_], seeded: npt.NDArray[np.bool_], keys: Array
    ) -> tuple[Any, Any]:
        """Begin a new trial in the rows of ``mask``; observations and reports of all rows.

        Args:
            mask: Rows (num_rows,).
            seeded: Those of them that begin their stream anew (num_rows,).
            keys: Of these (num_rows,) uint64.
        """
        arrays = self.arrays
        observation = arrays.empty(*self._observation)
        report = arrays.empty((self.num_rows, self.report_dtype.itemsize), np.uint8)
        self._launch(
            templates.begin_rows,
            self._argument(arrays.upload(mask)),
            self._argument(arrays.upload(seeded)),
            arrays.argument(arrays.upload(as_bytes(keys)), np.uint64),
            self._argument(observation),
            arrays.argument(report, self.report_dtype),
        )
        return observation, report

    def take_refusals(self) -> npt.NDArray[np.uint8]:
        """Why rows stand still (num_rows,), as :mod:`metaenvs.cuda.rows` has it; waits.

        They do no longer: the next step is taken by all.
        """
        refusals = self.arrays.download(self._refusals)
        if refusals.any():
            self._refusals[:] = templates.NOT_REFUSED
        return refusals

    # ------------------------------------------------------------------ tasks

    def draw(self, num_tasks: int, key: np.uint64) -> Tasks:
        """Draw ``num_tasks`` tasks of the split, functions of ``key`` and their position."""
        return self._drawing.draw(num_tasks, key)

    def pin(self, tasks: Tasks | None, mask: npt.NDArray[np.bool_]) -> None:
        """Pin the tasks (one, or one a row) of the rows of ``mask``, or unpin them (None)."""
        self._pinned[mask] = tasks is not None
        if tasks is not None:
            if len(self.pins) == 0:
                self.pins = np.zeros((self.num_rows, self.pins.shape[1]), np.uint64)
            words = record_words(tasks.to_records())
            self.pins[mask] = words if len(tasks) == 1 else words[mask]
        records, dtype = self._records["rows"]
        self.arrays.field(records, dtype, "pinned")[:] = self.arrays.upload(self._pinned)
        self._place_tasks()

    def set_pool(self, tasks: Tasks | None, weights: Array | None) -> None:
        """Draw tasks from ``tasks`` with ``weights`` (summing to one) from now on."""
        self._drawing.set_pool(tasks, weights)
        self.pool, self.pool_cumulative = self._drawing.pool, self._drawing.pool_cumulative
        self._place_tasks()

    def task_fields(self) -> dict[str, Any]:
        """The task of each row as named arrays on the device, copies."""
        records, dtype = self._records["tasks"]
        return self.fields(self.arrays.copy(records), dtype)

    def fields(self, records: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
        """The fields of records by name, views."""
        assert dtype.names is not None
        return {name: self.arrays.field(records, dtype, name) for name in dtype.names}

    # ------------------------------------------------------------------ exact state

    @property
    def rows(self) -> Array:
        """Where every row stands: a copy on the host."""
        return self._download("rows")

    @property
    def tasks(self) -> Array:
        """The task of every row: a copy on the host."""
        return self._download("tasks")

    @property
    def states(self) -> Array:
        """The episode of every row: a copy on the host."""
        return self._download("states")

    def load(self, state: Mapping[str, Array]) -> None:
        """Put a checked state, of :func:`metaenvs.batch_state.read_batch`, onto the device."""
        for prefix in RECORDS:
            records, dtype = self._records[prefix]
            host = np.zeros(self.num_rows, dtype)
            for name in dtype.names or ():
                host[name] = state[f"{prefix}/{name}"]
            records[:] = self.arrays.upload(as_bytes(host))
        self._pinned = np.array(state["rows/pinned"])
        self.pins, self.pool, self.pool_cumulative = (
            np.array(state[name], order="C") for name in ("pins", "pool", "pool_cumulative")
        )
        self._refusals[:] = templates.NOT_REFUSED
        self._place_tasks()

    # ------------------------------------------------------------------ the inside

    def _place_tasks(self) -> None:
        """Bring pins and pool to the device: where those before lay, if they are as many."""
        arrays, moved = self.arrays, False
        for name in VARIABLE_LENGTH:
            given = arrays.upload(as_bytes(getattr(self, name)))
            before = self._lists.get(name)
            if before is not None and before.shape == given.shape:
                before[:] = given
            else:
                self._lists[name], moved = given, True
        if moved:
            (rows, _), (tasks, task_dtype), (states, state_dtype) = self._records.values()
            pins, pool, cumulative = (self._lists[name] for name in VARIABLE_LENGTH)
            self.standing = (
                *(arrays.argument(*constant) for constant in self._constants),
                arrays.argument(rows, ROW_DTYPE),
                arrays.argument(tasks, np.float64 if self.family.tasks_as_vectors else task_dtype),
                arrays.argument(tasks, np.uint64),
                arrays.argument(states, state_dtype),
                arrays.argument(pins, np.uint64),
                arrays.argument(pool, np.uint64),
                arrays.argument(cumulative.reshape(-1), np.float64),
            )

    def _launch(self, template: Any, *arguments: Any) -> None:
        kernel = row_kernel(template, self._functions)
        kernel.launch(self.num_rows, self.arrays.stream(), *self.standing, *arguments)

    def _argument(self, array: Any) -> Any:
        return self.arrays.argument(array)

    def _download(self, name: str) -> Array:
        records, dtype = self._records[name]
        return self.arrays.download(records).reshape(-1).view(dtype)
