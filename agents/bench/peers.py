"""The environments of other packages that the bench measures beside ours."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

__all__ = [
    "ENVPOOL", "FOUR_ROOMS", "RECURRENT_PPO", "XLAND", "envpool_block", "four_rooms", "installed",
    "xland_block",
]  # fmt: skip

XLAND = ("xminigrid", "jax")
"""Modules that XLand-MiniGrid needs."""
FOUR_ROOMS = ("minigrid",)
"""Modules that MiniGrid needs."""
ENVPOOL = ("envpool",)
"""Modules that EnvPool needs."""
RECURRENT_PPO = ("sb3_contrib", "stable_baselines3")
"""Modules that RecurrentPPO needs."""

XLAND_ID = "XLand-MiniGrid-R1-9x9"
SCAN_STEPS = 64


def installed(modules: Sequence[str]) -> bool:
    """Whether all of these modules can be imported, without importing any."""
    return all(importlib.util.find_spec(module) is not None for module in modules)


def four_rooms() -> gym.Env[Any, Any]:
    """One MiniGrid FourRooms, without the wrappers that ``gymnasium.make`` adds."""
    import minigrid  # noqa: F401  (registers its ids)

    return gym.make("MiniGrid-FourRooms-v0").unwrapped


def envpool_block(
    env_id: str, num_envs: int, num_steps: int, arguments: Mapping[str, Any]
) -> Callable[[], int]:
    """A block of synchronous steps of EnvPool with random actions, one thread for each core."""
    import envpool

    env = envpool.make(
        env_id, env_type="gymnasium", num_envs=num_envs, num_threads=len(os.sched_getaffinity(0)),
        **arguments,
    )  # fmt: skip
    env.reset()
    size = (num_steps, num_envs, *env.action_space.shape)
    actions = np.random.default_rng(0).uniform(-1, 1, size)

    def block() -> int:
        for row_actions in actions:
            env.step(row_actions)
        return num_steps * num_envs

    return block


def xland_block(num_rows: int, *, auto_reset: bool) -> Callable[[], int]:
    """A block of jitted steps of a batch of XLand-MiniGrid.

    It is the package's fastest form: the loop over steps is inside the compiled function
    (``lax.scan``), with random actions drawn before. XLA deletes what nobody reads, and with the
    default ruleset the reward never changes; so each step's observation, reward and end are
    summed up, and the final states are answered and waited for.

    Args:
        num_rows: Environments in the batch.
        auto_reset: Whether finished rows begin anew, as a learner needs it
            (``GymAutoResetWrapper``). In a batch XLA then computes both the step and the reset
            of every row, at every step. Without, rows run on beyond their end.

    Returns:
        A function that steps and answers the number of environment steps.
    """
    import jax
    import jax.numpy as jnp
    import xminigrid
    from xminigrid.wrappers import GymAutoResetWrapper

    env, parameters = xminigrid.make(XLAND_ID)
    if auto_reset:
        env = GymAutoResetWrapper(env)
    reset_key, action_key = jax.random.split(jax.random.key(0))
    reset = jax.jit(jax.vmap(env.reset, in_axes=(None, 0)))
    timestep = reset(parameters, jax.random.split(reset_key, num_rows))
    step = jax.vmap(env.step, in_axes=(None, 0, 0))
    actions = jax.random.randint(action_key, (SCAN_STEPS, num_rows), 0, env.num_actions(parameters))

    def one_step(carry: tuple[Any, Any], action: Any) -> tuple[tuple[Any, Any], None]:
        timestep, total = carry
        timestep = step(parameters, timestep, action)
        seen = timestep.observation.sum(axis=(1, 2, 3), dtype=jnp.float32)
        total = total + seen + timestep.reward + timestep.last()
        return (timestep, total), None

    def many_steps(timestep: Any, total: Any) -> Any:
        return jax.lax.scan(one_step, (timestep, total), actions)[0]

    compiled = jax.jit(many_steps)
    carry = (timestep, jnp.zeros(num_rows, jnp.float32))

    def block() -> int:
        nonlocal carry
        carry = jax.block_until_ready(compiled(*carry))
        return SCAN_STEPS * num_rows

    return block
