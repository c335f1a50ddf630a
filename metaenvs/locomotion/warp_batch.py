"""A batch of locomotion's rows on a device: the arrays, and the kernels that move them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import warp as wp
from torch import Tensor

from metaenvs.cuda.arrays import TorchArrays
from metaenvs.family import ArrayFamily
from metaenvs.kernels.trial import ROW_DTYPE
from metaenvs.locomotion import warp_kernels as kernels
from metaenvs.locomotion.records import STATE_DTYPE
from metaenvs.locomotion.warp_records import (
    Parameters,
    Rows,
    States,
    TaskTables,
    TrialSettings,
    fill,
)
from metaenvs.locomotion.warp_results import WarpResult, WarpResults
from metaenvs.locomotion.warp_tasks import HostTasks
from metaenvs.locomotion.warp_worlds import WarpWorlds
from metaenvs.tasks import Tasks, record_words, task_ids

__all__ = ["WarpBatch"]

Array = npt.NDArray[Any]

VECTORS = ("torso", "rotation", "contact_forces")
NUMBERS = tuple(name for name in STATE_DTYPE.names or () if not STATE_DTYPE[name].shape)
"""Fields of the states that are the same on the host, but for their precision."""


class WarpBatch:
    """What :class:`metaenvs.batch.Batch` is on the CPU, with the same arguments.

    Tasks come from a pool, or are pinned; the models' fields under them are derived on the CPU, by
    MuJoCo itself, whenever pool or pins change. All else happens on the device.

    Args:
        family: Locomotion in one configuration.
        num_rows: Number of rows.
        device: Of torch's; the CPU stands for Warp's CPU device.
        arguments: As for :class:`metaenvs.batch.Batch`.
    """

    def __init__(
        self,
        family: ArrayFamily,
        num_rows: int,
        *,
        device: torch.device,
        **arguments: Any,
    ) -> None:
        wp.init()
        self.family = family
        self.num_rows = num_rows
        self.device = device
        self.arrays = TorchArrays(str(device))
        self._warp_device = wp.device_from_torch(device)
        self._host = HostTasks(family, **arguments)
        self.report_dtype = self._host.batch.report_dtype
        shapes = self._host.batch.allocate()
        parameters = family.parameters[0]
        self._parameters = fill(Parameters, parameters, self._warp_device)
        self._settings = fill(TrialSettings, self._host.batch.settings[0], self._warp_device)
        assert family.attach is not None
        models, _ = family.attach(1, family.splits[0]).resources
        self._worlds = WarpWorlds(
            models[0],
            num_rows,
            frame_skip=int(parameters["frame_skip"]),
            with_contact_forces=bool(parameters["num_contact_forces"] > 0),
            device=self._warp_device,
        )
        self._physics = self._worlds.physics
        self._block_size = int(self._worlds.blocks.shape[1])
        rows = np.zeros(num_rows, ROW_DTYPE)
        rows["trial"] = -1
        further = {name: np.zeros(num_rows, np.int32) for name in ("phase", "refused", "entry")}
        named = {name: rows[name] for name in ROW_DTYPE.names or ()}
        self._rows = fill(Rows, {**named, **further}, self._warp_device)
        self._states = self._new_states(parameters)
        width = record_words(np.zeros(1, family.task_dtype)).shape[1]
        self.pins = np.zeros((0, width), np.uint64)
        self.pool = np.zeros((0, width), np.uint64)
        self.pool_cumulative = np.zeros(0, np.float64)
        self._pinned = np.zeros(num_rows, np.bool_)
        self._pool_placed = False
        self._tables = self._new_tables(width)
        size = (num_rows, int(parameters["num_actuators"]))
        self._actions = torch.zeros(size, dtype=torch.float32, device=device)
        self._mask = torch.zeros(num_rows, dtype=torch.bool, device=device)
        self._results = WarpResults(
            num_rows,
            shapes.observation.shape[1],
            final_observations=len(shapes.final_observation) > 0,
            final_reports=len(shapes.final_report) > 0,
            device=device,
        )
        self._graph: Any = None

    # ------------------------------------------------------------------ what is on the device

    def _new_states(self, parameters: Any) -> Any:
        num_rows = self.num_rows
        counts = {name: int(parameters[f"num_{name}"]) for name in ("positions", "velocities")}
        widths = {
            "torso": 3,
            "rotation": 9,
            "contact_forces": int(parameters["num_contact_forces"]),
            "last_positions": counts["positions"],
            "last_velocities": counts["velocities"],
            "last_warm_start": counts["velocities"],
        }
        values: dict[str, Array] = {
            name: np.zeros((num_rows, width), np.float32) for name, width in widths.items()
        }
        numbers = {name: np.zeros(num_rows, STATE_DTYPE[name]) for name in NUMBERS}
        return fill(States, {**values, **numbers}, self._warp_device)

    def _new_tables(self, width: int) -> Any:
        no_tasks = np.zeros((1, width))
        no_blocks = np.zeros((1, self._block_size), np.float32)
        values = {
            "current": np.zeros((self.num_rows, width)),
            "pool": no_tasks,
            "pool_ids": np.zeros(1, np.int64),
            "pool_cumulative": np.ones(1),
            "pool_blocks": no_blocks,
            "pins": no_tasks,
            "pin_ids": np.zeros(1, np.int64),
            "pin_blocks": no_blocks,
            "blocks": wp.from_torch(self._worlds.blocks),
        }
        return fill(TaskTables, values, self._warp_device)

    # ------------------------------------------------------------------ tasks

    def draw(self, num_tasks: int, key: np.uint64) -> Tasks:
        """Draw ``num_tasks`` tasks of the split, functions of ``key`` and their position."""
        return self._host.batch.draw(num_tasks, key)

    def pin(self, tasks: Tasks | None, mask: npt.NDArray[np.bool_]) -> None:
        """Pin the tasks (one, or one a row) of the rows of ``mask``, or unpin them (None)."""
        self._pinned[mask] = tasks is not None
        if tasks is not None:
            if len(self.pins) == 0:
                self.pins = np.zeros((self.num_rows, self.pins.shape[1]), np.uint64)
            words = record_words(tasks.to_records())
            self.pins[mask] = words if len(tasks) == 1 else words[mask]
            self._place_pins()
        else:
            self._write(self._rows, {"pinned": self._pinned})

    def set_pool(self, tasks: Tasks | None, weights: Array | None) -> None:
        """Draw tasks from ``tasks`` with ``weights`` (summing to one) from now on.

        None is the family's stream, which here is a list as well: its first tasks.
        """
        host = self._host.batch
        host.set_pool(tasks, weights)
        self.pool, self.pool_cumulative = host.pool, host.pool_cumulative
        self._place_pool()

    def task_fields(self) -> dict[str, Tensor]:
        """The task of each row as named tensors, copies."""
        tasks = wp.to_torch(self._tables.current).clone()
        fields, start = {}, 0
        for name, space in self.family.task_space.items():
            shape = space.shape or ()
            size = int(np.prod(shape, dtype=np.int64))
            fields[name] = tasks[:, start : start + size].reshape(self.num_rows, *shape)
            start += size
        return fields

    def fields(self, reports: dict[str, Tensor], dtype: np.dtype[Any]) -> dict[str, Tensor]:
        """The fields of reports by name."""
        return reports

    def _place_pins(self) -> None:
        self._write(self._rows, {"pinned": self._pinned})
        if len(self.pins):
            self._write(
                self._tables,
                {
                    "pins": self.pins.view(np.float64),
                    "pin_ids": task_ids(self.pins),
                    "pin_blocks": self._host.blocks(self.pins, self._block_size),
                },
            )

    def _place_pool(self) -> None:
        words, cumulative = self.pool, self.pool_cumulative
        if len(words) == 0:
            words = self._host.stream()
            cumulative = np.cumsum(np.full(len(words), 1.0 / len(words)))
        self._write(
            self._tables,
            {
                "pool": words.view(np.float64),
                "pool_ids": task_ids(words),
                "pool_cumulative": cumulative,
                "pool_blocks": self._host.blocks(words, self._block_size),
            },
        )
        self._pool_placed = True

    # ------------------------------------------------------------------ moving rows

    def begin(
        self, mask: npt.NDArray[np.bool_], seeded: npt.NDArray[np.bool_], keys: Array
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Begin a new trial in the rows of ``mask``; observations and reports of all rows.

        Args:
            mask: Rows (num_rows,).
            seeded: Those of them that begin their stream anew (num_rows,).
            keys: Of these (num_rows,) uint64.
        """
        if not self._pool_placed:
            self._place_pool()
        if seeded.any():
            rows = {"key": keys, "trial": np.full(self.num_rows, -1, np.int64)}
            self._write(
                self._rows,
                {
                    name: np.where(seeded, value, self._read(getattr(self._rows, name)))
                    for name, value in rows.items()
                },
            )
        self._mask.copy_(torch.from_numpy(mask))
        self._wait()
        with wp.ScopedDevice(self._warp_device):
            self._launch(
                kernels.begin, self._parameters, self._physics, self._rows, self._states,
                self._tables, wp.from_torch(self._mask),
            )  # fmt: skip
            self._settle()
        self._wait()
        result = self._results.take()
        return result.observation, result.report

    def step(self, actions: Tensor) -> WarpResult:
        """Advance every row; rows that are refused stay as they are.

        The host waits for nothing but, the first time and where tables of tasks have grown, for
        the capture of the step's kernels as a graph.

        Args:
            actions: (num_rows, num_actuators), on the device.
        """
        self._actions.copy_(actions)
        if self._graph is None:
            self._graph = self._capture()
        stream = None
        if self.device.type == "cuda":
            stream = wp.stream_from_torch(torch.cuda.current_stream(self.device))
        wp.capture_launch(self._graph, stream=stream)
        return self._results.take()

    def take_refusals(self) -> npt.NDArray[np.int32]:
        """Why rows stand still (num_rows,), 0 for those that do not; waits.

        They do no longer: the next step is taken by all.
        """
        refusals = self._read(self._rows.refused)
        if refusals.any():
            self._write(self._rows, {"refused": np.zeros_like(refusals)})
        return refusals

    def _capture(self) -> Any:
        """The kernels of a step as a graph, which is launched at once."""
        self._wait()
        with wp.ScopedDevice(self._warp_device), wp.ScopedCapture() as capture:
            self._step_rows()
        return capture.graph

    def _step_rows(self) -> None:
        """The kernels of one step, in order."""
        self._results.clear_finals()
        self._launch(
            kernels.enter, self._settings, self._parameters, self._physics, self._rows,
            self._states, self._tables, wp.from_torch(self._actions),
        )  # fmt: skip
        self._worlds.simulate(
            lambda: self._launch(
                kernels.note_divergence, self._parameters, self._physics, self._rows, self._states
            )
        )
        self._launch(
            kernels.finish, self._settings, self._parameters, self._physics, self._rows,
            self._states, self._tables, self._results.results, self._results.reports,
            self._results.final_reports,
        )  # fmt: skip
        self._settle()

    def _settle(self) -> None:
        """After rows began: their models, where their bodies are, and what is seen."""
        size = tuple(self._worlds.blocks.shape)
        wp.launch(kernels.write_blocks, dim=size, inputs=[self._rows, self._tables])
        self._worlds.place_bodies()
        self._launch(
            kernels.look, self._parameters, self._physics, self._rows, self._states,
            self._tables, self._results.results, self._results.reports,
        )  # fmt: skip

    def _launch(self, kernel: Any, *inputs: Any) -> None:
        """Launch a kernel over the rows, on Warp's current device."""
        wp.launch(kernel, dim=self.num_rows, inputs=inputs)

    # ------------------------------------------------------------------ exact state

    @property
    def rows(self) -> Array:
        """Where every row stands: a copy on the host."""
        rows = np.zeros(self.num_rows, ROW_DTYPE)
        for name in ROW_DTYPE.names or ():
            rows[name] = self._read(getattr(self._rows, name))
        return rows

    @property
    def tasks(self) -> Array:
        """The task of every row: a copy on the host."""
        current = np.ascontiguousarray(self._read(self._tables.current))
        return current.view(self.family.task_dtype)[:, 0]

    @property
    def states(self) -> Array:
        """The episode of every row: a copy on the host, as the CPU has it."""
        states = np.zeros(self.num_rows, STATE_DTYPE)
        for name, array in self._state_arrays().items():
            values = self._read(array).reshape(self.num_rows, -1)
            field = states[name].reshape(self.num_rows, -1)
            field[:, : values.shape[1]] = values
        return states

    def load(self, state: Mapping[str, Array]) -> None:
        """Put a checked state, of :func:`metaenvs.batch_state.read_batch`, onto the device."""
        self._write(self._rows, {name: state[f"rows/{name}"] for name in ROW_DTYPE.names or ()})
        self.take_refusals()
        tasks = np.zeros(self.num_rows, self.family.task_dtype)
        for name in tasks.dtype.names or ():
            tasks[name] = state[f"tasks/{name}"]
        self._write(self._tables, {"current": record_words(tasks).view(np.float64)})
        for name, array in self._state_arrays().items():
            size = array.size // self.num_rows * wp.types.type_size(array.dtype)
            values = state[f"states/{name}"].reshape(self.num_rows, -1)[:, :size]
            array.assign(np.ascontiguousarray(values, wp.dtype_to_numpy(array.dtype)))
        self._wait()
        self._pinned = np.array(state["rows/pinned"])
        self.pins, self.pool, self.pool_cumulative = (
            np.array(state[name], order="C") for name in ("pins", "pool", "pool_cumulative")
        )
        self._place_pins()
        self._place_pool()

    def _state_arrays(self) -> dict[str, Any]:
        """Arrays on the device by the names of the host's states."""
        physics, states = self._physics, self._states
        return {
            "positions": physics.positions,
            "velocities": physics.velocities,
            "warm_start": physics.warm_start,
            "controls": physics.controls,
            "block": self._tables.blocks,
            **{name: getattr(states, name) for name in (*VECTORS, *NUMBERS)},
        }

    # ------------------------------------------------------------------ between host and device

    def _wait(self) -> None:
        """Wait for the device: torch and Warp have streams of their own."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _read(self, array: Any) -> Array:
        """A copy of an array on the host."""
        self._wait()
        copy: Array = array.numpy().copy()
        return copy

    def _write(self, struct: Any, values: Mapping[str, Array]) -> None:
        """Put arrays of the host into those of a struct, which grow where they must."""
        self._wait()
        for name, value in values.items():
            array = getattr(struct, name)
            if array.shape == value.shape:
                array.assign(value)
            else:
                setattr(struct, name, wp.array(value, dtype=array.dtype, device=array.device))
                # The graph holds the former array's address.
                self._graph = None
        self._wait()
