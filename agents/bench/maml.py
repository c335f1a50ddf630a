"""Measurement of MAML: sampling, outer steps, and whole iterations beside their arithmetic."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Literal

import numpy as np
import torch

from agents import maml
from agents.allocator import keep_freed_memory
from agents.bench.rows import Row, measured_row
from agents.bench.timing import Effort
from agents.maml_inner import sample
from agents.maml_outer import update
from agents.task_rollouts import collect_episodes

__all__ = ["arithmetic_of", "maml_iterations"]

CONFIG = maml.MAMLConfig(
    env_id="metaenvs/PointCorners-v0",
    num_tasks=20,
    rollouts_per_task=20,
    inner_steps=1,
    hidden_sizes=(100, 100),
)
PRODUCT_SIZE = 2048
FORWARD_PASSES = 14
"""What an iteration with one outer gradient step needs, in passes through the network: one to act
before and one after adaptation, three for the inner gradient and three for the outer one, six for
the product of the inner step's derivatives with the outer gradient."""


def maml_iterations(effort: Effort) -> list[Row]:
    """Seconds of each part at 20 tasks, 20 rollouts and 100 steps, and the ratio to the floor."""
    name = "maml"
    keep_freed_memory()  # as the command `train` does
    threads = torch.get_num_threads()
    parts = _iterations("gradient", effort.iterations, threads)
    parts |= _iterations("trpo", effort.iterations, threads)
    rates = [_product_rate(threads) for _ in range(effort.repeats)]
    torch.set_num_threads(threads)
    rate = float(np.median(rates))
    floor = arithmetic_of(CONFIG) / rate
    size = f"{CONFIG.num_tasks} tasks, {CONFIG.rollouts_per_task} rollouts, {threads} threads"
    rows = [
        measured_row(name, part, "s", seconds, "one thread" if "sampling" in part else size)
        for part, seconds in parts.items()
    ]
    whole = np.array(parts["iteration, one outer gradient step"])
    product = f"of float32 matrices of {PRODUCT_SIZE} rows and columns"
    return [
        *rows,
        measured_row(name, "matrix product", "GFLOP/s", np.array(rates) / 1e9, product),
        measured_row(name, "iteration over its arithmetic floor", "times", whole / floor),
    ]


def arithmetic_of(config: maml.MAMLConfig, num_steps: int = 100) -> float:
    """Floating-point operations of an iteration's matrix products, with one inner step."""
    policy = maml.new_policy(config)
    multiplications: int = sum(
        value.numel() for name, value in policy.initial.items() if name.startswith("weight")
    )
    samples = config.num_tasks * config.rollouts_per_task * num_steps
    return 2.0 * FORWARD_PASSES * samples * multiplications


def _iterations(
    outer: Literal["gradient", "trpo"], iterations: int, threads: int
) -> dict[str, list[float]]:
    """One iteration that does not count and some that do; seconds of the parts."""
    config = dataclasses.replace(CONFIG, outer=outer)
    env = maml.make_env(config)
    family: Any = env.unwrapped
    policy = maml.new_policy(config, env)
    generator = torch.Generator().manual_seed(0)
    shape = (config.num_tasks, config.rollouts_per_task)

    def noise() -> torch.Tensor:
        return policy.distribution.noise(shape, generator)

    optimiser = torch.optim.Adam(policy.parameters(), lr=config.learning_rate)
    env.reset(seed=0)
    torch.set_num_threads(1)  # of one operation, as the command `train` has it
    acting: list[float] = []
    sampling: list[float] = []
    whole: list[float] = []
    updating: list[float] = []
    for _ in range(1 + iterations):
        times = [time.perf_counter()]
        collect_episodes(env, policy, policy.for_tasks(config.num_tasks), noise)
        times.append(time.perf_counter())
        sample(env, policy, family.sample_tasks(config.num_tasks), generator)
        times.append(time.perf_counter())
        tasks = family.sample_tasks(config.num_tasks)
        batch, paths = sample(env, policy, tasks, generator, threads)
        times.append(time.perf_counter())
        update(policy, optimiser, batch, paths, threads)
        times.append(time.perf_counter())
        acted, sampled, _, updated = np.diff(times).tolist()
        acting.append(acted)
        sampling.append(sampled)
        updating.append(updated)
        whole.append(times[4] - times[2])
    env.close()
    if outer == "trpo":
        return {"outer step by TRPO": updating[1:]}
    return {
        "sampling once": acting[1:],
        "sampling twice, with adaptation": sampling[1:],
        "outer gradient step": updating[1:],
        "iteration, one outer gradient step": whole[1:],
    }


def _product_rate(threads: int) -> float:
    torch.set_num_threads(threads)
    matrix = torch.ones(PRODUCT_SIZE, PRODUCT_SIZE)
    begun = time.perf_counter()
    torch.mm(matrix, matrix)
    return 2.0 * PRODUCT_SIZE**3 / (time.perf_counter() - begun)
