"""The ``info`` of a batch: named arrays, each with its mask as Gymnasium has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.tasks import Tasks

__all__ = ["StepInfo"]

Array = npt.NDArray[Any]


class StepInfo:
    """Makes ``info`` of reports.

    Args:
        report_dtype: Its fields are the entries.
    """

    def __init__(self, report_dtype: np.dtype[Any]) -> None:
        self.names: tuple[str, ...] = report_dtype.names or ()
        self._keys = tuple((name, f"_{name}") for name in self.names)

    def of(
        self, reports: Array, mask: npt.NDArray[np.bool_], tasks: Tasks | None
    ) -> dict[str, Any]:
        """The entries of all rows.

        Args:
            reports: Records (num_envs,).
            mask: Rows (num_envs,) of which they tell something new.
            tasks: The rows' tasks, to be told as well; None tells nothing of them.
        """
        info: dict[str, Any] = {}
        for name, mask_name in self._keys:
            info[name] = reports[name]
            info[mask_name] = mask
        if tasks is not None:
            info["task"] = {name: tasks[name] for name in tasks.keys()}  # noqa: SIM118
            info["_task"] = mask
        return info

    def add_final(
        self,
        info: dict[str, Any],
        reports: Array,
        ended: npt.NDArray[np.bool_],
        observations: Sequence[Any],
        tasks: Tasks | None,
    ) -> None:
        """Add how the trials of the rows ``ended`` ended, where the next ones have begun already.

        Args:
            info: What :meth:`of` gave of this step; added to.
            reports: Of the ends, records (num_envs,).
            ended: Rows (num_envs,).
            observations: The last ones of the trials, one for each row that ended.
            tasks: Those that ended, of all rows, or None.
        """
        final_obs = np.full(len(ended), None, dtype=object)
        for row, observation in zip(np.flatnonzero(ended), observations, strict=True):
            final_obs[row] = observation
        final_info = self.of(reports, ended, tasks)
        if "episode_final_obs" in info:
            final_info["episode_final_obs"] = info["episode_final_obs"]
            final_info["_episode_final_obs"] = ended
        info["final_obs"], info["_final_obs"] = final_obs, ended
        info["final_info"], info["_final_info"] = final_info, ended
