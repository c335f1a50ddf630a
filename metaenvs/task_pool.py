"""The finite lists of tasks that trials draw from: which tasks they hold, and their weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaenvs.arguments import at_least_one
from metaenvs.batch import Batch
from metaenvs.seeding import derive_key
from metaenvs.tasks import Tasks

__all__ = ["normalised_weights", "pool_of_split"]

POOL_KEY_STREAM = 1
DRAW_AT_ONCE = 256
MOST_DRAWS_PER_TASK = 1000


def pool_of_split(batch: Batch, split: str, split_seed: int, n_tasks: int | None) -> Tasks | None:
    """The tasks of a split where that is a finite list; None where it is a stream.

    Args:
        batch: Whose family and split it is, to draw tasks with.
        split: One of the family's splits.
        split_seed: Decides which tasks are the first.
        n_tasks: How many; None is what the family says of this split.

    Raises:
        ValueError: More tasks than the family has, or than its filter lets through; a filter
            without ``n_tasks``.
    """
    family = batch.family
    if split in family.pools:
        pool = family.pools[split]
        if n_tasks is not None and at_least_one("n_tasks", n_tasks) > len(pool):
            raise ValueError(f"Split {split!r} is a list of {len(pool)} tasks, got {n_tasks=}.")
        return pool[:n_tasks]
    n_tasks = family.n_tasks.get(split) if n_tasks is None else n_tasks
    accept = family.accept_tasks
    if n_tasks is None:
        if accept is not None:
            raise ValueError("This family's filter on tasks needs a finite list: pass n_tasks.")
        return None
    at_least_one("n_tasks", n_tasks)
    key = derive_key(0, POOL_KEY_STREAM, split_seed)
    parts: list[Tasks] = []
    while (found := sum(map(len, parts))) < n_tasks:
        if len(parts) >= MOST_DRAWS_PER_TASK * n_tasks / DRAW_AT_ONCE + 1:
            raise ValueError(
                f"Of {len(parts) * DRAW_AT_ONCE} tasks drawn, the family's filter kept {found};"
                f" n_tasks={n_tasks} seems out of reach with these settings."
            )
        part = batch.draw(DRAW_AT_ONCE, derive_key(key, len(parts)))
        parts.append(part if accept is None else part[accept(part)])
    return Tasks.concatenate(parts)[:n_tasks]


def normalised_weights(weights: npt.ArrayLike, n_tasks: int) -> npt.NDArray[np.float64]:
    """Weights (n_tasks,) that sum to one.

    Raises:
        ValueError: Not so many finite numbers of at least 0, or all 0.
    """
    array = np.asarray(weights, np.float64)
    fine = array.shape == (n_tasks,) and np.isfinite(array).all()
    if not fine or (array < 0).any() or array.sum() <= 0:
        raise ValueError(
            f"task weights must be {n_tasks} finite numbers of at least 0 and not "
            f"all 0, got shape {array.shape}."
        )
    normalised: npt.NDArray[np.float64] = array / array.sum()
    return normalised
