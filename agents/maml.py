"""MAML, E-MAML and ProMP: an initialisation from which a gradient step or a few learn a task.

In every iteration, tasks are drawn. Each has parameters of its own, which start as the
initialisation; episodes are collected with them, and an inner step along the gradient that these
episodes estimate moves them; after the last inner step, further episodes tell how good the adapted
policies are. The outer step moves the initialisation along the gradient of that, taken through the
inner steps.

- MAML (Finn et al. 2017): inner estimator ``score``, outer step by TRPO.
- First-order MAML (section 5.2 there): ``first_order=True`` takes the inner gradients as constants.
- E-MAML (Stadie et al. 2018, equation 4): one term more, credit for what the inner episodes made
  possible; with ``correction_weight=0`` it is MAML, bit for bit.
- ProMP (Rothfuss et al. 2019): inner estimator ``lvc``, outer step by PPO, a penalty on the
  divergence of the initialisation from the policy that collected.
- TayPO-K, DiCE and DR (Tang et al. 2021) are further inner estimators.

Where an episode ends by time, nothing is expected beyond: the horizon belongs to the task.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from agents import ranks
from agents.maml_config import MAMLConfig
from agents.maml_inner import MAMLPolicy, sample
from agents.maml_outer import update
from agents.training_state import TrainingState

__all__ = ["MAMLConfig", "MAMLPolicy", "make_env", "new_policy", "start", "train"]


def make_env(
    config: MAMLConfig, num_tasks: int | None = None
) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The training environment, or that of some tasks: the rollouts of each beside one another."""
    where: dict[str, Any] = {} if config.device == "cpu" else {"device": config.device}
    return gym.make_vec(
        config.env_id,
        num_envs=(num_tasks or config.num_tasks) * config.rollouts_per_task,
        episodes_per_trial=1,
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
        **where,
        **config.env_arguments,
    )


def new_policy(
    config: MAMLConfig, env: gym.vector.VectorEnv[Any, Any, Any] | None = None
) -> MAMLPolicy:
    """The untrained policy, on the CPU; ``env`` spares making one to read its spaces."""
    spaces_of = env or make_env(dataclasses.replace(config, device="cpu"), 1)
    weight_seed = np.random.SeedSequence(config.seed).spawn(1)[0]
    return MAMLPolicy(
        spaces_of.single_observation_space,
        spaces_of.single_action_space,
        config,
        torch.Generator().manual_seed(int(weight_seed.generate_state(1)[0])),
    )


def start(config: MAMLConfig) -> TrainingState[MAMLPolicy]:
    """A training before its first iteration, with the rows of this rank's tasks.

    Raises:
        ValueError: Several ranks on a GPU.
    """
    ranks.refuse_device(config.device)
    mine = ranks.share(config.num_tasks, "num_tasks")
    env = make_env(config, mine.stop - mine.start)
    # A simulated GPU's tensors are on the CPU.
    device = getattr(env.unwrapped, "device", "cpu")
    policy = new_policy(config, env).to(device)
    _, action_seed, env_seed = np.random.SeedSequence(config.seed).spawn(3)
    rollouts = config.rollouts_per_task
    seeds = env_seed.generate_state(config.num_tasks * rollouts, np.uint64)
    env.reset(seed=seeds[mine.start * rollouts : mine.stop * rollouts].tolist())
    return TrainingState(
        module=policy,
        optimiser=torch.optim.Adam(policy.parameters(), lr=config.learning_rate, eps=1e-5),
        generators={
            "action": torch.Generator(device).manual_seed(int(action_seed.generate_state(1)[0]))
        },
        env=env,
    )


def train(
    config: MAMLConfig,
    report: Callable[[dict[str, float]], None] = lambda metrics: None,
    threads: int = 1,
    state: TrainingState[MAMLPolicy] | None = None,
    keep: Callable[[TrainingState[MAMLPolicy]], None] = lambda state: None,
) -> MAMLPolicy:
    """Train until ``config.total_env_steps``.

    Args:
        config: What to train, on what, for how long.
        report: Called after each iteration with its metrics.
        threads: How many the networks use. No action depends on it for given parameters; inner and
            outer steps do, to rounding.
        state: What to go on from; None begins. It is brought forward in place.
        keep: Called with the state after each iteration, when it is whole.

    Returns:
        The trained policy.

    Raises:
        FloatingPointError: An objective that is not finite; the message says at which step.
    """
    state = state or start(config)
    policy, env = state.module, state.env
    family: Any = env.unwrapped
    started = time.perf_counter() - state.seconds

    while state.env_steps < config.total_env_steps:
        begun = time.perf_counter()
        # Each rank's environment would draw others: it knows the seeds of its own rows.
        tasks = ranks.of_first(lambda: family.sample_tasks(config.num_tasks))
        batch, paths = sample(env, policy, tasks, state.generators["action"], threads)
        collected = time.perf_counter()
        told = update(policy, state.optimiser, batch, paths, threads)
        phases = [*batch.inner, batch.outer]
        now = time.perf_counter()
        num_steps = sum(int(episodes.mask.sum()) for episodes in phases)
        state.env_steps += sum(ranks.everyone(num_steps))
        state.iteration += 1
        state.seconds = now - started
        if not all(np.isfinite(value) for value in told.values()):
            raise FloatingPointError(
                f"An objective is not finite after {state.env_steps} env steps: {told}. "
                "A smaller inner_rate or learning_rate usually mends it."
            )
        returns = [torch.cat(ranks.everyone(episodes.returns)).mean() for episodes in phases]
        report(
            {
                "iteration": state.iteration,
                "env_steps": state.env_steps,
                "train/return": float(returns[-1]),
                **{
                    f"train/return_episode_{phase + 1}": float(mean)
                    for phase, mean in enumerate(returns)
                },
                **{f"loss/{name}": value for name, value in told.items()},
                "time/env_steps_per_second": state.env_steps / state.seconds,
                "time/rollout": collected - begun,
                "time/update": now - collected,
                "time/elapsed": state.seconds,
            }
        )
        keep(state)
    env.close()
    return policy
