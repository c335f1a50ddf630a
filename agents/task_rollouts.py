"""Collecting an episode of every row, where each task has some rows and parameters of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from agents import ranks
from agents.device_rollouts import STEPS_BETWEEN_QUESTIONS
from agents.rollouts import Noise
from agents.task_policy import Parameters, TaskPolicy
from agents.task_record import NetworkRecord
from metaenvs import Tasks

__all__ = ["Episodes", "collect_episodes", "lay_out_steps"]

MANY_STEPS = 512
"""Memory is taken for the steps of an episode's limit, and at first for no more than this."""


@dataclass(frozen=True)
class Episodes:
    """Episodes of some tasks, and all that was known of the policy when it acted.

    What a network reads or gives is *packed*: a task's steps one after another, without the
    padding of its shorter episodes. What estimators read is laid out by time and padded.
    """

    read: list[Tensor]
    """What each layer of the network read: packed (tasks, steps, width). Of the first alone where
    no more is known."""
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
    def features(self) -> Tensor:
        """What the network read: packed (tasks, steps, features)."""
        return self.read[0]

    @property
    def known_pass(self) -> tuple[list[Tensor], Tensor] | None:
        """The pass through the network that acted, for :class:`agents.task_network.ForwardPass`."""
        return (self.read, self.outputs) if len(self.read) > 1 else None

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
            steps = torch.arange(time, device=self.mask.device)
            return steps.repeat(rollouts).expand(num_tasks, -1)
        return self.slots % time

    def of_tasks(self, tasks: slice) -> Episodes:
        """The episodes of some tasks."""
        return Episodes(
            [part[tasks] for part in self.read], self.actions[tasks], self.outputs[tasks],
            self.valid[tasks], self.log_probabilities[tasks], self.rewards[tasks],
            self.mask[tasks], None if self.slots is None else self.slots[tasks],
        )  # fmt: skip


def lay_out_steps(
    policy: TaskPolicy,
    read: Sequence[Tensor],
    actions: Tensor,
    outputs: Tensor,
    rewards: Tensor,
    mask: Tensor,
) -> Episodes:
    """Pack what was collected by time.

    Args:
        policy: Whose distribution the outputs are of.
        read: What each layer of its network read, or the first (tasks, rollouts, time, width);
            anything on padding.
        actions: (tasks, rollouts, time, ...), likewise.
        outputs: Of the network (tasks, rollouts, time, outputs), likewise.
        rewards: (tasks, rollouts, time), likewise.
        mask: Which steps belong to their episode, bool; each task has one at least.

    Returns:
        The episodes, with the log-probabilities of their actions.
    """
    valid, slots = mask.flatten(1), None
    packed = [part.flatten(1, 2) for part in (*read, actions, outputs)]
    if not bool(mask.all()):
        longest = int(valid.sum(1).max())
        # A stable sort brings the steps that exist to the front, in their order.
        order = (~valid).byte().argsort(dim=1, stable=True)[:, :longest]
        rows = torch.arange(len(mask), device=mask.device)[:, None]
        packed = [part[rows, order] for part in packed]
        padding = valid.shape[1]
        valid = valid[rows, order]
        slots = torch.where(valid, order, padding)
    *kept, actions, outputs = packed
    episodes = Episodes(
        read=kept,
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
    threads: int = 1,
) -> Episodes:
    """Reset every row and play one episode of it.

    Rows of one task are neighbours, and have the task's parameters. Rows that have finished go on
    acting until the last has, of all ranks, and what they do is not kept.

    Args:
        env: In SAME_STEP mode, with one episode in a trial; its rows are the tasks' in turn. On a
            GPU the host waits for it once in a while only.
        policy: What acts.
        parameters: Of each task (tasks, ...).
        noise: Of its actions (tasks, rollouts, ...).
        tasks: What the tasks become (tasks,), from this reset on; None keeps those pinned.
        threads: How many the networks use.

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
    limit = getattr(env.unwrapped, "episode_steps", None)
    expected_steps = min(limit or MANY_STEPS, MANY_STEPS)
    record = NetworkRecord(policy, parameters, rollouts, expected_steps, threads)
    on_device = hasattr(env.unwrapped, "device")
    observation, _ = env.reset(options=options)
    # Of NumPy where the environment's answers are: operations on so few numbers take less there.
    going: Any = np.ones(env.num_envs, np.bool_)
    if isinstance(observation, Tensor):
        going = torch.as_tensor(going, device=observation.device)
    steps: list[tuple[Tensor, Any, Any]] = []

    def step() -> tuple[Tensor, Any, Any]:
        nonlocal observation
        actions = record.act(policy.encode(torch.as_tensor(observation)), noise())
        taken = policy.shape_actions(actions)
        observation, reward, terminated, truncated, _ = env.step(
            taken if on_device else taken.numpy()
        )
        return actions, reward, terminated | truncated

    while going.any():
        for _ in range(_steps_until_asked(len(steps), limit) if on_device else 1):
            actions, reward, over = step()
            steps.append((actions, reward, going))
            going = going & ~over
    # What a row meets next depends on how long it has gone on acting.
    for _ in range(max(ranks.everyone(len(steps))) - len(steps)):
        step()
    columns = list(zip(*steps, strict=True))
    mask = _by_time(columns[2])
    num_steps = int(mask.any(0).sum()) if on_device else len(steps)
    mask = mask[:, :num_steps]
    rewards = _by_time(columns[1][:num_steps])
    unsound = (~rewards.isfinite() & mask).any(1)
    if bool(unsound.any()):
        row = int(unsound.nonzero()[0])
        raise ValueError(f"The environment gave a reward that is not finite, in row {row}.")
    shape = (num_tasks, rollouts, num_steps)
    read, outputs = record.of_steps(num_steps)
    actions = torch.stack(columns[0][:num_steps], 2)
    return lay_out_steps(
        policy, read, actions, outputs, rewards.float().view(shape), mask.view(shape)
    )


def _by_time(steps: Sequence[Any]) -> Tensor:
    """What each step told of all rows, arrays or tensors: (rows, steps)."""
    if isinstance(steps[0], Tensor):
        return torch.stack(list(steps), 1)
    return torch.from_numpy(np.stack(steps, 1))


def _steps_until_asked(taken: int, limit: int | None) -> int:
    """Steps on a device before the host asks whether any episode still goes on.

    Asked when the episodes must end by time, it takes no step in vain.
    """
    left = 0 if limit is None else limit - taken
    return min(STEPS_BETWEEN_QUESTIONS, left) if left > 0 else STEPS_BETWEEN_QUESTIONS
