"""Measurement of MAML: sampling, outer steps, and whole iterations beside their arithmetic."""

from __future__ import annotations

import dataclasses
import importlib
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from agents import maml
from agents.allocator import keep_freed_memory
from agents.bench.rows import Row, measured_row
from agents.bench.timing import Effort
from agents.maml_inner import sample
from agents.maml_outer import update
from agents.task_rollouts import collect_episodes

__all__ = ["Parts", "arithmetic_of", "iterations", "maml_iterations", "parts_of_iterations"]

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
"""Iterations, or rounds of them, until memory that was freed serves again."""

PARTS = ("acting once", "sampling, with adaptation", "outer step", "iteration")

Parts = dict[str, list[float]]
"""Name of a part of an iteration to its seconds."""


def maml_iterations(effort: Effort) -> list[Row]:
    """Seconds of each part at 20 tasks, 20 rollouts and 100 steps, and the ratio to the floor.

    The matrix product has a turn beside each of the others: a machine that is shared is not always
    as fast, and ratios are taken round by round.
    """
    name = "maml"
    keep_freed_memory()  # as the command `train` does
    threads = torch.get_num_threads()
    turns = (
        (CONFIG, 1, effort.iterations),
        (CONFIG, threads, effort.iterations),
        (dataclasses.replace(CONFIG, outer="trpo"), threads, 1),
    )
    rounds, rates = [], []
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        learners = [stack.enter_context(closing(iterations(*turn[:2]))) for turn in turns]
        for number in range(-UNCOUNTED, effort.repeats):
            taken, speeds = [], []
            for learner, (*_, how_many) in zip(learners, turns, strict=True):
                seconds = [next(learner) for _ in range(how_many)]
                taken.append({part: np.mean([each[part] for each in seconds]) for part in PARTS})
                speeds.append(_product_rate(threads))
            if number >= 0:
                rounds.append(taken)
                rates.append(np.mean(speeds))
    rate = np.array(rates)

    def seconds_of(turn: int, part: str) -> npt.NDArray[np.float64]:
        return np.array([each[turn][part] for each in rounds])

    size = f"{CONFIG.num_tasks} tasks, {CONFIG.rollouts_per_task} rollouts, {threads} threads"
    sampling, outer_step = seconds_of(0, "sampling, with adaptation"), seconds_of(2, "outer step")
    rows = [
        *(measured_row(name, part, "s", seconds_of(0, part), "one thread") for part in PARTS[:2]),
        *(measured_row(name, part, "s", seconds_of(1, part), size) for part in PARTS[1:]),
        measured_row(name, "outer step by TRPO", "s", outer_step, size),
        measured_row(
            name, "matrix product", "GFLOP/s", rate / 1e9,
            f"of float32 matrices of {PRODUCT_SIZE} rows and columns, {threads} threads",
        ),
        measured_row(
            name, "iteration over its arithmetic floor", "times",
            seconds_of(1, "iteration") / (arithmetic_of(CONFIG) / rate),
        ),
    ]  # fmt: skip
    for what, peer, own in (
        ("sampling", PEER_SAMPLING, sampling),
        ("outer step by TRPO", PEER_TRPO, outer_step),
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
    config: maml.MAMLConfig, number: int, threads: int, settle: Callable[[], None]
) -> Parts:
    """Seconds of so many iterations that count; as :func:`iterations`."""
    with closing(iterations(config, threads, settle)) as running:
        taken = [next(running) for _ in range(UNCOUNTED + number)][UNCOUNTED:]
    return {part: [seconds[part] for seconds in taken] for part in PARTS}


def iterations(
    config: maml.MAMLConfig, threads: int, settle: Callable[[], None] = lambda: None
) -> Generator[dict[str, float], None, None]:
    """Seconds of the parts of one iteration after another.

    Args:
        config: Of the training.
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
    shape = (config.num_tasks, config.rollouts_per_task)

    def look() -> float:
        settle()
        return time.perf_counter()

    try:
        while True:
            torch.set_num_threads(1)  # of one operation, as the command `train` has it
            begun = look()
            collect_episodes(
                env, policy, policy.for_tasks(config.num_tasks),
                lambda: policy.distribution.noise(shape, generator), threads=threads,
            )  # fmt: skip
            acted = look()
            tasks = family.sample_tasks(config.num_tasks)
            batch, paths = sample(env, policy, tasks, generator, threads)
            sampled = look()
            update(policy, state.optimiser, batch, paths, threads)
            ended = look()
            del batch, paths  # Their memory serves whoever has the next turn.
            times = (acted - begun, sampled - acted, ended - sampled, ended - acted)
            yield dict(zip(PARTS, times, strict=True))
    finally:
        env.close()


def _product_rate(threads: int) -> float:
    torch.set_num_threads(threads)
    matrix = torch.ones(PRODUCT_SIZE, PRODUCT_SIZE)
    begun = time.perf_counter()
    torch.mm(matrix, matrix)
    return 2.0 * PRODUCT_SIZE**3 / (time.perf_counter() - begun)
