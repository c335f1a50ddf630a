"""From the seeds that users give to the keys of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.random import fold

__all__ = ["derive_key", "row_keys"]

WORD_RANGE = 2**64


def _seed_word(seed: Any) -> int:
    """A seed as a 64-bit word; longer ones are condensed by NumPy's ``SeedSequence``."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"A seed must be an integer of at least 0, got {seed!r}.")
    if seed < WORD_RANGE:
        return int(seed)
    return int(np.random.SeedSequence(int(seed)).generate_state(1, np.uint64)[0])


def derive_key(key: int | np.uint64, *numbers: int) -> np.uint64:
    """Key of a sub-stream of a sub-stream ... of ``key``, one level for each of ``numbers``."""
    keys = np.array([key], np.uint64)  # NumPy warns where scalars overflow, not where arrays do.
    for number in numbers:
        keys = fold(keys, np.array([number], np.uint64))
    return np.uint64(keys[0])


def row_keys(
    seed: int | Sequence[int | None] | None, num_envs: int, *, first_time: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Keys of rows (num_envs,) uint64, and which rows are given one.

    Args:
        seed: As in ``reset``: an integer (row r has ``seed + r``), a list of integers and None,
            or None.
        num_envs: Number of rows.
        first_time: Rows (num_envs,) that never had a key; without a seed they get one from the
            operating system.

    Raises:
        ValueError: A negative seed, one that is no integer, or a list of a wrong length.
    """
    if seed is None and not first_time.any():
        return np.zeros(num_envs, np.uint64), first_time
    seeds: list[int | None]
    if seed is None:
        seeds = [None] * num_envs
    elif isinstance(seed, int | np.integer):
        _seed_word(seed)
        seeds = [int(seed) + row for row in range(num_envs)]
    else:
        if isinstance(seed, str) or not isinstance(seed, Sequence | np.ndarray):
            raise ValueError(
                f"seed must be an integer of at least 0, a list with one for each row, or None; "
                f"got {seed!r}."
            )
        seeds = list(seed)
        if len(seeds) != num_envs:
            raise ValueError(f"A list of seeds must have num_envs={num_envs}, got {len(seeds)}.")
    given = np.array([single is not None for single in seeds], np.bool_)
    entropy = np.random.SeedSequence() if (first_time & ~given).any() else None
    words: npt.NDArray[np.uint64] = np.zeros(num_envs, np.uint64)
    if entropy is not None:
        words[:] = entropy.generate_state(num_envs, np.uint64)
    for row, single in enumerate(seeds):
        if single is not None:
            words[row] = _seed_word(single)
    keys: npt.NDArray[np.uint64] = fold(np.uint64(0), words)
    return keys, given | first_time
