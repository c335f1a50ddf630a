"""The states that the current episode of each row went through, for pictures."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

__all__ = ["EpisodePaths"]


class EpisodePaths:
    """Remembers, for every row, the states since its episode began.

    Args:
        num_rows: Number of rows.
    """

    def __init__(self, num_rows: int) -> None:
        self._states: list[list[Any]] = [[] for _ in range(num_rows)]
        self._episodes: list[tuple[int, int]] = [(-1, -1)] * num_rows

    def follow(self, rows: npt.NDArray[Any], states: npt.NDArray[Any]) -> None:
        """Take note of where every row stands now (after a reset or a step)."""
        for row, path in enumerate(self._states):
            episode = (int(rows["trial"][row]), int(rows["episode"][row]))
            if episode != self._episodes[row] or rows["episode_step"][row] == 0:
                path.clear()
                self._episodes[row] = episode
            path.append(states[row].copy())

    def __getitem__(self, row: int) -> list[Any]:
        return self._states[row]
