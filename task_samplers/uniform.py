"""Drawing uniformly from a task space."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.tasks import Tasks
from task_samplers.checks import check_draw
from task_samplers.protocol import TaskSampler

__all__ = ["UniformSampler"]

DRAW_AT_LEAST = 256
GIVE_UP_AFTER = 100_000


class UniformSampler(TaskSampler):
    """Draws every point of a task space with the same probability (or density).

    This is the distribution of the space, not of a family: where a family's tasks obey more than
    their bounds (a permutation, a maze with a way out), its own draws are those of
    :class:`task_samplers.SplitSampler`.

    Args:
        task_space: A bounded ``Dict`` of Box, Discrete, MultiDiscrete and MultiBinary.
        accept: Which of the drawn ``Tasks`` to keep, a Boolean array (n,): draws are then
            uniform over the tasks kept. None keeps all.

    Raises:
        ValueError: A space without finite bounds, or of a kind that a task is not made of.

    Example:
        >>> import gymnasium as gym
        >>> import numpy as np
        >>> from task_samplers import UniformSampler
        >>> goals = gym.spaces.Dict({"goal": gym.spaces.Box(-1, 1, (2,), np.float64)})
        >>> disc = UniformSampler(goals, lambda tasks: (tasks["goal"] ** 2).sum(axis=1) <= 1)
        >>> len(disc.sample(10, np.random.default_rng(0)))
        10
    """

    def __init__(
        self,
        task_space: gym.spaces.Dict,
        accept: Callable[[Tasks], npt.NDArray[np.bool_]] | None = None,
    ) -> None:
        if not isinstance(task_space, gym.spaces.Dict) or not task_space.spaces:
            raise ValueError(f"A task space is a Dict with at least one name, got {task_space}.")
        self._bounds = {name: _bounds(name, space) for name, space in task_space.items()}
        self._dtypes = {name: space.dtype for name, space in task_space.items()}
        self._accept = accept

    @property
    def n_tasks(self) -> int | None:
        """Number of points; None with a continuous parameter, or with ``accept``."""
        bounds = list(self._bounds.values())
        if self._accept is not None or any(low.dtype.kind == "f" for low, _ in bounds):
            return None
        # Python's integers, for products and ranges that overflow 64 bits.
        count: int = math.prod(
            highest - lowest + 1
            for low, high in bounds
            for lowest, highest in zip(low.ravel().tolist(), high.ravel().tolist(), strict=True)
        )
        return count

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Tasks:
        """Draw ``n_tasks`` tasks, independent of each other.

        Raises:
            ValueError: ``accept`` kept none of many draws, or answered with no mask.
        """
        check_draw(n_tasks, rng)
        if self._accept is None:
            return self._draw(n_tasks, rng)
        parts: list[Tasks] = []
        kept = drawn = 0
        while kept < n_tasks:
            if kept == 0 and drawn >= GIVE_UP_AFTER:
                raise ValueError(
                    f"accept kept none of {drawn} tasks; it is too narrow for drawing again and "
                    "again. For a family's own distribution use SplitSampler."
                )
            tasks = self._draw(max(n_tasks - kept, DRAW_AT_LEAST), rng)
            mask = np.asarray(self._accept(tasks))
            if mask.dtype != np.bool_ or mask.shape != (len(tasks),):
                raise ValueError(
                    f"accept must answer with a Boolean array ({len(tasks)},), "
                    f"got {mask.dtype} of shape {mask.shape}."
                )
            parts.append(tasks[mask])
            kept += len(parts[-1])
            drawn += len(tasks)
        return Tasks.concatenate(parts)[:n_tasks]

    def _draw(self, n_tasks: int, rng: np.random.Generator) -> Tasks:
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, (low, high) in self._bounds.items():
            shape = (n_tasks, *low.shape)
            if low.dtype.kind == "f":
                values: npt.NDArray[Any] = rng.uniform(low, high, shape)
            else:
                values = rng.integers(low, high, shape, low.dtype, endpoint=True)
            arrays[name] = np.asarray(values).astype(self._dtypes[name])
        return Tasks(arrays)


def _bounds(name: str, space: gym.Space[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Least and greatest values of a leaf, of its shape: float64, int64 or uint64."""
    if isinstance(space, gym.spaces.Discrete):
        start = np.array(space.start, np.int64)
        return start, start + np.int64(space.n - 1)
    if isinstance(space, gym.spaces.MultiDiscrete):
        start = space.start.astype(np.int64)
        return start, start + space.nvec.astype(np.int64) - 1
    if isinstance(space, gym.spaces.MultiBinary):
        return np.zeros(space.shape, np.int64), np.ones(space.shape, np.int64)
    if not isinstance(space, gym.spaces.Box) or space.low.dtype.kind not in "fiu":
        raise ValueError(
            "A task space is made of Box, Discrete, MultiDiscrete and MultiBinary, "
            f"{name!r} is {space}."
        )
    widest: Any = {"f": np.float64, "i": np.int64, "u": np.uint64}[space.low.dtype.kind]
    low, high = space.low.astype(widest), space.high.astype(widest)
    with np.errstate(over="ignore"):
        endless = low.dtype.kind == "f" and not np.isfinite(high - low).all()
    if endless or not space.is_bounded("both"):
        raise ValueError(
            f"Task parameter {name!r} has no finite bounds to draw between: {space}. Draw it by "
            "other means, or use SplitSampler for the family's own distribution."
        )
    return low, high
