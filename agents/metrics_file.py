"""The metrics of a run: a CSV file with a line for each iteration."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agents.whole_file import write_whole

__all__ = ["METRICS", "MetricsFile"]

METRICS = "metrics.csv"


class MetricsFile:
    """Appends metrics to the run's CSV: a whole line, on its way to the disk, or none.

    Args:
        folder: The run's folder.
        iteration: How many lines to keep of what the file holds; a run that goes on from a
            checkpoint writes the later ones again.

    Raises:
        ValueError: The file holds fewer.
    """

    def __init__(self, folder: Path, iteration: int = 0) -> None:
        path = folder / METRICS
        kept: list[bytes] = []
        if iteration:
            lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
            kept = [line for line in lines if line.endswith(b"\n")][: 1 + iteration]
            if len(kept) < 1 + iteration:
                raise ValueError(
                    f"{path} should hold the {iteration} iterations before the checkpoint, it "
                    f"holds {max(len(kept) - 1, 0)}. Put the right file there, or remove the "
                    "checkpoint to begin the run anew."
                )
        write_whole(path, b"".join(kept))
        self._columns = kept[0].decode().strip().split(",") if kept else None
        # Without a buffer, which would write again, when closed, what a full disk has refused.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115

    def write(self, metrics: Mapping[str, float]) -> None:
        """Append one line; the first decides the columns.

        Raises:
            OSError: The disk is full; the file ends with the line before.
        """
        if self._columns is None:
            self._columns = list(metrics)
            self._append([self._columns])
        self._append([[metrics[name] for name in self._columns]])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, rows: Iterable[Iterable[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        whole = self._file.tell()
        line = text.getvalue().encode()
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError:
            self._file.truncate(whole)
            raise
