"""Steps per second of batches on a GPU, beside what its memory can move, and of training there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from agents.bench.cuda_training import kernel_rows, kernel_times, rl2_on_gpu
from agents.bench.rows import Row, measured_row, skipped_row
from agents.bench.timing import Contender, Effort, interleave, sustained
from metaenvs.cuda.arrays import TorchArrays, device_arrays
from metaenvs.cuda.batch import CudaBatch
from metaenvs.kernels.trial import ROW_DTYPE
from metaenvs.spaces import shape_of

__all__ = ["cuda_batch", "row_bytes"]

KRAZY_WORLD = "metaenvs/KrazyWorld-v0"
BATCH_SIZES = (1_024, 16_384, 262_144)
NUM_STEPS = 64
"""Steps between two looks at the clock, which wait for the GPU."""
COPIED_BYTES = 2**30


def cuda_batch(effort: Effort) -> list[Row]:
    """Krazy World in batches of three sizes, the share of the copy bandwidth that this is, and RL².

    With profiles that say which kernels the time goes to.
    """
    name = "cuda-batch"
    try:
        arrays = device_arrays()
    except (ImportError, ValueError) as error:
        return [skipped_row(name, "Krazy World on a GPU", f"skipped: {error}")]
    if not isinstance(arrays, TorchArrays):
        return [skipped_row(name, "Krazy World on a GPU", "skipped: a simulator tells no times")]
    labels = {size: f"Krazy World, {size:,} rows" for size in BATCH_SIZES}
    envs: dict[int, Any] = {
        size: gym.make_vec(
            KRAZY_WORLD,
            num_envs=size,
            device="cuda",
            autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
        )
        for size in BATCH_SIZES
    }
    contenders = [
        Contender(label, sustained(_step_block(envs[size]), effort.seconds))
        for size, label in labels.items()
    ]
    contenders.append(Contender("copy", sustained(_copy_block(), effort.seconds)))
    rates = interleave(contenders, effort.repeats)
    device = torch.cuda.get_device_name()
    rows = [measured_row(name, "device memory, copied", "GB/s", rates["copy"] / 1e9, device)]
    for size, label in labels.items():
        rows.append(measured_row(name, label, "env steps/s", rates[label], "step()"))
        moved = row_bytes(envs[size].unwrapped._batch)
        share = 100 * rates[label] * moved / rates["copy"]
        note = f"{moved} bytes a row: its records read, one written, the action, the results"
        rows.append(measured_row(name, f"{label}, share of that", "%", share, note))
    for size in (min(BATCH_SIZES), max(BATCH_SIZES)):
        times = kernel_times(_step_block(envs[size]))
        rows += kernel_rows(name, f"{NUM_STEPS} steps of {size:,} rows", times)
    return rows + rl2_on_gpu(name, effort)


def row_bytes(batch: CudaBatch) -> int:
    """Bytes that the step of one row moves at least; new tasks come on top, now and then."""
    family, num_rows = batch.family, batch.num_rows
    actions = batch.arrays.zeros((num_rows, *shape_of(family.action_space)), np.int64)
    results = vars(batch.step(actions)).values()
    records = 2 * ROW_DTYPE.itemsize + family.state_dtype.itemsize
    moved: int = actions.nbytes + sum(result.nbytes for result in results)
    return records + moved // num_rows


def _step_block(env: Any) -> Callable[[], int]:
    """Random steps as a learner takes them, the actions drawn before."""
    size = (NUM_STEPS, env.num_envs)
    generator = torch.Generator("cuda").manual_seed(0)
    actions = torch.randint(
        int(env.single_action_space.n), size, generator=generator, device="cuda"
    )
    env.reset(seed=0)

    def block() -> int:
        for row_actions in actions:
            env.step(row_actions)
        torch.cuda.synchronize()
        return actions.numel()

    return block


def _copy_block() -> Callable[[], int]:
    """Copies inside the GPU's memory; every byte is read and written."""
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)

    def block() -> int:
        target.copy_(source)
        torch.cuda.synchronize()
        return 2 * COPIED_BYTES

    return block
