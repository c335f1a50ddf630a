"""A batch of locomotion's rows on a device: the arrays, and the kernels that move them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import warp as wp
from gymnasium.vector import AutoresetMode
from torch import Tensor

from metaenvs.batch import Batch
from metaenvs.family import ArrayFamily
from metaenvs.kernels.trial import ROW_DTYPE
from metaenvs.locomotion import warp_kernels as kernels
from metaenvs.locomotion.records import STATE_DTYPE
from metaenvs.locomotion.warp_records import (
    FINAL,
    REPORT_FIELDS,
    Parameters,
    Reports,
    Results,
    Rows,
    States,
    TaskTables,
    TrialSettings,
    fill,
    results_of,
)
from metaenvs.locomotion.warp_worlds import WarpWorlds
from metaenvs.tasks import Tasks, task_ids

__all__ = ["WarpBatch"]

Array = npt.NDArray[Any]

ALIGNMENT = 8
HOST_ROWS = 64
"""Rows of the batch that derives the models of tasks."""


class WarpBatch(Batch):
    """Rows of which tasks, trials, rules and physics are on one device.

    The arrays of the base class are copies on the host, as of the last :meth:`pull`. Tasks are
    given from a pool, or pinned; their models are derived on the host, by MuJoCo itself, when
    pool or pins change.

    Args:
        family: Locomotion in one configuration.
        num_rows: Number of rows.
        device: Of torch's; the CPU stands for Warp's CPU device.
        arguments: As for the base class.
    """

    def __init__(
        self, family: ArrayFamily, num_rows: int, *, device: torch.device, **arguments: Any
    ) -> None:
        super().__init__(family, num_rows, **arguments)
        wp.init()
        self.device = device
        self._warp_device = wp.device_from_torch(device)
        host_arguments = {
            **arguments, "autoreset_mode": AutoresetMode.DISABLED, "final_observations": False,
        }  # fmt: skip
        self._host = Batch(family, HOST_ROWS, **host_arguments)
        parameters = family.parameters[0]
        self._parameters_struct = fill(Parameters, parameters, self._warp_device)
        self._settings_struct = fill(TrialSettings, self.settings[0], self._warp_device)
        self._same_step = bool(self.settings["same_step"][0])
        assert self._resources is not None
        self._worlds = WarpWorlds(
            self._resources[0][0],
            num_rows,
            frame_skip=int(parameters["frame_skip"]),
            with_contact_forces=bool(parameters["num_contact_forces"] > 0),
            device=self._warp_device,
        )
        self._physics = self._worlds.physics
        self._rows = fill(
            Rows,
            {
                **{name: self.rows[name] for name in ROW_DTYPE.names},
                **{name: np.zeros(num_rows, np.int32) for name in ("phase", "refused", "entry")},
            },
            self._warp_device,
        )
        self._states = self._new_states(parameters)
        self._tables = self._new_tables()
        size = (num_rows, int(parameters["num_actuators"]))
        self._actions = torch.zeros(size, dtype=torch.float32, device=device)
        self._mask = torch.zeros(num_rows, dtype=torch.bool, device=device)
        self._make_results()
        self._graph: Any = None

    # ------------------------------------------------------------------ what is on the device

    def _new_states(self, parameters: Any) -> States:
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
        for name in States.vars:
            if name not in values:
                values[name] = np.zeros(num_rows, STATE_DTYPE[name])
        return fill(States, values, self._warp_device)

    def _new_tables(self) -> TaskTables:
        width, block = self._words.shape[1], self._worlds.blocks.shape[1]
        no_tasks, no_blocks = np.zeros((1, width)), np.zeros((1, block), np.float32)
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

    def _make_results(self) -> None:
        """One stretch of memory for all results of a step: one copy makes them fresh."""
        layout = results_of(
            self.num_rows,
            self._observation_shape[1],
            final_observations=self._final_shape[0] > 0,
            final_reports=self._same_step,
        )
        self._parts: list[tuple[str, torch.dtype, tuple[int, ...], int, int]] = []
        end = 0
        for name, kind, shape in layout:
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
            torch_kind = torch.from_numpy(np.zeros(0, kind)).dtype
            self._parts.append((name, torch_kind, shape, end, size))
            end += -(-size // ALIGNMENT) * ALIGNMENT
        self._results_memory = torch.zeros(end, dtype=torch.uint8, device=self.device)
        parts = self._split(self._results_memory)
        arrays = {name: wp.from_torch(part) for name, part in parts.items()}
        self._results = fill(Results, arrays, self._warp_device)
        self._reports = fill(Reports, arrays, self._warp_device)
        finals = {name: arrays[FINAL + name] for name, _ in REPORT_FIELDS}
        self._final_reports = fill(Reports, finals, self._warp_device)

    def _split(self, memory: Tensor) -> dict[str, Tensor]:
        """The results that lie in ``memory``, by name."""
        return {
            name: memory[start : start + size].view(kind).view(shape)
            for name, kind, shape, start, size in self._parts
        }

    # ------------------------------------------------------------------ tasks

    def pin(self, tasks: Tasks | None, mask: npt.NDArray[np.bool_]) -> None:
        """Pin the tasks (one, or one a row) of the rows of ``mask``, or unpin them (None)."""
        super().pin(tasks, mask)
        self._push_pins()

    def set_pool(self, tasks: Tasks | None, weights: Array | None) -> None:
        """Draw tasks from ``tasks`` with ``weights`` (summing to one) from now on."""
        super().set_pool(tasks, weights)
        self._push_pool()

    def _push_pins(self) -> None:
        self._write(self._rows, {"pinned": self.rows["pinned"]})
        if len(self.pins):
            self._write(
                self._tables,
                {
                    "pins": self.pins.view(np.float64),
                    "pin_ids": task_ids(self.pins),
                    "pin_blocks": self._blocks_of(self.pins),
                },
            )

    def _push_pool(self) -> None:
        if len(self.pool):
            self._write(
                self._tables,
                {
                    "pool": self.pool.view(np.float64),
                    "pool_ids": task_ids(self.pool),
                    "pool_cumulative": self.pool_cumulative,
                    "pool_blocks": self._blocks_of(self.pool),
                },
            )

    def _blocks_of(self, words: npt.NDArray[np.uint64]) -> npt.NDArray[np.float32]:
        """The models' fields under tasks (n, width): the batch on the host enters them all."""
        host = self._host
        everywhere = np.ones(HOST_ROWS, np.bool_)
        blocks = np.zeros((len(words), self._worlds.blocks.shape[1]), np.float32)
        host.rows["pinned"] = True
        for start in range(0, len(words), HOST_ROWS):
            part = words[start : start + HOST_ROWS]
            host.pins = np.resize(part, (HOST_ROWS, words.shape[1]))
            host.begin(everywhere)
            blocks[start : start + len(part)] = host.states["block"][: len(part), : blocks.shape[1]]
        return blocks

    # ------------------------------------------------------------------ stepping

    def begin(self, mask: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
        """Begin a new trial in the rows of ``mask``; observations and reports of all rows."""
        self._write(self._rows, {name: self.rows[name] for name in ROW_DTYPE.names or ()})
        self._mask.copy_(torch.from_numpy(mask))
        with self._scope():
            self._launch(
                kernels.begin, self._parameters_struct, self._physics, self._rows, self._states,
                self._tables, wp.from_torch(self._mask),
            )  # fmt: skip
            self._settle()
        self.pull_rows()
        results = self._split(self._results_memory.clone())
        return results["observation"], results

    def advance(self, actions: Tensor) -> dict[str, Tensor]:
        """Advance every row by actions (num_rows, num_actuators); fresh results by name.

        Rows that may not be stepped stay as they are, see :meth:`refused`. The host waits for
        nothing but, where something was changed that the captured graph holds, for its capture.
        """
        self._actions.copy_(actions)
        if self._graph is None:
            self._graph = self._capture()
        stream = None
        if self.device.type == "cuda":
            stream = wp.stream_from_torch(torch.cuda.current_stream(self.device))
        wp.capture_launch(self._graph, stream=stream)
        return self._split(self._results_memory.clone())

    def refused(self) -> npt.NDArray[np.int32]:
        """Why each row may not be stepped until it is reset (waits for the device)."""
        return self._read(self._rows.refused)

    def forgive(self) -> None:
        """Let rows be stepped again that were refused."""
        self._write(self._rows, {"refused": np.zeros(self.num_rows, np.int32)})

    def _capture(self) -> Any:
        with self._scope(), wp.ScopedCapture(device=self._warp_device) as capture:
            self._step_rows()
        return capture.graph

    def _step_rows(self) -> None:
        """The kernels of one step, in order."""
        if self._same_step:
            for name, _ in REPORT_FIELDS:
                getattr(self._final_reports, name).zero_()
        if self._final_shape[0] > 0:
            self._results.final_observation.zero_()
        self._launch(
            kernels.enter, self._settings_struct, self._parameters_struct, self._physics,
            self._rows, self._states, self._tables, wp.from_torch(self._actions),
        )  # fmt: skip
        self._worlds.simulate(
            lambda: self._launch(
                kernels.note_divergence, self._parameters_struct, self._physics, self._rows,
                self._states,
            )
        )  # fmt: skip
        self._launch(
            kernels.finish, self._settings_struct, self._parameters_struct, self._physics,
            self._rows, self._states, self._tables, self._results, self._reports,
            self._final_reports,
        )  # fmt: skip
        self._settle()

    def _settle(self) -> None:
        """After rows began: their models, where their bodies are, and what is seen."""
        size = self._worlds.blocks.shape
        self._launch(kernels.write_blocks, self._rows, self._tables, dim=tuple(size))
        self._worlds.place_bodies()
        self._launch(
            kernels.look, self._parameters_struct, self._physics, self._rows, self._states,
            self._tables, self._results, self._reports,
        )  # fmt: skip

    def _launch(self, kernel: Any, *inputs: Any, dim: Any = None) -> None:
        wp.launch(
            kernel,
            dim=self.num_rows if dim is None else dim,
            inputs=inputs,
            device=self._warp_device,
        )

    # ------------------------------------------------------------------ between host and device

    @contextlib.contextmanager
    def _scope(self) -> Iterator[None]:
        """Warp on this device."""
        with wp.ScopedDevice(self._warp_device):
            yield

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _read(self, array: Any) -> Array:
        """A copy of an array on the host."""
        self._wait()
        copy: Array = array.numpy().copy()
        return copy

    def _write(self, struct: Any, values: dict[str, Array]) -> None:
        """Put arrays of the host into those of a struct, which grow where they must."""
        self._wait()
        for name, value in values.items():
            array = getattr(struct, name)
            if array.shape == value.shape:
                array.assign(value)
            else:
                fresh = wp.array(value, dtype=array.dtype, device=self._warp_device)
                setattr(struct, name, fresh)
                self._graph = None
        self._wait()

    def pull_rows(self) -> None:
        """Copy to the host where the rows stand."""
        for name in ROW_DTYPE.names or ():
            self.rows[name] = self._read(getattr(self._rows, name))

    def pull(self) -> None:
        """Copy rows, tasks and states to the host."""
        self.pull_rows()
        self._words[:] = self._read(self._tables.current).view(np.uint64)
        for name, array in self._state_arrays().items():
            values = self._read(array).reshape(self.num_rows, -1)
            field = self.states[name]
            if field.ndim == 1:
                self.states[name] = values[:, 0]
            else:
                field[:, : values.shape[1]] = values

    def push(self) -> None:
        """Copy rows, tasks, states, pins and pool of the host to the device."""
        self._write(self._rows, {name: self.rows[name] for name in ROW_DTYPE.names or ()})
        self.forgive()
        self._write(self._tables, {"current": self._words.view(np.float64)})
        for name, array in self._state_arrays().items():
            shape = tuple(array.shape) + tuple(getattr(array.dtype, "_shape_", ()))
            field = self.states[name]
            values = field if field.ndim == 1 else field[:, : int(np.prod(shape[1:]))]
            array.assign(np.ascontiguousarray(values, wp.dtype_to_numpy(array.dtype)))
        self._wait()
        self._push_pins()
        self._push_pool()

    def _state_arrays(self) -> dict[str, Any]:
        """Arrays on the device by the names of the host's states."""
        physics, states = self._physics, self._states
        return {
            "positions": physics.positions,
            "velocities": physics.velocities,
            "warm_start": physics.warm_start,
            "controls": physics.controls,
            "block": self._tables.blocks,
            **{name: getattr(states, name) for name in STATE_DTYPE.names if hasattr(states, name)},
        }
