"""The networks of many tasks as they act, step by step, with all that they compute kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents import acting_kernels
from agents.acting_kernels import NetworkStep
from agents.recycled_memory import recycled
from agents.register_tiles import BLOCK
from agents.task_policy import Parameters, TaskPolicy
from agents.tensor_arrays import arrays, arrays_to_write
from metaenvs.kernels.compile import build_callee, build_kernel
from metaenvs.kernels.helpers import ALONE, run_with_help

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
        threads: How many a step may use; no number depends on it.
    """

    def __init__(
        self,
        policy: TaskPolicy,
        parameters: Parameters,
        rollouts: int,
        expected_steps: int,
        threads: int = 1,
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
        self._deviations = own["log_deviation"].exp() if "log_deviation" in own else None
        compiled = like.device.type == "cpu" and like.dtype == torch.float32 and rollouts >= BLOCK
        self._threads = threads
        self._compiled = self._bind() if compiled else None
        self._length = 0

    def act(self, features: Tensor, noise: Tensor) -> Tensor:
        """The next step of all rows.

        Args:
            features: (tasks * rollouts, features)
            noise: What the actions are drawn with (tasks, rollouts, ...).

        Returns:
            The actions (tasks, rollouts, ...).
        """
        at = self._length
        if at == self._means.shape[2]:
            self._grow()
        self._length += 1
        if self._compiled is not None:
            return self._compiled(at, features, noise)
        self._read[0][:, :, at] = features.view(*self._means.shape[:2], -1)
        self._run(at)
        deviations = None if self._deviations is None else self._deviations[:, None]
        return self._policy.distribution.sample(self._means[:, :, at], noise, deviations)

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

    def _bind(self) -> Callable[[int, Tensor, Tensor], Tensor]:
        """The compiled step, with the weights and the memory as they are now."""
        layers = range(self._policy.num_layers)
        weights = [self._scaled[f"weight_{layer}"] for layer in layers]
        weights[-1] = weights[-1].mT
        biases = [self._scaled[f"bias_{layer}"][:, 0] for layer in layers]
        categorical, deviations = self._deviations is None, self._deviations
        if deviations is None:
            deviations = torch.empty(len(biases[0]), 0)
        scratch = [torch.empty(self._threads, BLOCK, bias.shape[1]) for bias in biases]
        kernel, callee = _compiled_act(len(layers), categorical)
        run = partial(run_with_help, kernel) if self._threads > 1 else partial(kernel, ALONE)
        dtype = torch.int64 if categorical else torch.float32
        (deviations_of_all,) = arrays(deviations)
        (means,) = arrays_to_write(self._means)
        standing = {
            "read": arrays_to_write(*self._read), "weights": arrays(*weights),
            "biases": arrays(*biases), "deviations": deviations_of_all, "means": means,
            "scratch": arrays_to_write(*scratch),
        }  # fmt: skip

        # Nothing here holds the record: its memory is free as soon as nobody has it.
        def act(at: int, features: Tensor, noise: Tensor) -> Tensor:
            actions = torch.empty(noise.shape, dtype=dtype)
            given, drawn = arrays(features, noise)
            step = NetworkStep(
                number=at, features=given, noise=drawn, actions=actions.numpy(), **standing
            )
            run(callee.address, step)
            return actions

        return act

    def _grow(self) -> None:
        """Twice the memory, and what has been kept."""
        *self._read, self._means = (
            torch.cat([part, torch.empty_like(part)], 2) for part in (*self._read, self._means)
        )
        self._compiled = self._compiled and self._bind()


@cache  # What helpers call stays where it is as long as it is kept.
def _compiled_act(num_layers: int, categorical: bool) -> tuple[Callable[..., None], Any]:
    """The compiled step of networks of so many layers, and what helpers call for it."""
    rows, widths, steps = (np.zeros((1,) * n, np.float32) for n in (2, 3, 4))
    noise, actions = (widths, widths) if not categorical else (rows, np.zeros((1, 1), np.int64))
    step = NetworkStep(
        number=0,
        features=rows,
        noise=noise,
        read=(steps,) * num_layers,
        weights=(widths,) * num_layers,
        biases=(rows,) * num_layers,
        deviations=rows,
        means=steps,
        actions=actions,
        scratch=(widths,) * num_layers,
    )
    draw = acting_kernels.draw_categorical if categorical else acting_kernels.draw_gaussian
    options: dict[str, Any] = {"home": acting_kernels.__file__, "arguments": (ALONE, 0, step)}
    bound = {"draw_action": draw}
    callee = build_callee(acting_kernels.help_to_act, bound, **options)
    return build_kernel(acting_kernels.act, bound, **options), callee


def _memory_like(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Uninitialised memory of a tensor's kind and place."""
    if tensor.device.type == "cpu" and tensor.dtype == torch.float32:
        return recycled(*shape)
    return tensor.new_empty(shape)
