"""Whole lines, cut back to the checkpoint."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.metrics_file import METRICS, MetricsFile


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """The system refuses to write beyond ``size`` bytes of a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write(folder: Path, first: int, last: int) -> None:
    metrics = MetricsFile(folder, first - 1)
    for iteration in range(first, last + 1):
        metrics.write({"iteration": iteration, "loss/value": iteration / 7})
    metrics.close()


def test_going_on_leaves_the_file_of_an_undisturbed_run(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    write(tmp_path, 1, 6)
    whole = path.read_bytes()
    assert whole.decode().splitlines()[:2] == ["iteration,loss/value", f"1,{1 / 7}"]
    for kept in range(7):
        with path.open("ab") as file:
            file.write(b"7,0.")  # killed within a line
        write(tmp_path, kept + 1, 6)
        assert path.read_bytes() == whole


def test_a_file_without_the_lines_before_the_checkpoint_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    before = (tmp_path / METRICS).read_bytes()
    with pytest.raises(ValueError, match=r"should hold the 3 iterations.*it holds 2"):
        MetricsFile(tmp_path, 3)
    assert (tmp_path / METRICS).read_bytes() == before
    (tmp_path / METRICS).unlink()
    with pytest.raises(ValueError, match="it holds 0"):
        MetricsFile(tmp_path, 3)


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path)
    metrics.write({"iteration": 1})
    whole = (tmp_path / METRICS).read_bytes()
    with files_up_to(len(whole) + 1), pytest.raises(OSError, match="File too large"):
        metrics.write({"iteration": 2000})
    metrics.close()
    assert (tmp_path / METRICS).read_bytes() == whole
