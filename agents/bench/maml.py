"""Measurement of MAML: sampling, outer steps, and whole iterations beside their arithmetic."""

from __future__ import annotations

import dataclasses
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agents import maml
from agents.allocator import keep_freed_memory
from agents.bench.rows import Row, measured_row
from agents.bench.timing import Effort
from agents.maml_inner import sample
from agents.maml_outer import update
from agents.task_rollouts import collect_episodes

__all__ = ["Parts", "arithmetic_of", "maml_iterations", "parts_of_iterations"]

CONFIG = maml.MAMLConfig(
    env_id="metaenvs/PointCorners-v0",
    num_tasks=20,
    rollouts_per_task=20,
    inner_steps=1,
    hidden_sizes=(100, 100),
    outer="gradient",
)
PRODUCT_SIZE = 2048
FORWARD_PASSES = 12
"""What an iteration with one outer gradient step needs, in passes through the network: one to act
before and one after adaptation, two for the inner gradient and two for the outer one, six for the
product of the inner step's derivatives with the outer gradient."""
PEER = "pytorch-maml-rl"
PEER_SAMPLING, PEER_TRPO, PEER_PRODUCTS = 2.21, 4.67, 135e9
"""Its seconds of sampling on one core and of the outer step on two, and operations a second of the
matrix product on two, as measured on another machine of this kind; it is not run here."""
UNCOUNTED = 3
"""Iterations until memory that was freed serves again."""

Parts = dict[str, list[float]]
"""Name of a part of an iteration to its seconds."""


def maml_iterations(effort: Effort) -> list[Row]:
    """Seconds of each part at 20 tasks, 20 rollouts and 100 steps, and the ratio to the floor."""
    name = "maml"
    keep_freed_memory()  # as the command `train` does
    threads = torch.get_num_threads()
    with_trpo = dataclasses.replace(CONFIG, outer="trpo")
    taken: list[Parts] = []
    speeds: list[float] = []
    # The product in between: a machine that others share is not always as fast.
    for config, iterations, own_threads in (
        (CONFIG, effort.repeats, 1),
        (CONFIG, effort.repeats, threads),
        (with_trpo, effort.iterations, threads),
    ):
        taken.append(parts_of_iterations(config, iterations, own_threads))
        speeds += [_product_rate(threads) for _ in range(effort.repeats)]
    alone, parts, trpo = *taken[:2], taken[2]["outer step"]
    rates = np.array(speeds)
    torch.set_num_threads(threads)
    rate = float(np.median(rates))
    sampling, whole = np.array(alone["sampling, with adaptation"]), np.array(parts["iteration"])
    size = f"{CONFIG.num_tasks} tasks, {CONFIG.rollouts_per_task} rollouts, {threads} threads"
    rows = [
        measured_row(name, "acting once", "s", alone["acting once"], "one thread"),
        measured_row(name, "sampling, with adaptation", "s", sampling, "one thread"),
        *(
            measured_row(name, part, "s", parts[part], size)
            for part in ("sampling, with adaptation", "outer step", "iteration")
        ),
        measured_row(name, "outer step by TRPO", "s", trpo, size),
        measured_row(
            name, "matrix product", "GFLOP/s", rates / 1e9,
            f"of float32 matrices of {PRODUCT_SIZE} rows and columns, {threads} threads",
        ),
        measured_row(
            name, "iteration over its arithmetic floor", "times",
            whole / (arithmetic_of(CONFIG) / rate),
        ),
    ]  # fmt: skip
    for what, peer, own in (
        ("sampling", PEER_SAMPLING, sampling),
        ("outer step by TRPO", PEER_TRPO, np.array(trpo)),
    ):
        note = f"its {peer} s, measured elsewhere"
        rows.append(measured_row(name, f"{what}, faster than {PEER}", "times", peer / own, note))
        scaled = peer / own * (PEER_PRODUCTS / rate)
        note = f"its seconds scaled from {PEER_PRODUCTS / 1e9:g} GFLOP/s to those here"
        rows.append(measured_row(name, f"{what}, faster than {PEER}", "times", scaled, note))
    return rows


def arithmetic_of(config: maml.MAMLConfig, num_steps: int = 100) -> float:
    """Floating-point operations of an iteration's matrix products, with one inner step."""
    policy = maml.new_policy(config)
    multiplications: int = sum(
        value.numel() for name, value in policy.initial.items() if name.startswith("weight")
    )
    samples = config.num_tasks * config.rollouts_per_task * num_steps
    return 2.0 * FORWARD_PASSES * samples * multiplications


def parts_of_iterations(
    config: maml.MAMLConfig,
    iterations: int,
    threads: int,
    settle: Callable[[], None] = lambda: None,
) -> Parts:
    """Iterations that do not count and some that do.

    Args:
        config: Of the training.
        iterations: That count.
        threads: Of the environment and of inner and outer steps.
        settle: Waits for the device.
    """
    numba: Any = importlib.import_module("numba")
    threads_of_machine = numba.config.NUMBA_NUM_THREADS
    numba.config.NUMBA_NUM_THREADS = min(threads, threads_of_machine)  # the environment's
    state = maml.start(config)
    numba.config.NUMBA_NUM_THREADS = threads_of_machine
    policy, env, generator = state.module, state.env, state.generators["action"]
    family: Any = env.unwrapped
    torch.set_num_threads(1)  # of one operation, as the command `train` has it
    shape = (config.num_tasks, config.rollouts_per_task)
    parts: Parts = {
        name: [] for name in ("acting once", "sampling, with adaptation", "outer step", "iteration")
    }
    for number in range(-UNCOUNTED, iterations):
        times: list[float] = []

        def look(times: list[float] = times) -> None:
            settle()
            times.append(time.perf_counter())

        look()
        collect_episodes(
            env, policy, policy.for_tasks(config.num_tasks),
            lambda: policy.distribution.noise(shape, generator), threads=threads,
        )  # fmt: skip
        look()
        tasks = family.sample_tasks(config.num_tasks)
        batch, paths = sample(env, policy, tasks, generator, threads)
        look()
        update(policy, state.optimiser, batch, paths, threads)
        look()
        if number >= 0:
            acted, sampled, updated = np.diff(times).tolist()
            for name, seconds in zip(
                parts, (acted, sampled, updated, sampled + updated), strict=True
            ):
                parts[name].append(seconds)
    env.close()
    return parts


def _product_rate(threads: int) -> float:
    torch.set_num_threads(threads)
    matrix = torch.ones(PRODUCT_SIZE, PRODUCT_SIZE)
    begun = time.perf_counter()
    torch.mm(matrix, matrix)
    return 2.0 * PRODUCT_SIZE**3 / (time.perf_counter() - begun)
