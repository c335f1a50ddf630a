"""The folder of a run: its configuration, options and trained parameters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from agents.whole_file import write_whole

__all__ = [
    "RunOptions",
    "create_run",
    "is_finished",
    "load_parameters",
    "read_config",
    "read_options",
    "save_parameters",
]

CONFIG, PARAMETERS = "config.json", "parameters.safetensors"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; what it learns depends on these to rounding only."""

    threads: int = 1
    """Of the updates. A run that goes on uses as many, which makes it exact."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints; 0 for one after each iteration."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"--threads must be at least 1, got {self.threads}.")
        if not 0 <= self.checkpoint_every < float("inf"):
            raise ValueError(
                f"--checkpoint-every must be seconds from 0 on, got {self.checkpoint_every}."
            )


def create_run(folder: Path, agent: str, config: Any, options: RunOptions) -> None:
    """Make the folder of a run and write its resolved configuration.

    Raises:
        FileExistsError: The folder holds a run already; nothing is touched.
        OSError: It may not be written, or the disk is full.
    """
    if (folder / CONFIG).exists():
        raise FileExistsError(
            f"{folder} holds a run already; choose another --out or remove it, or let it go on: "
            f"metaenvs train --resume {folder}"
        )
    content = {
        "format_version": FORMAT_VERSION,
        "agent": agent,
        "config": asdict(config),
        "options": asdict(options),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / CONFIG, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise OSError(
            f"The run's folder {folder} cannot be written: {error}. Choose another --out."
        ) from error


def read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """The agent's name and configuration of a run.

    Raises:
        ValueError: The folder holds no run, or one of a newer version of this package.
    """
    content = _read(folder)
    return content["agent"], content["config"]


def read_options(folder: Path) -> RunOptions:
    """How a run is carried out; as :func:`read_config` otherwise."""
    return RunOptions(**_read(folder).get("options", {}))


def is_finished(folder: Path) -> bool:
    """Whether the run has been trained to its end."""
    return (folder / PARAMETERS).exists()


def save_parameters(folder: Path, module: nn.Module) -> None:
    """Write a module's parameters, whole or not at all; OSError where that fails."""
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    write_whole(folder / PARAMETERS, save(tensors, {"format_version": str(FORMAT_VERSION)}))


def load_parameters(folder: Path, module: nn.Module) -> None:
    """Read a module's parameters.

    Raises:
        ValueError: None are there, the file is damaged, or it belongs to another network.
    """
    path = folder / PARAMETERS
    if not path.exists():
        raise ValueError(
            f"{folder} holds no trained parameters: it has no {PARAMETERS}. If the run was cut "
            f"off, `metaenvs train --resume {folder}` takes it to its end."
        )
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit this run's network: {error}") from error


def _read(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.exists():
        raise ValueError(f"{folder} holds no run: it has no {CONFIG}.")
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        version, _, _ = (content[key] for key in ("format_version", "agent", "config"))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a run: {error!r}.") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version}, this package reads up to {FORMAT_VERSION}; update it."
        )
    return content
