"""Collecting an episode of every row, where each task has some rows and parameters of its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents import ranks
from agents.rollouts import Noise
from agents.task_policy import Parameters, TaskPolicy
from metaenvs import Tasks

__all__ = ["Episodes", "collect_episodes", "lay_out_steps"]


@dataclass(frozen=True)
class Episodes:
    """Episodes of some tasks, and all that was known of the policy when it acted.

    What a network reads or gives is *packed*: a task's steps one after another, without the
    padding of its shorter episodes. What estimators read is laid out by time and padded.
    """

    features: Tensor
    """What the network read: packed (tasks, steps, features)."""
    actions: Tensor
    """Packed (tasks, steps, ...)."""
    outputs: Tensor
    """Of the network, when the actions were taken: packed (tasks, steps, outputs)."""
    valid: Tensor
    """Whether a packed step exists (tasks, steps) bool: tasks differ in their number of steps."""
    log_probabilities: Tensor
    """Of the actions, when they were taken (tasks, rollouts, time), 0 on padding."""
    rewards: Tensor
    """(tasks, rollouts, time) float32, 0 on padding."""
    mask: Tensor
    """Whether the step belongs to the episode (tasks, rollouts, time) bool."""
    slots: Tensor | None
    """Where each packed step lies in (rollouts * time), and beyond it where it does not exist
    (tasks, steps) int64; None where no episode has padding."""

    @property
    def num_steps(self) -> Tensor:
        """Steps of each task (tasks,) float32."""
        return self.mask.sum((1, 2)).float()

    @property
    def returns(self) -> Tensor:
        """Undiscounted return of each episode (tasks, rollouts)."""
        return self.rewards.sum(-1)

    def lay_out(self, packed: Tensor) -> Tensor:
        """Bring packed numbers (tasks, steps) to (tasks, rollouts, time), 0 on padding."""
        if self.slots is None:
            return packed.view(self.mask.shape)
        size = self.mask[0].numel()
        # One place more takes what does not exist.
        flat = packed.new_zeros(packed.shape[0], size + 1).scatter(1, self.slots, packed)
        return flat[:, :size].view(self.mask.shape)

    def pack(self, laid_out: Tensor) -> Tensor:
        """Bring (tasks, rollouts, time) to packed numbers (tasks, steps), 0 where not valid."""
        flat = laid_out.flatten(1)
        if self.slots is None:
            return flat
        return torch.nn.functional.pad(flat, (0, 1)).gather(1, self.slots)

    @property
    def times(self) -> Tensor:
        """Each packed step's number in its episode (tasks, steps) int64."""
        num_tasks, rollouts, time = self.mask.shape
        if self.slots is None:
            return torch.arange(time).repeat(rollouts).expand(num_tasks, -1)
        return self.slots % time

    def of_tasks(self, tasks: slice) -> Episodes:
        """The episodes of some tasks."""
        return Episodes(
            self.features[tasks], self.actions[tasks], self.outputs[tasks], self.valid[tasks],
            self.log_probabilities[tasks], self.rewards[tasks], self.mask[tasks],
            None if self.slots is None else self.slots[tasks],
        )  # fmt: skip


