"""The command ``metaenvs bench``."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from agents.bench.bandit import bandit
from agents.bench.cuda_batch import cuda_batch
from agents.bench.environments import cost_growth, krazy_world_batch, krazy_world_single
from agents.bench.locomotion import (
    ant_batch,
    half_cheetah_batch,
    locomotion_memory,
    locomotion_single,
)
from agents.bench.locomotion_cuda import locomotion_cuda
from agents.bench.machine import machine_facts
from agents.bench.maml import maml_iterations
from agents.bench.maml_cuda import maml_cuda
from agents.bench.overhead import training_overhead
from agents.bench.report import print_rows, write_report
from agents.bench.rows import Row
from agents.bench.timing import Effort
from agents.bench.training import rl2_training

__all__ = ["MEASUREMENTS", "Measurement", "run_bench"]


@dataclass(frozen=True)
class Measurement:
    """One table of the bench."""

    title: str
    measure: Callable[[Effort], list[Row]]


MEASUREMENTS = {
    "krazy-world-batch": Measurement(
        "Random actions in 1,024 worlds, a new one at every trial, beside XLand-MiniGrid (its "
        "default ruleset)",
        krazy_world_batch,
    ),
    "krazy-world-single": Measurement(
        "Random actions in one world, resets included, beside MiniGrid", krazy_world_single
    ),
    "cost-growth": Measurement("Cost of one row's step in larger batches", cost_growth),
    "cuda-batch": Measurement(
        "Krazy World on a GPU: random actions, a new world at every trial; training of RL²; "
        "where the time goes",
        cuda_batch,
    ),
    "rl2-training": Measurement(
        "Training on Krazy World, rollouts and updates, beside RecurrentPPO", rl2_training
    ),
    "training-overhead": Measurement(
        "What a run costs beside rollouts and updates, in default settings", training_overhead
    ),
    "half-cheetah-batch": Measurement(
        "Random actions, a model for each row, beside open-loop physics and EnvPool",
        half_cheetah_batch,
    ),
    "ant-batch": Measurement(
        "Random actions, a model for each row, beside open-loop physics and EnvPool", ant_batch
    ),
    "locomotion-single": Measurement(
        "Random actions in one robot, resets included, beside Gymnasium's own", locomotion_single
    ),
    "locomotion-cuda": Measurement(
        "Random actions, a model for each row, on a GPU beside the CPU", locomotion_cuda
    ),
    "locomotion-memory": Measurement("1,024 different models", locomotion_memory),
    "maml": Measurement(
        "MAML on PointCorners: 20 tasks, 20 rollouts of 100 steps before and after one inner step",
        maml_iterations,
    ),
    "maml-cuda": Measurement("The same on a GPU with more tasks", maml_cuda),
    "bandit": Measurement("Learning on the exploration bandit", bandit),
}
"""Name, as ``--only`` takes it, to the measurement."""


def run_bench(
    out: Path,
    only: list[str] | None = None,
    *,
    effort: Effort | None = None,
    console: Console | None = None,
) -> list[Row]:
    """Measure, show the tables, and write ``bench.csv`` and ``bench.md``.

    Args:
        out: Folder of the two files, which are written anew after each measurement.
        only: Names of some of :data:`MEASUREMENTS`; all if None.
        effort: How long to measure; the default takes some minutes.
        console: Where the tables are shown.

    Returns:
        All rows.

    Raises:
        ValueError: A name that is not known, or none at all.
        OSError: The folder may not be written.
    """
    names = list(MEASUREMENTS) if only is None else list(dict.fromkeys(only))
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown or not names:
        raise ValueError(f"--only takes some of {list(MEASUREMENTS)}, got {unknown or names}.")
    try:  # Before minutes of measuring are for nothing.
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise OSError(f"The tables cannot be written: {error}. Choose another --out.") from error
    console = console or Console()
    command = ["metaenvs", "bench", "--out", str(out)]
    if only is not None:
        command += ["--only", *names]
    facts = machine_facts(shlex.join(command))
    for name, fact in facts.items():
        console.print(f"{name}: {fact}", highlight=False, markup=False)
    titles = {name: MEASUREMENTS[name].title for name in names}
    rows: list[Row] = []
    for name in names:
        console.print(f"\nMeasuring {name}...", highlight=False)
        begun = time.perf_counter()
        measured = MEASUREMENTS[name].measure(effort or Effort())
        rows += measured
        write_report(out, facts, titles, rows)
        print_rows(f"{name}: {titles[name]}", measured, console)
        console.print(f"({time.perf_counter() - begun:.0f} s)", highlight=False)
    console.print(f"Written to {out / 'bench.csv'} and {out / 'bench.md'}", highlight=False)
    return rows
