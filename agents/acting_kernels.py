"""One step of the networks of many tasks on a CPU, compiled, with all that they compute kept.

``draw_action`` is bound to that of the policy's distribution when a kernel is compiled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from agents.compiled import compiled
from agents.compiled_math import add_products, begin_sums, copy, dot, through_units
from agents.policy_kernels import choose
from agents.register_tiles import BLOCK
from metaenvs.kernels.foreign import address_of, value_at
from metaenvs.kernels.helpers import close_job, next_chunk, open_job
from metaenvs.kernels.row_function import row_function

__all__ = ["NetworkStep", "act", "draw_categorical", "draw_gaussian", "help_to_act"]

ARGUMENTS = None  # Numba's type of all arguments of act, where that is compiled.


class NetworkStep(NamedTuple):
    """What a step needs, and where it writes; tuples have an entry for each layer.

    Arrays are float32 and in row-major order.
    """

    number: Any
    """Of the step."""
    features: Any
    """What the networks are given (tasks * rollouts, width), at least four rollouts."""
    noise: Any
    """What actions are drawn with (tasks, rollouts) or (tasks, rollouts, n)."""
    read: Any
    """Written: what each layer reads (tasks, rollouts, steps, width)."""
    weights: Any
    """(tasks, width, next width), those of the last layer transposed: its outputs are so few that
    each is a product of two rows. One task's where all share them."""
    biases: Any
    """The same (tasks, next width)."""
    deviations: Any
    """Of a Gaussian policy's actions (tasks, n), likewise."""
    means: Any
    """Written: the last layer's numbers (tasks, rollouts, steps, means)."""
    actions: Any
    """Written: (tasks, rollouts) int64 of a categorical policy, or (tasks, rollouts, n)."""
    scratch: Any
    """Of each layer (workers, 4, next width)."""


@row_function
def draw_gaussian(means: Any, deviations: Any, noise: Any, rollout: Any, actions: Any) -> None:
    """One row's action, from normal numbers."""
    for j in range(means.shape[0]):
        actions[rollout, j] = means[j] + deviations[j] * noise[rollout, j]


@row_function
def draw_categorical(means: Any, deviations: Any, noise: Any, rollout: Any, actions: Any) -> None:
    """The same from a uniform number; there are no deviations."""
    actions[rollout] = choose(means, noise[rollout])[0]


@row_function
def draw_action(means: Any, deviations: Any, noise: Any, rollout: Any, actions: Any) -> None:
    """That of the policy at hand."""
    raise NotImplementedError("A kernel is compiled with one of the two above.")


@compiled
def run_task(task: Any, own: Any, worker: Any, now: Any) -> None:
    """The forward pass of one task's rows, four at a time through all layers."""
    step, read, means = now.number, now.read, now.means
    rollouts, last = means.shape[1], len(now.weights) - 1
    for i in range(rollouts):
        copy(now.features[task * rollouts + i], read[0][task, i, step])
    for block in range(0, rollouts, BLOCK):
        first = min(block, rollouts - BLOCK)  # some rows twice, if need be
        for layer in range(last):
            sums, weight = now.scratch[layer][worker], now.weights[layer][own]
            begin_sums(now.biases[layer][own], sums)
            add_products(read[layer][task, first : first + BLOCK, step], weight, sums)
            for i in range(BLOCK):
                through_units(sums[i], read[layer + 1][task, first + i, step])
        for i in range(first, first + BLOCK):
            for j in range(means.shape[3]):
                product = dot(read[last][task, i, step], now.weights[last][own, j])
                means[task, i, step, j] = now.biases[last][own, j] + product


@row_function(inline=False)
def act_in_task(task: Any, worker: Any, now: Any) -> None:
    """Means and actions of one task's rows."""
    own = task if now.weights[0].shape[0] > 1 else 0
    run_task(task, own, worker, now)
    for rollout in range(now.means.shape[1]):
        draw_action(
            now.means[task, rollout, now.number], now.deviations[own], now.noise[task], rollout,
            now.actions[task],
        )  # fmt: skip


@row_function(inline=False)
def share_tasks(board: Any, worker: Any, now: Any) -> None:
    """What one worker does of a step."""
    num_tasks = now.means.shape[0]
    task = next_chunk(board, worker, num_tasks)
    while task < num_tasks:
        act_in_task(task, worker, now)
        task = next_chunk(board, worker, num_tasks)


def act(board: Any, help_address: Any, now: Any) -> None:
    """One step of all rows.

    Args:
        board: Of helpers; an empty one leaves all to the calling thread.
        help_address: Where the C function of :func:`help_to_act` lies.
        now: A :class:`NetworkStep`.
    """
    if board.shape[0] == 0:
        for task in range(now.means.shape[0]):
            act_in_task(task, 0, now)
        return
    arguments = (board, help_address, now)
    open_job(board, help_address, address_of(arguments), now.scratch[0].shape[0])
    share_tasks(board, 0, now)
    close_job(board)


def help_to_act(address: Any, worker: Any) -> None:
    """What a helper does of :func:`act`."""
    board, _, now = value_at(address, ARGUMENTS)
    share_tasks(board, np.int64(worker), now)
