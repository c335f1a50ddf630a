"""Steps per second of locomotion on a GPU, beside the CPU's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import torch

from agents.bench.locomotion import CONTESTS, STEPS_UNIT, step_block, varied_batch
from agents.bench.rows import Row, measured_row, skipped_row
from agents.bench.timing import Contender, Effort, interleave, sustained

__all__ = ["locomotion_cuda"]

WORLDS = (1_024, 4_096, 16_384)
CPU_ROWS = 256
NUM_STEPS = 20
"""Steps between two looks at the clock, which wait for the GPU."""


def locomotion_cuda(effort: Effort) -> list[Row]:
    """HalfCheetah and Ant, every row with its own model, in batches of three sizes."""
    name = "locomotion-cuda"
    rows: list[Row] = []
    for robot, (env_id, _, _) in CONTESTS.items():
        try:
            gym.make_vec(env_id, num_envs=1, device="cuda").close()
        except (ImportError, RuntimeError) as error:
            return [skipped_row(name, "locomotion on a GPU", f"skipped: {error}")]
        cpu = f"{robot}, {CPU_ROWS} rows on the CPU"
        sizes = {f"{robot}, {size:,} worlds": size for size in WORLDS}
        blocks = {cpu: step_block(varied_batch(env_id, CPU_ROWS))}
        blocks |= {what: _device_block(env_id, size) for what, size in sizes.items()}
        rates = interleave(
            [Contender(what, sustained(block, effort.seconds)) for what, block in blocks.items()],
            effort.repeats,
        )
        device = torch.cuda.get_device_name()
        rows.append(measured_row(name, cpu, STEPS_UNIT, rates[cpu], "all cores"))
        for what in sizes:
            rows.append(measured_row(name, what, STEPS_UNIT, rates[what], device))
            ratio = rates[what] / rates[cpu]
            rows.append(measured_row(name, f"{what}: ratio to the CPU", "times", ratio))
    return rows


def _device_block(env_id: str, num_envs: int) -> Callable[[], int]:
    """Random steps as a learner takes them, the actions drawn before."""
    env: Any = gym.make_vec(
        env_id, num_envs=num_envs, device="cuda", mode="range", autoreset_mode="SameStep"
    )
    env.reset(seed=0, options={"task": env.unwrapped.sample_tasks(num_envs)})
    size = (NUM_STEPS, num_envs, *env.single_action_space.shape)
    generator = torch.Generator("cuda").manual_seed(0)
    actions = 2 * torch.rand(size, generator=generator, device="cuda") - 1

    def block() -> int:
        for row_actions in actions:
            env.step(row_actions)
        torch.cuda.synchronize()
        return NUM_STEPS * num_envs

    return block
