"""A trained initialisation under the adaptation protocol: it takes inner steps between episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.evaluation.protocol import Transition, Trials
from agents.maml_inner import MAMLPolicy, inner_advantages, inner_step
from agents.row_noise import RowNoise
from agents.task_policy import Parameters
from agents.task_rollouts import lay_out_steps

__all__ = ["MAMLAgent"]


class MAMLAgent:
    """Adapts each row on its own episodes, apart from all others.

    All episodes but the last are divided evenly among the inner steps, at most
    ``rollouts_per_task`` for each; after the last step the row acts as adapted.

    Args:
        policy: The trained initialisation.
        name: What the evaluation table calls it.
    """

    def __init__(self, policy: MAMLPolicy, name: str) -> None:
        self.name = name
        self._policy = policy

    def begin(self, trials: Trials) -> None:
        """Start from the initialisation in every row."""
        config, rows = self._policy.config, trials.num_rows
        exploring = (trials.episodes - 1) // config.inner_steps
        self._batch = min(config.rollouts_per_task, max(1, exploring))
        self._noise = RowNoise(trials.seeds, self._policy.distribution.num_normals)
        start = self._policy.for_tasks(rows)
        self._parameters: Parameters = {name: part.detach().clone() for name, part in start.items()}
        self._scaled = self._policy.scaled(self._parameters)
        self._episode = np.zeros(rows, np.int64)
        self._steps_taken = np.zeros(rows, np.int64)
        self._history: list[tuple[Tensor, Tensor, Tensor, Tensor, npt.NDArray[np.int64]]] = []

    @torch.no_grad()
    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One step of each row's policy."""
        features = self._policy.encode(torch.as_tensor(observation))[:, None]
        self._outputs = self._policy.run(self._scaled, features)
        noise = self._noise()[:, None]
        self._actions = self._policy.distribution.sample(self._outputs, noise)
        self._features = features
        return self._policy.shape_actions(self._actions).numpy()

    def observe(self, transition: Transition) -> None:
        """Keep the step, and adapt the rows whose exploration has ended."""
        exploring = self._steps_taken < self._policy.config.inner_steps
        using = transition.active & exploring
        if not using.any():
            return
        reward = torch.as_tensor(transition.reward, dtype=torch.float32)
        episode = np.where(using, self._episode, -1)
        self._history.append(
            (self._features[:, 0], self._actions[:, 0], self._outputs[:, 0], reward, episode)
        )
        self._episode += using & transition.episode_end
        due = np.flatnonzero(
            using
            & transition.episode_end
            & (self._episode == (self._steps_taken + 1) * self._batch)
        )
        if len(due):
            self._adapt(due)

    @torch.no_grad()
    def _adapt(self, rows: npt.NDArray[np.int64]) -> None:
        """An inner step of some rows, each on the episodes since its last."""
        columns = list(zip(*self._history, strict=True))
        features, actions, outputs, rewards = (
            torch.stack([step[rows] for step in column], 1) for column in columns[:4]
        )
        numbers = np.stack([step[rows] for step in columns[4]], 1)
        numbers -= self._steps_taken[rows, None] * self._batch
        known = (numbers >= 0) & (numbers < self._batch)
        length = int(max((numbers == number).sum(1).max() for number in range(self._batch)))
        # Where each episode's steps lie among all that were taken; any step stands for padding.
        index = np.zeros((len(rows), self._batch, length), np.int64)
        mask = np.zeros(index.shape, np.bool_)
        for row in range(len(rows)):
            for number in range(self._batch):
                steps = np.flatnonzero(known[row] & (numbers[row] == number))
                index[row, number, : len(steps)] = steps
                mask[row, number, : len(steps)] = True
        first, at = torch.arange(len(rows))[:, None, None], torch.as_tensor(index)
        episodes = lay_out_steps(
            self._policy, [features[first, at]], actions[first, at], outputs[first, at],
            rewards[first, at], torch.as_tensor(mask),
        )  # fmt: skip
        advantages = inner_advantages(episodes, self._policy)
        before = {name: part[rows] for name, part in self._parameters.items()}
        after = inner_step(self._policy, before, episodes, advantages).after
        for name, part in after.items():
            self._parameters[name][rows] = part
        self._scaled = self._policy.scaled(self._parameters)
        self._steps_taken[rows] += 1
