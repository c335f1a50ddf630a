"""Ranks: the processes of one training, each with a share of its rows or tasks.

``torchrun`` starts them and tells them of one another. Every rank draws the same random numbers,
those of all rows, and takes its share; what a training makes of all rows together is exchanged by
the functions here. So the result depends on the number of ranks to rounding only. A process that
is alone gets back from each of them what it gave.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "alone",
    "deviation",
    "everyone",
    "joined",
    "mean",
    "number",
    "of_first",
    "refuse_device",
    "share",
    "totals",
]

Value = TypeVar("Value")


@contextmanager
def joined() -> Iterator[None]:
    """Meet the other ranks that ``torchrun`` has started, if it has, until the block ends."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    # Numba reads it at its import: without, each rank would start a thread for every core.
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    os.environ.setdefault("NUMBA_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // here)))
    dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def alone() -> bool:
    """Whether there are no other ranks."""
    return not (dist.is_available() and dist.is_initialized())


def number() -> int:
    """Of this rank, from 0 on; rank 0 alone reads and writes the run's folder."""
    return 0 if alone() else dist.get_rank()


def refuse_device(device: str) -> None:
    """Raise ``ValueError`` where several ranks were to train on another device than the CPU."""
    if device != "cpu" and not alone():
        raise ValueError(
            f"Several ranks train on the CPU; device={device!r} is for one process. Leave "
            "--device out, or torchrun."
        )


def share(count: int, name: str) -> slice:
    """Which of ``count`` things are this rank's: neighbours, as many as any other's, or one more.

    Raises:
        ValueError: They are fewer than the ranks; ``name`` is what they are called.
    """
    if alone():
        return slice(0, count)
    ranks, rank = dist.get_world_size(), dist.get_rank()
    if count < ranks:
        raise ValueError(f"{name} must be at least the number of ranks, {ranks}, got {count}.")
    return slice(count * rank // ranks, count * (rank + 1) // ranks)


def everyone(value: Value) -> list[Value]:
    """The values of all ranks, in their order.

    Raises:
        ConnectionError: Another rank has ended.
    """
    if alone():
        return [value]
    values: list[Value] = [value] * dist.get_world_size()
    with _naming_the_cause():
        dist.all_gather_object(values, value)
    return values


def of_first(function: Callable[[], Value]) -> Value:
    """What ``function`` answers on rank 0, where alone it is called; raises as :func:`everyone`."""
    if alone():
        return function()
    values: list[Any] = [function() if number() == 0 else None]
    with _naming_the_cause():
        dist.broadcast_object_list(values)
    value: Value = values[0]
    return value


def totals(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The sums over all ranks of each of some tensors of one dtype; raises as :func:`everyone`.

    All ranks get the same numbers, bit for bit: what they decide by these, they decide alike.
    """
    if alone():
        return list(tensors)
    flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
    with _naming_the_cause():
        dist.all_reduce(flat)
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]


def mean(values: Tensor) -> Tensor:
    """The mean of the values of all ranks together, float32 without dimensions."""
    if alone():
        return values.mean()
    exact = values.double()
    total, count = totals([exact.sum(), exact.new_tensor(exact.numel())])
    return (total / count).to(values.dtype)


def deviation(values: Tensor) -> Tensor:
    """Their standard deviation, without Bessel's correction."""
    if alone():
        return values.std(correction=0)
    return mean((values.double() - mean(values.double())).square()).sqrt().to(values.dtype)


@contextmanager
def _naming_the_cause() -> Iterator[None]:
    """Gloo speaks of sockets where a rank has died."""
    try:
        yield
    except RuntimeError as error:
        cause = str(error).split(". ")[0]
        raise ConnectionError(
            f"another rank has ended before its time, and says why itself ({cause})."
        ) from error
