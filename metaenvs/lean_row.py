"""Stepping and resetting a batch of one without the work that only a batch needs."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.batch import Batch

__all__ = ["LeanRow"]

Step = tuple[Any, float, bool, bool, dict[str, Any]]

FORMATS = {np.dtype(kind): code for kind, code in {
    np.bool_: "?", np.int32: "i", np.int64: "q", np.float32: "f", np.float64: "d",
}.items()}  # fmt: skip
"""How the module ``struct`` names the types of report fields."""


class LeanRow:
    """The single row of a batch whose first trial has begun, for raw observations.

    Numbers that leave as Python scalars need no fresh arrays, and the kernel's arguments are put
    together once. The observation is fresh.

    Args:
        batch: A batch of one row.
        actions: Its actions (1, ...), to write into.
    """

    def __init__(self, batch: Batch, actions: npt.NDArray[Any]) -> None:
        self.actions = actions
        self._batch = batch
        self._result = result = batch.allocate()
        self._observation = result.observation[0, ...]
        self._reward = result.reward
        self._terminated, self._truncated = result.terminated, result.truncated
        self._names = batch.report_dtype.names or ()
        self._read_report = record_struct(batch.report_dtype).unpack
        self._report = result.report.view(np.uint8).data
        self._pins: Any = None
        self._pool: Any = None

    def step(self, action: int | np.integer[Any] | npt.NDArray[Any]) -> Step | None:
        """The answer of ``gymnasium.Env.step``; None where the row may not be stepped.

        Raises:
            OverflowError: An action beyond 64 bits.
        """
        if self._pins is not self._batch.pins or self._pool is not self._batch.pool:
            self._bind()
        self.actions[0] = action
        if self._run_step() >= 0:
            return None
        return (
            self._observation.copy(),
            self._reward.item(),
            self._terminated.item(),
            self._truncated.item(),
            dict(zip(self._names, self._read_report(self._report), strict=True)),
        )

    def begin_trial(self) -> tuple[Any, dict[str, Any]]:
        """The answer of ``gymnasium.Env.reset`` without a seed and options."""
        if self._pins is not self._batch.pins or self._pool is not self._batch.pool:
            self._bind()
        self._run_begin()
        report = dict(zip(self._names, self._read_report(self._report), strict=True))
        return self._observation.copy(), report

    def _bind(self) -> None:
        batch = self._batch
        self._pins, self._pool = batch.pins, batch.pool
        self._run_step = batch.bind_step(self.actions, self._result)
        self._run_begin = batch.bind_begin(self._result)


def record_struct(dtype: np.dtype[Any]) -> struct.Struct:
    """Reads one record of scalars as a tuple, three times faster than ``array.item()``."""
    assert dtype.fields is not None
    layout, end = "=", 0
    for name in dtype.names or ():
        kind, offset = dtype.fields[name][:2]
        layout += "x" * (offset - end) + FORMATS[kind]
        end = offset + kind.itemsize
    return struct.Struct(layout + "x" * (dtype.itemsize - end))
