"""The networks of many tasks as they act, step by step, with all that they compute kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from agents import task_kernels
from agents.compiled_math import BLOCK
from agents.compiled_passes import padded
from agents.recycled_memory import recycled
from agents.task_policy import Parameters, TaskPolicy

__all__ = ["NetworkRecord"]


class NetworkRecord:
    """Runs the networks one step at a time, and keeps what every layer read.

    An update that begins with the same parameters needs no forward pass of its own.

    Args:
        policy: Whose network.
        parameters: Of each task (tasks, ...); on a CPU and in float32, with four rollouts or more,
            a step is one compiled loop.
        rollouts: Rows of each task.
        expected_steps: Memory is taken for so many; if there are more, for twice as many.
    """

    def __init__(
        self,
        policy: TaskPolicy,
        parameters: Parameters,
        rollouts: int,
        expected_steps: int,
    ) -> None:
        # Views of one initialisation: its rows are one product, of whatever task they are.
        self._shared = all(value.stride(0) == 0 for value in parameters.values())
        own = {name: value[:1] if self._shared else value for name, value in parameters.items()}
        self._policy, self._scaled = policy, policy.scaled(own)
        widths = [parameters[f"weight_{number}"].shape[1] for number in range(policy.num_layers)]
        like = parameters["weight_0"]
        shape = (len(like), rollouts, expected_steps)
        *self._read, self._means = (
            _memory_like(like, (*shape, width)) for width in (*widths, policy.num_means)
        )
        compiled = like.device.type == "cpu" and like.dtype == torch.float32 and rollouts >= BLOCK
        self._compiled = self._bind() if compiled else None
        self._length = 0

    def step(self, features: Tensor) -> Tensor:
        """The next step of all rows.

        Args:
            features: (tasks * rollouts, features)

        Returns:
            What the last layer gives (tasks, rollouts, means), until the next step.
        """
        at = self._length
        if at == self._means.shape[2]:
            self._grow()
        self._read[0][:, :, at] = features.view(*self._means.shape[:2], -1)
        if self._compiled is None:
            self._run(at)
        else:
            self._compiled(at)
        self._length += 1
        return self._means[:, :, at]

    def of_steps(self, num_steps: int) -> tuple[list[Tensor], Tensor]:
        """What each layer read, and the distribution's numbers, of the first steps.

        Returns:
            Tensors (tasks, rollouts, steps, ...).
        """
        means = self._means[:, :, :num_steps]
        flat = self._policy.with_deviations(means.flatten(1, 2), self._scaled)
        return [part[:, :, :num_steps] for part in self._read], flat.view(*means.shape[:3], -1)

    def _run(self, at: int) -> None:
        num_tasks, rollouts = self._means.shape[:2]
        features = self._read[0][:, :, at]
        rows = features.reshape(1, num_tasks * rollouts, -1) if self._shared else features
        read: list[Tensor] = []
        outputs = self._policy.run(self._scaled, rows, read)
        for kept, part in zip(self._read[1:], read[1:], strict=True):
            kept[:, :, at] = part.view(num_tasks, rollouts, -1)
        means = outputs[..., : self._policy.num_means]
        self._means[:, :, at] = means.view(num_tasks, rollouts, -1)

    def _bind(self) -> Callable[[int], None]:
        """The compiled step, with the weights and the memory as they are now."""
        layers = range(self._policy.num_layers)
        weights = [self._scaled[f"weight_{layer}"].detach() for layer in layers]
        biases = [self._scaled[f"bias_{layer}"].detach()[:, 0] for layer in layers]
        for parts in (weights, biases):
            parts[-1] = padded(parts[-1])
        scratch = tuple(np.empty((BLOCK, bias.shape[1]), np.float32) for bias in biases)
        arrays = [
            tuple(part.contiguous().numpy() for part in parts)
            for parts in (self._read, weights, biases)
        ]
        means = self._means.numpy()

        def step(at: int) -> None:
            task_kernels.forward_step(at, *arrays, means, scratch)

        return step

    def _grow(self) -> None:
        """Twice the memory, and what has been kept."""
        *self._read, self._means = (
            torch.cat([part, torch.empty_like(part)], 2) for part in (*self._read, self._means)
        )
        self._compiled = self._compiled and self._bind()


def _memory_like(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Uninitialised memory of a tensor's kind and place."""
    if tensor.device.type == "cpu" and tensor.dtype == torch.float32:
        return recycled(*shape)
    return tensor.new_empty(shape)
