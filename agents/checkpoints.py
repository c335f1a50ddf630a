"""Checkpoints of a run: one safetensors file whose header holds the rest as JSON.

One file, put in its place when it is complete: a run that is killed at any moment leaves the
checkpoint before or the one after, and never parts of two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from agents import ranks
from agents.training_state import TrainingState, read_state, write_state
from agents.whole_file import write_whole

__all__ = ["CHECKPOINT", "read_checkpoint", "write_checkpoint"]

CHECKPOINT = "checkpoint.safetensors"
FORMAT_VERSION = 1
MEND = "Put the right file there, or remove it to begin the run anew."

Array = npt.NDArray[Any]


def write_checkpoint(
    folder: Path, state: TrainingState[Any], agent: str, fields: Mapping[str, Any]
) -> None:
    """Keep the state of a training, in place of the checkpoint before.

    All ranks call it, and the first one writes.

    Args:
        folder: Of the run.
        state: Between two iterations.
        agent: The agent's name.
        fields: Its configuration, as the run's folder has it.

    Raises:
        OSError: The folder is full or may not be written; the checkpoint before is still there.
    """
    arrays, counters = read_state(state)
    if ranks.number() > 0:
        return
    told = json.dumps({"agent": agent, "config": fields, "counters": counters})
    header = {
        "format_version": str(FORMAT_VERSION),
        "training": told,
        "digest": _digest(told, arrays),
    }
    try:
        write_whole(folder / CHECKPOINT, save(arrays, header))
    except OSError as error:
        raise OSError(
            f"The checkpoint after {state.env_steps} env steps could not be written: {error}. "
            f"When that is mended, `metaenvs train --resume {folder}` goes on from the one before."
        ) from error


def read_checkpoint(
    folder: Path, state: TrainingState[Any], agent: str, fields: Mapping[str, Any]
) -> None:
    """Bring the state of a training that has not begun to that of the run's checkpoint.

    All ranks call it, and the first one reads.

    Args:
        folder: Of the run.
        state: As ``start`` of the agent gave it; not to be used where this raises.
        agent: The agent's name.
        fields: Its configuration, as the run's folder has it.

    Raises:
        FileNotFoundError: There is no checkpoint.
        ValueError: It is damaged, no checkpoint, that of another run, or of a newer version of
            this package.
    """
    arrays, counters = ranks.of_first(lambda: _read(folder, agent, fields))
    try:
        write_state(state, arrays, counters)
    except ValueError as error:
        raise ValueError(
            f"{folder / CHECKPOINT} does not fit this version's {agent}: {error} {MEND}"
        ) from error


def _read(
    folder: Path, agent: str, fields: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, float]]:
    """A checkpoint's arrays and counters; raises as :func:`read_checkpoint`."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(f"{folder} has no {CHECKPOINT}.")
    try:
        with safe_open(path, "numpy") as file:
            header = file.metadata() or {}
            if "format_version" not in header or "training" not in header:
                raise ValueError(f"{path} is no checkpoint of this package. {MEND}")
            if int(header["format_version"]) > FORMAT_VERSION:
                raise ValueError(
                    f"{path} has format {header['format_version']}, this package reads up to "
                    f"{FORMAT_VERSION}; update it."
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged, or no checkpoint: {error}. {MEND}") from error
    if header.get("digest") != _digest(header["training"], arrays):
        raise ValueError(f"{path} is damaged: its content does not have its digest. {MEND}")
    training = json.loads(header["training"])
    if training["agent"] != agent or training["config"] != fields:
        raise ValueError(f"{path} belongs to another run, of {training['agent']}. {MEND}")
    return arrays, training["counters"]


def _digest(told: str, arrays: Mapping[str, Array]) -> str:
    """Of everything that the file holds: safetensors itself notices missing bytes only."""
    digest = hashlib.blake2b(told.encode(), digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
