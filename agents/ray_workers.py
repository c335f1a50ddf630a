"""Runs trained as tasks of Ray: on this machine, or on the cluster that ``RAY_ADDRESS`` names."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

from agents.local_workers import last_words, train_logged

__all__ = ["RayWorkers"]


class RayWorkers:
    """Trains each run in a task, which takes as many of Ray's cores as its updates have threads.

    On a cluster the runs' folder lies where all its machines find it, and this package is
    installed on them.

    Args:
        processes: How many runs there are at the same time.
        threads: Of the updates of each.
    """

    def __init__(self, processes: int, threads: int) -> None:
        import ray

        if address := os.environ.get("RAY_ADDRESS"):
            ray.init(address, log_to_driver=False)
        else:
            cores = processes * threads
            ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False)
        # A process for each: torch and Numba read their surroundings at their import.
        as_task: Any = ray.remote(num_cpus=threads, max_calls=1, max_retries=0)
        self._task = as_task(_work)
        self._threads = threads
        self._working: dict[Any, Path] = {}

    def begin(self, run: Path) -> None:
        """Let a run begin, or go on."""
        self._working[self._task.remote(run.resolve(), self._threads)] = run

    def ended(self) -> list[tuple[Path, str | None]]:
        """Wait for some runs to end; each with what went wrong, or None."""
        import ray

        done, _ = ray.wait(list(self._working))
        return [
            (run, _how_it_ended(task, run)) for task in done for run in [self._working.pop(task)]
        ]

    def close(self) -> None:
        """End the runs that have not, and part from Ray."""
        import ray

        for task in self._working:
            ray.cancel(task, force=True)
        ray.shutdown()


def _how_it_ended(task: Any, run: Path) -> str | None:
    import ray

    try:
        ray.get(task)
    except ray.exceptions.RayTaskError:
        return last_words(run)
    except ray.exceptions.RayError as error:
        return f"lost its worker: {str(error).splitlines()[0]}"
    return None


def _work(run: Path, threads: int) -> None:
    try:
        train_logged(run, threads)
    except BaseException:
        traceback.print_exc()  # to the run's log; Ray has streams of its own
        raise
