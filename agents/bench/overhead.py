"""Measurement of what a run costs beside the training itself: metrics, checkpoints, evaluation."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from agents.allocator import keep_freed_memory
from agents.bench.rows import Row, measured_row
from agents.bench.timing import Effort
from agents.checkpoints import write_checkpoint
from agents.evaluation.protocol import evaluate, evaluation_tasks
from agents.registry import AgentEntry, find_agent
from agents.runs import RunOptions, create_run
from agents.training_run import reporting

__all__ = ["training_overhead"]

RUNS = (
    ("rl2", "metaenvs/KrazyWorld-v0", "test"),
    ("rl2", "metaenvs/ExplorationBandit-v0", "all"),
    ("maml", "metaenvs/ExplorationBandit-v0", "all"),
)
"""Agents on families, in their default settings, and the split that evaluates them; an iteration on
the bandit is the shortest that there is."""
NUM_TASKS, ROLLOUTS = 64, 4
"""Of an evaluation: the defaults of ``metaenvs evaluate``."""


class _Enough(Exception):
    """Ends a training after so many iterations."""


@dataclass
class _Seconds:
    """Of each iteration that counts."""

    whole: list[float] = field(default_factory=list)
    """With metrics, checkpoint aside."""
    training: list[float] = field(default_factory=list)
    """Rollout and update."""
    checkpoints: list[float] = field(default_factory=list)
    env_steps: float = 0.0
    """Taken by these iterations together."""


def training_overhead(effort: Effort) -> list[Row]:
    """Shares of a run's time that are not rollouts or updates."""
    keep_freed_memory()  # as the command `train` does
    torch.set_num_threads(1)
    every = RunOptions().checkpoint_every
    rows: list[Row] = []

    def tell(
        what: str, unit: str, samples: list[float] | npt.NDArray[np.float64], note: str = ""
    ) -> None:
        rows.append(measured_row("training-overhead", what, unit, samples, note))

    for name, env_id, split in RUNS:
        entry = find_agent(name)
        config = entry.configure({"env_id": env_id})
        seconds, module = _run(entry, config, effort.repeats * effort.iterations)
        evaluating = [_evaluate(entry, config, module, split) for _ in range(effort.repeats)]
        training, whole = np.array(seconds.training), np.array(seconds.whole)
        whole_run = config.total_env_steps / seconds.env_steps * whole.sum()
        shares = {
            "metrics and progress": float((whole - training).sum() / whole.sum()),
            f"checkpoints, one in {every:.0f} s": float(np.median(seconds.checkpoints)) / every,
            "evaluation": float(np.median(evaluating)) / whole_run,
        }
        where = f"{name} on {env_id.split('/')[-1]}"
        tell(f"{where}: an iteration", "s", training, "rollout and update")
        tell(f"{where}: its metrics and progress", "ms", 1e3 * (whole - training))
        tell(f"{where}: a checkpoint", "ms", 1e3 * np.array(seconds.checkpoints))
        tell(
            f"{where}: an evaluation", "s", evaluating,
            f"{NUM_TASKS} tasks, {ROLLOUTS} rollouts, {config.episodes_per_trial} episodes",
        )  # fmt: skip
        for part, share in shares.items():
            tell(f"{where}: {part}", "%", [100 * share])
        tell(
            f"{where}: together", "%", [100 * sum(shares.values())],
            f"of a run of {config.total_env_steps:,} env steps, {whole_run:.0f} s at this rate",
        )  # fmt: skip
    return rows


def _run(entry: AgentEntry, config: Any, iterations: int) -> tuple[_Seconds, torch.nn.Module]:
    """Train in a run's folder, with a checkpoint after each iteration; the first does not count."""
    seconds = _Seconds()
    endless = dataclasses.replace(config, total_env_steps=10**12)
    state = entry.start(endless)
    fields = dataclasses.asdict(endless)
    last: dict[str, float] = {}
    begun = first_steps = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        create_run(folder, entry.name, endless, RunOptions())

        def keep(state: Any) -> None:
            nonlocal begun, first_steps
            reached = time.perf_counter()
            write_checkpoint(folder, state, entry.name, fields)
            if state.iteration == 1:
                first_steps = state.env_steps
            else:
                seconds.whole.append(reached - begun)
                seconds.training.append(last["time/rollout"] + last["time/update"])
                seconds.checkpoints.append(time.perf_counter() - reached)
                seconds.env_steps = state.env_steps - first_steps
            if state.iteration > iterations:
                raise _Enough
            begun = time.perf_counter()

        with reporting(folder, 0, entry.name, config.total_env_steps) as show:

            def report(metrics: dict[str, float]) -> None:
                last.update(metrics)
                show(metrics)

            try:
                entry.train(endless, report, 1, state, keep)
            except _Enough:
                return seconds, state.module
    raise AssertionError("A training without end has ended.")


def _evaluate(entry: AgentEntry, config: Any, module: torch.nn.Module, split: str) -> float:
    """Seconds that an evaluation of the agent takes."""
    tasks = evaluation_tasks(config.env_id, split=split, num_tasks=NUM_TASKS, seed=0)
    begun = time.perf_counter()
    evaluate(
        entry.adaptive(module, entry.name), config.env_id, tasks, split=split,
        rollouts=ROLLOUTS, episodes=config.episodes_per_trial, seed=0,
    )  # fmt: skip
    return time.perf_counter() - begun
