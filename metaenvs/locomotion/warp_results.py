"""What a step on Warp answers: arrays that kernels write, in one stretch of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import warp as wp
from torch import Tensor

from metaenvs.kernels.trial import REPORT_FIELDS as ENGINE_FIELDS
from metaenvs.locomotion.records import REPORT_FIELDS as FAMILY_FIELDS
from metaenvs.locomotion.warp_records import Reports, Results, fill

__all__ = ["WarpResult", "WarpResults"]

REPORT_FIELDS = [*ENGINE_FIELDS, *FAMILY_FIELDS]
FINAL = "final_"
"""Before the names of what a trial ended with (SAME_STEP)."""
ALIGNMENT = 8


@dataclass
class WarpResult:
    """Fresh tensors of one step, row on the first axis; reports by name."""

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    fresh: Tensor
    """Whether what is observed is a trial's start, or a row's that stands still."""
    report: dict[str, Tensor]
    final_observation: Tensor
    final_report: dict[str, Tensor]


class WarpResults:
    """Results that kernels write anew at every step; one copy makes them fresh.

    Args:
        num_rows: Number of rows.
        width: Numbers in an observation.
        final_observations: Whether there are observations of episodes' ends.
        final_reports: Whether there are reports of trials' ends.
        device: Of torch's.
    """

    results: Any
    """For kernels: :class:`metaenvs.locomotion.warp_records.Results`."""
    reports: Any
    """For kernels: :class:`metaenvs.locomotion.warp_records.Reports`."""
    final_reports: Any
    """Likewise."""

    def __init__(
        self,
        num_rows: int,
        width: int,
        *,
        final_observations: bool,
        final_reports: bool,
        device: torch.device,
    ) -> None:
        num_final, num_reports = num_rows * final_observations, num_rows * final_reports
        layout: list[tuple[str, type, tuple[int, ...]]] = [
            ("observation", np.float64, (num_rows, width)),
            ("reward", np.float64, (num_rows,)),
            ("terminated", np.bool_, (num_rows,)),
            ("truncated", np.bool_, (num_rows,)),
            ("fresh", np.bool_, (num_rows,)),
            *((name, kind, (num_rows,)) for name, kind in REPORT_FIELDS),
            ("final_observation", np.float64, (num_final, width)),
            *((FINAL + name, kind, (num_reports,)) for name, kind in REPORT_FIELDS),
        ]
        self._parts: list[tuple[str, torch.dtype, tuple[int, ...], slice]] = []
        end = 0
        for name, kind, shape in layout:
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
            torch_kind = torch.from_numpy(np.zeros(0, kind)).dtype
            self._parts.append((name, torch_kind, shape, slice(end, end + size)))
            end += -(-size // ALIGNMENT) * ALIGNMENT
        self._memory = torch.zeros(end, dtype=torch.uint8, device=device)
        arrays = {name: wp.from_torch(part) for name, part in self._split(self._memory).items()}
        warp_device = wp.device_from_torch(device)
        self.results = fill(Results, arrays, warp_device)
        self.reports = fill(Reports, arrays, warp_device)
        finals = {name: arrays[FINAL + name] for name, _ in REPORT_FIELDS}
        self.final_reports = fill(Reports, finals, warp_device)

    def clear_finals(self) -> None:
        """Zero what only some rows write."""
        for array in (
            self.results.final_observation,
            *(getattr(self.final_reports, name) for name, _ in REPORT_FIELDS),
        ):
            if array.size:
                array.zero_()

    def take(self) -> WarpResult:
        """A copy of all."""
        parts = self._split(self._memory.clone())
        return WarpResult(
            observation=parts["observation"],
            reward=parts["reward"],
            terminated=parts["terminated"],
            truncated=parts["truncated"],
            fresh=parts["fresh"],
            report={name: parts[name] for name, _ in REPORT_FIELDS},
            final_observation=parts["final_observation"],
            final_report={name: parts[FINAL + name] for name, _ in REPORT_FIELDS},
        )

    def _split(self, memory: Tensor) -> dict[str, Tensor]:
        """The results that lie in ``memory``, by name."""
        return {
            name: memory[where].view(kind).view(shape) for name, kind, shape, where in self._parts
        }
