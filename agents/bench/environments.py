"""Measurements of environments: steps per second, alone and beside those of other packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from agents.bench import peers
from agents.bench.rows import Row, absent_row, measured_row
from agents.bench.timing import Contender, Effort, interleave, sustained

__all__ = ["cost_growth", "krazy_world_batch", "krazy_world_single"]

KRAZY_WORLD = "metaenvs/KrazyWorld-v0"
STEPS_UNIT = "env steps/s"
BATCH_ROWS = 1024
BATCH_SIZES = (1_024, 16_384, 262_144)
EPISODES_PER_TRIAL = (1, 5)
BLOCK_ROW_STEPS = 2**18
"""Row steps in a block: a millisecond or more, of which asking the clock is nothing."""
MAX_BLOCK_STEPS = 64


def krazy_world_batch(effort: Effort) -> list[Row]:
    """1,024 worlds of the paper's setting, and where the time of a step goes."""
    name = "krazy-world-batch"
    contenders = []
    for episodes in EPISODES_PER_TRIAL:
        for part, block in _batch_blocks(episodes).items():
            contenders.append(Contender(f"{part}, {episodes}", sustained(block, effort.seconds)))
    xland = {"with auto-reset": True, "rows run on, no reset": False}
    if peers.installed(peers.XLAND):
        for how, auto_reset in xland.items():
            block = peers.xland_block(BATCH_ROWS, auto_reset=auto_reset)
            contenders.append(Contender(how, sustained(block, effort.seconds)))
    rates = interleave(contenders, effort.repeats)

    rows = []
    for episodes in EPISODES_PER_TRIAL:
        what = f"Krazy World, {BATCH_ROWS} rows, {trial_text(episodes)}"
        rows.append(measured_row(name, what, STEPS_UNIT, rates[f"step, {episodes}"], "step()"))
    for how in xland:
        what = f"XLand-MiniGrid R1-9x9, {BATCH_ROWS} rows, {how}"
        if how not in rates:
            rows.append(absent_row(name, what, peers.XLAND))
            continue
        rows.append(measured_row(name, what, STEPS_UNIT, rates[how], "jit, lax.scan"))
        for episodes in EPISODES_PER_TRIAL:
            ratio = rates[f"step, {episodes}"] / rates[how]
            what = f"ratio to XLand ({how}), {trial_text(episodes)}"
            rows.append(measured_row(name, what, "times", ratio))
    for episodes in EPISODES_PER_TRIAL:
        step, kernel, pinned = (
            1 / rates[f"{part}, {episodes}"] for part in ("step", "kernel", "pinned")
        )
        shares = {
            "moving and observing": (pinned, "kernel with pinned tasks"),
            "drawing worlds": (kernel - pinned, "kernel less that with pinned tasks"),
            "Python and fresh arrays": (step - kernel, "step() less the kernel"),
        }
        for part, (seconds, note) in shares.items():
            what = f"share of a step: {part}, {trial_text(episodes)}"
            rows.append(measured_row(name, what, "%", 100 * seconds / step, note))
    return rows


def krazy_world_single(effort: Effort) -> list[Row]:
    """One world behind ``gymnasium.Env``, reset whenever its trial is over."""
    name = "krazy-world-single"
    ours, theirs = "Krazy World, one environment", "MiniGrid FourRooms, one environment"
    envs = {ours: gym.make(KRAZY_WORLD).unwrapped}
    if peers.installed(peers.FOUR_ROOMS):
        envs[theirs] = peers.four_rooms()
    contenders = [
        Contender(what, sustained(single_block(env), effort.seconds)) for what, env in envs.items()
    ]
    rates = interleave(contenders, effort.repeats)
    rows = []
    for what, samples in rates.items():
        note = f"a reset every {_trial_length(envs[what]):.1f} steps"
        rows.append(measured_row(name, what, STEPS_UNIT, samples, note))
    if theirs not in rates:
        return [*rows, absent_row(name, theirs, peers.FOUR_ROOMS)]
    ratio = rates[ours] / rates[theirs]
    return [*rows, measured_row(name, "ratio to FourRooms", "times", ratio)]


