"""Measurement of training: whole iterations of RL² beside those of RecurrentPPO."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import gymnasium as gym
import torch

from agents import rl2
from agents.allocator import keep_freed_memory
from agents.bench import peers
from agents.bench.rows import Row, absent_row, measured_row
from agents.bench.timing import Contender, Effort, interleave

__all__ = ["rl2_iterations", "rl2_training"]

OURS, THEIRS = "RL² (this package)", "RecurrentPPO (sb3-contrib)"
CONFIG = rl2.RL2Config(env_id="metaenvs/KrazyWorld-v0", episodes_per_trial=5, num_envs=128)
"""The paper's setting; everything else is RL²'s default, and the peer is given the same."""


class _Enough(Exception):
    """Ends a training run after an exact number of iterations, whatever steps they took."""


def rl2_training(effort: Effort) -> list[Row]:
    """Env steps per second of training, updates included, at one size of rollout."""
    name = "rl2-training"
    keep_freed_memory()  # as the command `train` does
    num_threads = torch.get_num_threads()
    num_steps, _ = rl2_iterations(CONFIG, 1)
    trial_length = max(1, round(num_steps / CONFIG.num_envs))
    contenders = [Contender(OURS, lambda: rl2_iterations(CONFIG, effort.iterations, num_threads))]
    with_peer = peers.installed(peers.RECURRENT_PPO)
    if with_peer:
        contenders.append(
            Contender(THEIRS, lambda: _in_own_process(trial_length, effort.iterations, num_threads))
        )
    rates = interleave(contenders, effort.repeats)

    threads = f"{num_threads} threads"
    ours = f"{CONFIG.num_envs} whole trials an iteration, {threads}"
    rows = [
        measured_row(name, OURS, "env steps/s", rates[OURS], ours),
        measured_row(name, f"{OURS}: size", "parameters", [num_parameters(rl2.new_policy(CONFIG))]),
    ]
    if not with_peer:
        return [*rows, absent_row(name, THEIRS, peers.RECURRENT_PPO)]
    theirs = f"{CONFIG.num_envs} rows of {trial_length} steps an iteration, {threads}"
    size = num_parameters(_new_peer(trial_length).policy)
    return [
        *rows,
        measured_row(name, THEIRS, "env steps/s", rates[THEIRS], theirs),
        measured_row(name, f"{THEIRS}: size", "parameters", [size]),
        measured_row(name, "ratio to RecurrentPPO", "times", rates[OURS] / rates[THEIRS]),
    ]


def rl2_iterations(
    config: rl2.RL2Config, iterations: int, num_threads: int = 1
) -> tuple[float, float]:
    """Train for one iteration that does not count and ``iterations`` that do.

    Returns:
        Env steps and seconds of the latter: rollouts, updates and reports.
    """
    told: list[Mapping[str, float]] = []

    def report(metrics: dict[str, float]) -> None:
        told.append(metrics)
        if len(told) == 1 + iterations:
            raise _Enough

    torch.set_num_threads(1)  # of one operation, as the command `train` has it
    with contextlib.suppress(_Enough):
        # So many steps are never reached: the report ends the run.
        rl2.train(dataclasses.replace(config, total_env_steps=10**12), report, num_threads)
    first, last = told[0], told[-1]
    return (
        last["env_steps"] - first["env_steps"],
        last["time/elapsed"] - first["time/elapsed"],
    )


def num_parameters(module: torch.nn.Module) -> int:
    """Trainable numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def _new_peer(trial_length: int) -> Any:
    """RecurrentPPO with RL²'s settings; its rollout has fixed length, RL²'s whole trials.

    The LSTM is shared between policy and value, as our memory is; the two layers of 64 after it
    are its default. Rows of a rollout are as long as RL²'s trials are on average, so an iteration
    of either has the same number of env steps, and its parts too.
    """
    from sb3_contrib import RecurrentPPO

    from metaenvs.wrappers.sb3_vec_env import SB3VecEnv

    env: Any = gym.make_vec(
        CONFIG.env_id,
        num_envs=CONFIG.num_envs,
        episodes_per_trial=CONFIG.episodes_per_trial,
        trial_inputs="flat",
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
    )
    return RecurrentPPO(
        "MlpLstmPolicy",
        SB3VecEnv(env),
        learning_rate=CONFIG.learning_rate,
        n_steps=trial_length,
        batch_size=trial_length * CONFIG.num_envs // CONFIG.num_minibatches,
        n_epochs=CONFIG.epochs,
        gamma=CONFIG.discount,
        gae_lambda=CONFIG.trace_decay,
        clip_range=CONFIG.clip,
        ent_coef=CONFIG.entropy_weight,
        vf_coef=CONFIG.value_weight,
        max_grad_norm=CONFIG.max_gradient_norm,
        policy_kwargs={
            "lstm_hidden_size": CONFIG.hidden_size,
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
        seed=CONFIG.seed,
        device="cpu",
    )


def _in_own_process(*arguments: int) -> tuple[float, float]:
    """Measure the peer as its users run it: with the allocator as it comes, not as we set it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(_peer_iterations, *arguments).result()


def _peer_iterations(trial_length: int, iterations: int, num_threads: int) -> tuple[float, float]:
    """The same for RecurrentPPO, from fresh weights as well."""
    torch.set_num_threads(num_threads)
    model = _new_peer(trial_length)
    steps = trial_length * CONFIG.num_envs
    model.learn(steps)
    begun = time.perf_counter()
    model.learn(steps * iterations, reset_num_timesteps=False)
    seconds = time.perf_counter() - begun
    model.get_env().close()
    return steps * iterations, seconds
