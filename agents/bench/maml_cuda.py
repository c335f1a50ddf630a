"""Iterations of MAML on a GPU with more and more tasks: how long, and where the time goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from agents import maml
from agents.bench.maml import CONFIG, arithmetic_of, parts_of_iterations
from agents.bench.rows import Row, measured_row, skipped_row
from agents.bench.timing import Effort
from agents.maml_inner import sample
from agents.maml_outer import update
from metaenvs.cuda.arrays import TorchArrays, device_arrays

__all__ = ["iterations_on", "maml_cuda"]

NUMBERS_OF_TASKS = (40, 400, 4_000)
LONGEST = 6
"""Operations told of, those that take longest."""


def maml_cuda(effort: Effort) -> list[Row]:
    """The iteration of the measurement ``maml`` with 40, 400 and 4,000 tasks."""
    what = "iterations on a GPU"
    try:
        arrays = device_arrays()
    except (ImportError, ValueError) as error:
        return [skipped_row("maml-cuda", what, f"skipped: {error}")]
    if not isinstance(arrays, TorchArrays):
        return [skipped_row("maml-cuda", what, "skipped: a simulator tells no times")]
    return iterations_on("cuda", effort, torch.cuda.synchronize)


def iterations_on(device: str, effort: Effort, settle: Callable[[], None]) -> list[Row]:
    """The rows, of any device; ``settle`` waits for it."""
    name, rows = "maml-cuda", []
    for num_tasks in NUMBERS_OF_TASKS:
        config = dataclasses.replace(CONFIG, num_tasks=num_tasks, device=device)
        parts = parts_of_iterations(config, effort.repeats, 1, settle)
        for part, seconds in parts.items():
            rows.append(measured_row(name, f"{num_tasks:,} tasks, {part}", "s", seconds))
        rates = [arithmetic_of(config) / seconds / 1e9 for seconds in parts["iteration"]]
        note = "needed by the iteration's matrix products, over its time"
        rows.append(measured_row(name, f"{num_tasks:,} tasks, rate", "GFLOP/s", rates, note))
        for operation, share in _longest_operations(config, settle):
            note = f"{operation}, of the device's time in an iteration"
            rows.append(measured_row(name, f"{num_tasks:,} tasks, operation", "%", [share], note))
    return rows


def _longest_operations(
    config: maml.MAMLConfig, settle: Callable[[], None]
) -> list[tuple[str, float]]:
    """Names and shares of the operations that take most of an iteration, in percent."""
    state = maml.start(config)
    family: Any = state.env.unwrapped

    def iterate() -> None:
        tasks = family.sample_tasks(config.num_tasks)
        batch, paths = sample(state.env, state.module, tasks, state.generators["action"])
        update(state.module, state.optimiser, batch, paths)
        settle()

    iterate()
    on_gpu = config.device != "cpu"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        iterate()
    state.env.close()
    attribute = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    times = {event.key: getattr(event, attribute) for event in profiled.key_averages()}
    whole = sum(times.values())
    longest = sorted(times, key=lambda key: -times[key])[:LONGEST]
    return [(key, 100 * times[key] / whole) for key in longest]
