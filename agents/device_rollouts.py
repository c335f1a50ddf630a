"""Collecting whole trials on a GPU: what agents.rollouts does, hardly ever waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from agents.rollouts import Act, Inputs, Noise, Trials

__all__ = ["collect_trials_on_device"]

STEPS_BETWEEN_QUESTIONS = 16
"""Steps after which the host asks whether any trial still goes on, and so waits for the device."""


def collect_trials_on_device(
    env: gym.vector.VectorEnv[Any, Any, Any],
    act: Act,
    noise: Noise,
    prepare: Callable[[Inputs], tuple[Tensor, Tensor]],
    memory: Tensor,
    *,
    seed: list[int] | None = None,
) -> Trials:
    """Reset every row to a new trial and play it to its end.

    The same trials as :func:`agents.rollouts.collect_trials` gives. The values after trials that
    were cut are all computed at the end, from where each was cut; ``act`` is called for them once.

    Args:
        env: A batch on a device, in SAME_STEP mode with ``trial_inputs="dict"``.
        act: The policy.
        noise: Of its actions.
        prepare: Turns trial inputs into indices and values (as ``TrialEncoder.prepare``).
        memory: The policy's memory at the start of a trial (rows, size).
        seed: Seeds of the rows, at the run's first rollout.

    Raises:
        ValueError: A reward that is not finite.
    """
    inputs = _tensors(env.reset(seed=seed)[0])  # type: ignore[arg-type]
    going = torch.ones(env.num_envs, dtype=torch.bool, device=memory.device)
    cut = torch.zeros_like(going)
    last_inputs, last_memory = inputs, memory
    # Which rows are still of use, only the device knows.
    everyone = np.ones(env.num_envs, np.bool_)
    steps: list[tuple[Any, ...]] = []
    while bool(going.any()):
        for _ in range(STEPS_BETWEEN_QUESTIONS):
            action, log_probability, value, memory = act(inputs, memory, everyone, noise())
            observation, *flags, info = env.step(action)
            reward, terminated, truncated = (torch.as_tensor(flag) for flag in flags)
            over = terminated | truncated
            # There info is the next trial's, and final_info the ended one's.
            ended_episode = torch.as_tensor(info["final_info"]["episode_index"])
            episode = torch.where(over, ended_episode, torch.as_tensor(info["episode_index"]))
            now_cut = going & truncated
            last_inputs = _replaced(last_inputs, now_cut, _tensors(info["final_obs"]))
            last_memory = torch.where(now_cut[:, None], memory, last_memory)
            cut = cut | now_cut
            steps.append((inputs, action, log_probability, value, reward, episode, going))
            going = going & ~over
            inputs = _tensors(observation)
    seen, *columns = zip(*steps, strict=True)
    stacked = [torch.stack(column) for column in columns]
    num_steps = int(stacked[-1].any(1).sum())
    actions, log_probabilities, values, rewards, episode_index, alive = (
        part[:num_steps] for part in stacked
    )
    unsound = (~rewards.isfinite() & alive).any(0)
    if bool(unsound.any()):
        row = int(unsound.nonzero()[0])
        raise ValueError(f"The environment gave a reward that is not finite, in row {row}.")
    bootstrap = act(last_inputs, last_memory, everyone, None)[2]
    indices, values_in = prepare(
        {name: torch.cat([inputs[name] for inputs in seen[:num_steps]]) for name in seen[0]}
    )
    return Trials(
        indices=indices.reshape(*alive.shape, -1),
        values_in=values_in.reshape(*alive.shape, -1),
        actions=actions,
        log_probabilities=log_probabilities,
        values=values,
        rewards=rewards.float(),
        episode_index=episode_index.long(),
        alive=alive,
        bootstrap=torch.where(cut, bootstrap, 0.0),
    )


def _tensors(observation: dict[str, Any]) -> Inputs:
    return {name: torch.as_tensor(part) for name, part in observation.items()}


def _replaced(old: Inputs, rows: Tensor, new: Inputs) -> Inputs:
    """Inputs in which those of some rows are the new ones."""
    replaced = {}
    for name, part in old.items():
        mask = rows.reshape((-1,) + (1,) * (part.ndim - 1))
        replaced[name] = torch.where(mask, new[name], part)
    return replaced
