"""Collecting whole trials from a vector environment, one per row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents import ranks

__all__ = ["Act", "Inputs", "Noise", "PackedTrials", "Trials", "collect_trials", "pack"]

Inputs = dict[str, Tensor]
"""Trial inputs by name, row-first."""

Act = Callable[
    [Inputs, Any, npt.NDArray[np.bool_], Tensor | None], tuple[Tensor, Tensor, Tensor, Any]
]
"""Trial inputs, memory, a mask and noise to action, log-probability, value and memory (row-first).

Without noise, the most probable actions. What is answered for rows outside the mask is not used,
only that the environment takes it.
"""

Noise = Callable[[], Tensor]
"""Draws what the actions of all rows are drawn with, at each step."""


@dataclass
class Trials:
    """One trial per row; time first, and steps after a trial's end are not ``alive``."""

    indices: Tensor
    """Prepared categories of the inputs (time, rows, codes) int64."""
    values_in: Tensor
    """Prepared values of the inputs (time, rows, values)."""
    actions: Tensor
    """(time, rows, ...)"""
    log_probabilities: Tensor
    """Of the actions, when they were taken (time, rows)."""
    values: Tensor
    """Predicted when the actions were taken (time, rows)."""
    rewards: Tensor
    """(time, rows) float32"""
    episode_index: Tensor
    """Of the episode that the step belongs to (time, rows) int64."""
    alive: Tensor
    """(time, rows) bool"""
    bootstrap: Tensor
    """Value after the last step (rows,), 0 where the trial terminated."""

    @property
    def num_steps(self) -> int:
        """Environment steps that belong to the trials."""
        return int(self.alive.sum())

    def episode_returns(self, num_episodes: int) -> npt.NDArray[np.float64]:
        """Undiscounted return of each episode (rows, num_episodes)."""
        rewards = torch.where(self.alive, self.rewards, 0.0).double()
        returns = torch.zeros(num_episodes, rewards.shape[1], dtype=torch.float64)
        returns.scatter_add_(0, self.episode_index.clamp(max=num_episodes - 1).cpu(), rewards.cpu())
        return returns.t().numpy()


@dataclass
class PackedTrials:
    """Where the steps of some trials lie when packed: time-major, longest trial first."""

    steps: Tensor
    """Of (time, rows), taken as one axis (steps,) int64."""
    batch_sizes: list[int]

    def take(self, array: Tensor) -> Tensor:
        """The packed steps (steps, ...) of a (time, rows, ...) array."""
        return array.flatten(0, 1).index_select(0, self.steps)


def pack(alive: Tensor, rows: Tensor) -> PackedTrials:
    """Pack the trials of ``rows`` given which of their steps are ``alive`` (time, all rows)."""
    lengths = alive[:, rows].sum(0)
    order = torch.argsort(lengths, descending=True, stable=True)
    rows, lengths = rows[order], lengths[order]
    present = torch.arange(int(lengths[0]), device=alive.device)[:, None] < lengths
    times, columns = present.nonzero(as_tuple=True)
    return PackedTrials(times * alive.shape[1] + rows[columns], present.sum(1).tolist())


def collect_trials(
    env: gym.vector.VectorEnv[Any, Any, Any],
    act: Act,
    noise: Noise,
    prepare: Callable[[Inputs], tuple[Tensor, Tensor]],
    memory: Any,
    *,
    seed: list[int] | None = None,
) -> Trials:
    """Reset every row to a new trial and play it to its end.

    Rows whose trial has ended go on acting until the last has, of all ranks, and what they do is
    not kept: one trial of each row, whatever its length, is an unbiased sample of trials.

    Args:
        env: In SAME_STEP mode with ``trial_inputs="dict"``.
        act: The policy.
        noise: Of its actions.
        prepare: Turns trial inputs into indices and values (as ``TrialEncoder.prepare``).
        memory: The policy's memory at the start of a trial.
        seed: Seeds of the rows, at the run's first rollout.

    Raises:
        ValueError: A reward that is not finite.
    """
    num_rows = env.num_envs
    observation, info = env.reset(seed=seed)  # type: ignore[arg-type]
    going = np.ones(num_rows, np.bool_)
    bootstrap = torch.zeros(num_rows)
    steps: list[tuple[Any, ...]] = []
    while going.any():
        inputs = {name: torch.as_tensor(part) for name, part in observation.items()}
        action, log_probability, value, memory = act(inputs, memory, going, noise())
        observation, reward, terminated, truncated, info = env.step(action.numpy())
        episode = info["episode_index"]
        over = terminated | truncated
        if over.any():
            # There info is the next trial's, and final_info the ended one's.
            episode = np.where(over, info["final_info"]["episode_index"], episode)
            cut = going & truncated
            if cut.any():
                final = _final_inputs(info["final_obs"], inputs, cut)
                _, _, final_value, _ = act(final, memory, cut, None)
                bootstrap[torch.as_tensor(cut)] = final_value[torch.as_tensor(cut)]
        steps.append((inputs, action, log_probability, value, reward, episode, going))
        going = going & ~over
    # What a row meets next depends on how long it has gone on acting.
    for _ in range(max(ranks.everyone(len(steps))) - len(steps)):
        inputs = {name: torch.as_tensor(part) for name, part in observation.items()}
        action, _, _, memory = act(inputs, memory, going, noise())
        observation, *_ = env.step(action.numpy())
    seen, actions, log_probabilities, values, *others = zip(*steps, strict=True)
    rewards, episode_index, alive = (np.stack(column) for column in others)
    if not np.isfinite(rewards[alive]).all():
        row = int(np.flatnonzero(~np.isfinite(np.where(alive, rewards, 0)).all(0))[0])
        raise ValueError(f"The environment gave a reward that is not finite, in row {row}.")
    indices, values_in = prepare(
        {name: torch.cat([inputs[name] for inputs in seen]) for name in observation}
    )
    return Trials(
        indices=indices.reshape(*alive.shape, -1),
        values_in=values_in.reshape(*alive.shape, -1),
        actions=torch.stack(actions),
        log_probabilities=torch.stack(log_probabilities),
        values=torch.stack(values),
        rewards=torch.as_tensor(rewards, dtype=torch.float32),
        episode_index=torch.as_tensor(episode_index, dtype=torch.int64),
        alive=torch.as_tensor(alive),
        bootstrap=bootstrap,
    )


def _final_inputs(
    final_obs: npt.NDArray[Any], inputs: dict[str, Tensor], rows: npt.NDArray[np.bool_]
) -> dict[str, Tensor]:
    """Inputs of all rows in which those of ``rows`` are the ones their trials ended with."""
    final = {name: part.clone() for name, part in inputs.items()}
    for row in np.flatnonzero(rows):
        for name, part in final_obs[row].items():
            final[name][row] = torch.as_tensor(part)
    return final