def lay_out_steps(
    policy: TaskPolicy,
    features: Tensor,
    actions: Tensor,
    outputs: Tensor,
    rewards: Tensor,
    mask: Tensor,
) -> Episodes:
    """Pack what was collected by time.

    Args:
        policy: Whose distribution the outputs are of.
        features: What its network read (tasks, rollouts, time, features); anything on padding.
        actions: (tasks, rollouts, time, ...), likewise.
        outputs: Of the network (tasks, rollouts, time, outputs), likewise.
        rewards: (tasks, rollouts, time), likewise.
        mask: Which steps belong to their episode, bool; each task has one at least.

    Returns:
        The episodes, with the log-probabilities of their actions.
    """
    valid, slots = mask.flatten(1), None
    features, actions, outputs = (part.flatten(1, 2) for part in (features, actions, outputs))
    if not bool(mask.all()):
        longest = int(valid.sum(1).max())
        # A stable sort brings the steps that exist to the front, in their order.
        order = (~valid).byte().argsort(dim=1, stable=True)[:, :longest]
        rows = torch.arange(len(mask))[:, None]
        features, actions, outputs = (part[rows, order] for part in (features, actions, outputs))
        padding = valid.shape[1]
        valid = valid[rows, order]
        slots = torch.where(valid, order, padding)
    episodes = Episodes(
        features=features,
        actions=actions,
        outputs=outputs,
        valid=valid,
        log_probabilities=rewards,
        rewards=rewards.where(mask, 0),
        mask=mask,
        slots=slots,
    )
    log_probabilities = policy.distribution.log_probabilities(outputs, actions)
    return dataclasses.replace(episodes, log_probabilities=episodes.lay_out(log_probabilities))


@torch.no_grad()
def collect_episodes(
    env: gym.vector.VectorEnv[Any, Any, Any],
    policy: TaskPolicy,
    parameters: Parameters,
    noise: Noise,
    *,
    tasks: Tasks | None = None,
) -> Episodes:
    """Reset every row and play one episode of it.

    Rows of one task are neighbours, and have the task's parameters. Rows that have finished go on
    acting until the last has, of all ranks, and what they do is not kept.

    Args:
        env: In SAME_STEP mode, with one episode in a trial; its rows are the tasks' in turn.
        policy: What acts.
        parameters: Of each task (tasks, ...).
        noise: Of its actions (tasks, rollouts, ...).
        tasks: What the tasks become (tasks,), from this reset on; None keeps those pinned.

    Returns:
        One episode of each row.

    Raises:
        ValueError: A reward that is not finite.
    """
    num_tasks = len(next(iter(parameters.values())))
    rollouts = env.num_envs // num_tasks
    options = None
    if tasks is not None:
        options = {"task": tasks[np.repeat(np.arange(num_tasks), rollouts)]}
    # Views of one initialisation: its rows are one product, of whatever task they are.
    shared = all(value.stride(0) == 0 for value in parameters.values())
    own = {name: value[:1] if shared else value for name, value in parameters.items()}
    scaled = policy.scaled(own)
    observation, _ = env.reset(options=options)
    going = np.ones(env.num_envs, np.bool_)
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    rewards: list[npt.NDArray[Any]] = []
    masks: list[npt.NDArray[np.bool_]] = []

    def step() -> tuple[Any, ...]:
        features = policy.encode(torch.as_tensor(observation)).view(num_tasks, rollouts, -1)
        rows = features.view(1, env.num_envs, -1) if shared else features
        outputs = policy.run(scaled, rows).view(num_tasks, rollouts, -1)
        actions = policy.distribution.sample(outputs, noise())
        return (features, actions, outputs), env.step(policy.shape_actions(actions))

    while going.any():
        seen, (observation, reward, terminated, truncated, _) = step()
        steps.append(seen)
        rewards.append(reward)
        masks.append(going)
        going = going & ~(terminated | truncated)
    # What a row meets next depends on how long it has gone on acting.
    for _ in range(max(ranks.everyone(len(steps))) - len(steps)):
        _, (observation, *_) = step()
    earned, alive = np.stack(rewards, 1), np.stack(masks, 1)
    if not np.isfinite(earned[alive]).all():
        row = int(np.flatnonzero(~np.isfinite(np.where(alive, earned, 0)).all(1))[0])
        raise ValueError(f"The environment gave a reward that is not finite, in row {row}.")
    features, actions, outputs = (torch.stack(part, 2) for part in zip(*steps, strict=True))
    shape = (num_tasks, rollouts, len(steps))
    return lay_out_steps(
        policy,
        features,
        actions,
        outputs,
        torch.as_tensor(earned, dtype=torch.float32).view(shape),
        torch.as_tensor(alive).view(shape),
    )