def cost_growth(effort: Effort) -> list[Row]:
    """What the step of one row costs in larger batches."""
    name = "cost-growth"
    labels = {size: f"Krazy World, {size:,} rows" for size in BATCH_SIZES}
    contenders = [
        Contender(label, sustained(_step_block(_new_batch(size)), effort.seconds))
        for size, label in labels.items()
    ]
    rates = interleave(contenders, effort.repeats)
    costs = {label: 1e9 / samples for label, samples in rates.items()}
    smallest = costs[labels[BATCH_SIZES[0]]]
    rows = [measured_row(name, label, "ns/row step", cost) for label, cost in costs.items()]
    for size in BATCH_SIZES[1:]:
        what = f"ratio of {size:,} rows to {BATCH_SIZES[0]:,}"
        rows.append(measured_row(name, what, "times", costs[labels[size]] / smallest))
    return rows


def trial_text(episodes: int) -> str:
    return f"{episodes} episode{'s' if episodes > 1 else ''} a trial"


def single_block(env: gym.Env[Any, Any]) -> Callable[[], int]:
    """A block of random steps of one environment, reset whenever it is over."""
    actions = _random_actions(env, 1024).tolist()
    env.reset(seed=0)

    def block() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    return block


def _trial_length(env: gym.Env[Any, Any], num_resets: int = 100) -> float:
    """Mean number of random steps until a reset is due: how often the figure contains one."""
    actions = iter(np.resize(_random_actions(env, 4093), 10**6).tolist())
    num_steps = 0
    for _ in range(num_resets):
        env.reset()
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(next(actions))
            over = terminated or truncated
            num_steps += 1
    return num_steps / num_resets


def _new_batch(num_rows: int, **arguments: Any) -> Any:
    env = gym.make_vec(KRAZY_WORLD, num_envs=num_rows, **arguments)
    env.reset(seed=0)
    return env


def _batch_blocks(episodes_per_trial: int) -> dict[str, Callable[[], int]]:
    """The public step, the bare kernel, and the kernel that never draws a world."""
    kernel_env, pinned_env = (
        _new_batch(BATCH_ROWS, episodes_per_trial=episodes_per_trial) for _ in range(2)
    )
    pinned_env.reset(options={"task": pinned_env.sample_tasks(BATCH_ROWS)})
    return {
        "step": _step_block(_new_batch(BATCH_ROWS, episodes_per_trial=episodes_per_trial)),
        "kernel": _kernel_block(kernel_env),
        "pinned": _kernel_block(pinned_env),
    }


def _step_block(env: Any) -> Callable[[], int]:
    """Steps as a user takes them: fresh arrays, the whole of ``info``."""
    actions = _batch_actions(env)

    def block() -> int:
        for row_actions in actions:
            env.step(row_actions)
        return actions.size

    return block


def _kernel_block(env: Any) -> Callable[[], int]:
    """Steps of the compiled kernel alone, into the same arrays again and again."""
    actions = _batch_actions(env)
    batch = env.unwrapped._batch
    result = batch.allocate()

    def block() -> int:
        for row_actions in actions:
            batch.step(row_actions, result)
        return actions.size

    return block


def _batch_actions(env: Any) -> npt.NDArray[np.int64]:
    num_steps = min(MAX_BLOCK_STEPS, max(1, BLOCK_ROW_STEPS // env.num_envs))
    rng = np.random.default_rng(0)
    return rng.integers(env.single_action_space.n, size=(num_steps, env.num_envs))


def _random_actions(env: gym.Env[Any, Any], num_actions: int) -> npt.NDArray[np.int64]:
    assert isinstance(env.action_space, gym.spaces.Discrete)
    return np.random.default_rng(0).integers(env.action_space.n, size=num_actions)
