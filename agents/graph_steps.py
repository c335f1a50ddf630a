"""Work on a GPU that is captured in a CUDA graph once, and replayed from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

__all__ = ["CAPTURES", "Capture", "GraphSteps", "Work", "cuda_graph", "kernel_by_kernel"]

Work = Callable[[], dict[str, Tensor]]
"""Takes nothing; reads and writes tensors that stay where they are, and answers fresh ones.

On a replay no Python runs: what the work does may depend on no number that the host knows and that
changes, it may not ask for one that the device knows, and it draws no random numbers.
"""

Capture = Callable[[Work], tuple[Callable[[], None], dict[str, Tensor]]]
"""Captures work, without doing it, into what does it, and the answers that this writes anew."""


def cuda_graph(work: Work) -> tuple[Callable[[], None], dict[str, Tensor]]:
    """Capture work on torch's current GPU; it must have been done before, so that it is compiled.

    Raises:
        RuntimeError: It does what a graph cannot hold.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        # Other threads of the process may go on using the GPU meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            answers = work()
    except RuntimeError as error:
        raise RuntimeError(
            f"The steps of a rollout could not be captured in a CUDA graph: {error} "
            "With --no-cuda-graph their kernels are launched one by one."
        ) from error
    return graph.replay, answers


CAPTURES: dict[str, Capture] = {"cuda": cuda_graph}
"""How work is captured, by the type of the device; elsewhere it is not."""

_CAPTURING = ContextVar("capturing", default=True)


@contextmanager
def kernel_by_kernel() -> Iterator[None]:
    """Here work that is met for the first time is not captured, then or later."""
    before = _CAPTURING.set(False)
    try:
        yield
    finally:
        _CAPTURING.reset(before)


class GraphSteps:
    """Does the same work again and again.

    The first time it is done as it stands, which compiles its kernels; the second time it is
    captured, where that can be, and replayed.

    Args:
        work: What to do.
        device: Where its tensors are.
        captured: False does it as it stands every time, as :func:`kernel_by_kernel` has it.
    """

    def __init__(self, work: Work, device: torch.device, *, captured: bool = True) -> None:
        self._work = work
        self._capture = CAPTURES.get(device.type) if captured and _CAPTURING.get() else None
        self._compiled = False
        self._replay: Callable[[], None] | None = None
        self._answers: dict[str, Tensor] = {}

    def __call__(self) -> dict[str, Tensor]:
        """Do it once; the answers are the caller's."""
        if self._capture is None or not self._compiled:
            self._compiled = True
            return self._work()
        if self._replay is None:
            self._replay, self._answers = self._capture(self._work)
        self._replay()
        # The next replay writes them anew.
        return {name: answer.clone() for name, answer in self._answers.items()}
