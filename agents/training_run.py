"""Training what a run's folder says, from its start or from where it was cut off."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from agents import ranks
from agents.allocator import keep_freed_memory
from agents.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint
from agents.graph_steps import kernel_by_kernel
from agents.metrics_file import METRICS, MetricsFile
from agents.progress import show_progress
from agents.registry import find_agent
from agents.runs import (
    CONFIG,
    PARAMETERS,
    is_finished,
    read_config,
    read_options,
    save_parameters,
)
from agents.training_state import TrainingState
from agents.whole_file import remove_partial

__all__ = ["reporting", "train_run"]

LOGGER = logging.getLogger("metaenvs.training")


def train_run(folder: Path) -> None:
    """Train a run to its end, from its checkpoint if it has one; nothing to do if it is finished.

    Where ranks train it together (:mod:`agents.ranks`), each calls this, and the folder is the
    first one's affair; how many they are may differ from one part of the run to the next.

    On a CPU the parameters are, bit for bit, those of a run that was never cut off, and so are
    the metrics but for the columns of time. The process is told to divide no single operation
    among threads (``torch.set_num_threads``).

    Raises:
        BlockingIOError: Another process trains this run.
        ConnectionError: Another rank has ended.
        FloatingPointError, ValueError: As the agent's ``train``; the last checkpoint stays.
        OSError: The folder is full or may not be written; the last checkpoint stays.
        ValueError: The folder holds no run, or its checkpoint or metrics are not this run's.
    """
    agent, fields = ranks.of_first(lambda: read_config(folder))
    options = ranks.of_first(lambda: read_options(folder))
    first = ranks.number() == 0
    entry = find_agent(agent)
    config = entry.read(fields)
    keep_freed_memory()
    torch.set_num_threads(1)  # of one operation: those here are too small to be divided
    with _alone(folder) if first else nullcontext():
        if ranks.of_first(lambda: is_finished(folder)):
            return
        if first:
            for name in (CONFIG, CHECKPOINT, METRICS, PARAMETERS):
                remove_partial(folder / name)
        state = entry.start(config)
        if ranks.of_first((folder / CHECKPOINT).exists):
            read_checkpoint(folder, state, agent, fields)
        keepable = hasattr(state.env.unwrapped, "get_state")
        if first and not keepable:
            LOGGER.warning(
                "%s has no get_state and set_state: no checkpoints are written, and a run that "
                "is cut off begins anew.",
                fields["env_id"],
            )
        kept_at = time.monotonic()

        def keep(state: TrainingState[Any]) -> None:
            nonlocal kept_at
            if keepable and ranks.of_first(
                lambda: time.monotonic() - kept_at >= options.checkpoint_every
            ):
                write_checkpoint(folder, state, agent, fields)
                kept_at = time.monotonic()

        title = f"{agent} on {fields['env_id'].split('/')[-1]}"
        ours = reporting(folder, state.iteration, title, config.total_env_steps) if first else None
        launching = nullcontext() if options.cuda_graph else kernel_by_kernel()
        with launching, ours or nullcontext(lambda metrics: None) as report:
            module = entry.train(config, report, options.threads, state, keep)
        if first:
            save_parameters(folder, module)
            (folder / CHECKPOINT).unlink(missing_ok=True)


@contextmanager
def reporting(
    folder: Path, iteration: int, title: str, total_env_steps: int
) -> Iterator[Callable[[dict[str, float]], None]]:
    """What takes the metrics of an iteration, to the run's file and to the terminal."""
    metrics_file = MetricsFile(folder, iteration)
    try:
        with show_progress(title, total_env_steps) as progress:

            def report(metrics: dict[str, float]) -> None:
                metrics_file.write(metrics)
                progress(metrics)

            yield report
    finally:
        metrics_file.close()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from training the same run; the system frees it when this one ends."""
    with open(folder / CONFIG) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"{folder} is being trained by another process.") from error
        yield
