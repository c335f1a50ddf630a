"""RL² trained on a GPU: its rollouts captured in a CUDA graph or not, and where the time goes."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from agents import rl2
from agents.bench.rows import Row, measured_row
from agents.bench.timing import Contender, Effort, interleave
from agents.bench.training import rl2_iterations
from agents.graph_steps import kernel_by_kernel

__all__ = [
    "CONFIG", "KernelTimes", "iteration_times", "kernel_rows", "kernel_times", "rl2_on_gpu",
]  # fmt: skip

CONFIG = rl2.RL2Config(env_id="metaenvs/KrazyWorld-v0", num_envs=4_096, device="cuda")
CAPTURED, LAUNCHED = "RL², rollouts captured in a CUDA graph", "RL², kernels launched one by one"
Launching = Callable[[], contextlib.AbstractContextManager[None]]
LAUNCHING: dict[str, Launching] = {
    CAPTURED: contextlib.nullcontext,
    LAUNCHED: kernel_by_kernel,
}
SHOWN_KERNELS = 12
LONGEST_NAME = 60


@dataclasses.dataclass(frozen=True)
class KernelTimes:
    """What a profiler saw of some work."""

    seconds: Mapping[str, float]
    """Name of a kernel to the time that it took on the device in all, longest first."""
    calls: Mapping[str, int]
    taken: float
    """Seconds until the work was done."""


def rl2_on_gpu(name: str, effort: Effort) -> list[Row]:
    """Env steps per second of training, and profiles of one iteration.

    Args:
        name: The measurement that the rows belong to.
        effort: How long to measure.
    """
    rates = interleave(
        [
            Contender(label, partial(_turn, launching, effort.iterations))
            for label, launching in LAUNCHING.items()
        ],
        effort.repeats,
    )
    note = f"{CONFIG.num_envs:,} whole trials an iteration, updates included"
    rows = [measured_row(name, label, "env steps/s", rates[label], note) for label in LAUNCHING]
    ratio = rates[CAPTURED] / rates[LAUNCHED]
    rows.append(measured_row(name, f"{CAPTURED}: ratio to the other", "times", ratio))
    for label, launching in LAUNCHING.items():
        with launching():
            times = iteration_times(CONFIG)
        rows += kernel_rows(name, f"iteration of {label}", times)
    return rows


def _turn(launching: Launching, iterations: int) -> tuple[float, float]:
    with launching():
        return rl2_iterations(CONFIG, iterations)


def kernel_rows(name: str, what: str, times: KernelTimes) -> list[Row]:
    """How much of the time the GPU was busy, and the kernels that took most of that."""
    busy = sum(times.seconds.values())
    note = f"of {times.taken:.3g} s"
    rows = [measured_row(name, f"{what}: GPU busy", "%", [100 * busy / times.taken], note)]
    for kernel, seconds in list(times.seconds.items())[:SHOWN_KERNELS]:
        label = f"{what}: {kernel[:LONGEST_NAME]}"
        share = 100 * seconds / busy
        calls = f"of the GPU's time; {times.calls[kernel]:,} calls"
        rows.append(measured_row(name, label, "%", [share], calls))
    return rows


def kernel_times(work: Callable[[], Any]) -> KernelTimes:
    """Profile work, on a GPU or, where there is none, operations on the CPU."""
    watch = _Watch()
    watch.start()
    work()
    watch.stop()
    return watch.times()


def iteration_times(config: rl2.RL2Config) -> KernelTimes:
    """Profile the third iteration of training: all is compiled and captured by then."""
    watch = _Watch()
    iterations = 0

    def report(metrics: dict[str, float]) -> None:
        nonlocal iterations
        iterations += 1
        if iterations == 2:
            watch.start()
        if iterations == 3:
            watch.stop()
            raise _Enough

    torch.set_num_threads(1)  # of one operation, as the command `train` has it
    with contextlib.suppress(_Enough):
        rl2.train(dataclasses.replace(config, total_env_steps=10**12), report)
    return watch.times()


class _Enough(Exception):
    """Ends a training run after the iteration that is profiled."""


class _Watch:
    """A profiler of kernels, and a clock that waits for them."""

    def __init__(self) -> None:
        self._on_gpu = torch.cuda.is_available()
        activity = ProfilerActivity.CUDA if self._on_gpu else ProfilerActivity.CPU
        self._profiler = profile(activities=[activity])

    def start(self) -> None:
        """Watch from here on."""
        self._wait()
        self._profiler.start()
        self._begun = time.perf_counter()

    def stop(self) -> None:
        """Watch no longer."""
        self._wait()
        self._taken = time.perf_counter() - self._begun
        self._profiler.stop()

    def times(self) -> KernelTimes:
        """What was seen."""
        seen = []
        for event in self._profiler.key_averages():
            if not self._on_gpu:
                seen.append((event.self_cpu_time_total, event.key, event.count))
            elif event.device_type.name == "CUDA":
                seen.append((event.self_device_time_total, event.key, event.count))
        seen.sort(reverse=True)
        return KernelTimes(
            {key: microseconds / 1e6 for microseconds, key, _ in seen},
            {key: count for _, key, count in seen},
            self._taken,
        )

    def _wait(self) -> None:
        if self._on_gpu:
            torch.cuda.synchronize()
