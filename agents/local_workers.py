"""Runs trained in processes of this machine, and what any such process does."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

__all__ = ["LOG", "LocalWorkers", "last_words", "train_logged"]

LOG = "log.txt"


class LocalWorkers:
    """Trains each run in a process of its own; these end with this one, whatever ends it.

    Args:
        processes: How many runs there are at the same time.
    """

    def __init__(self, processes: int) -> None:
        self._numba_threads = max(1, (os.cpu_count() or 1) // processes)
        self._working: dict[Any, tuple[Any, Path]] = {}

    def begin(self, run: Path) -> None:
        """Let a run begin, or go on."""
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(run, self._numba_threads))
        process.start()
        self._working[process.sentinel] = process, run

    def ended(self) -> list[tuple[Path, str | None]]:
        """Wait for some runs to end; each with what went wrong, or None."""
        runs = []
        for sentinel in wait(list(self._working)):
            process, run = self._working.pop(sentinel)
            process.join()
            runs.append((run, _how_it_ended(process.exitcode, run)))
        return runs

    def close(self) -> None:
        """End the runs that have not."""
        for process, _ in self._working.values():
            process.kill()


def train_logged(run: Path, numba_threads: int) -> None:
    """Train a run in a process that has nothing else to do; what it says goes to ``log.txt``."""
    # Numba reads it at its import: without, each process would start a thread for every core.
    os.environ.setdefault("NUMBA_NUM_THREADS", str(numba_threads))
    with open(run / LOG, "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Imported here: torch and Numba read their surroundings at their import.
    from agents.training_run import train_run

    train_run(run)


def last_words(run: Path) -> str:
    """What a run that failed said last."""
    log = run / LOG
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return f"failed: {lines[-1] if lines else 'without a word'} (see {log})"


def _how_it_ended(status: int, run: Path) -> str | None:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return last_words(run) if status else None


def _work(run: Path, numba_threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    train_logged(run, numba_threads)


def _end_with_parent() -> None:
    """A process that outlived the command would train on unseen, and bar the way to --resume."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
