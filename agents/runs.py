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
    "refuse_used",
    "save_parameters",
]

CONFIG, MANIFEST, PARAMETERS = "config.json", "manifest.json", "parameters.safetensors"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; what it learns depends on these to rounding only."""

    threads: int = 1
    """Of the updates. A run that goes on uses as many, which makes it exact."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints; 0 for one after each iteration."""
    cuda_graph: bool = True
    """Whether a GPU's rollouts are captured in a CUDA graph, or launched kernel by kernel."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"--threads must be at least 1, got {self.threads}.")
        if not 0 <= self.checkpoint_every < float("inf"):
            raise ValueError(
                f"--checkpoint-every must be seconds from 0 on, got {self.checkpoint_every}."
            )


def refuse_used(folder: Path) -> None:
    """FileExistsError where a folder holds a run, or several."""
    if any((folder / name).exists() for name in (CONFIG, MANIFEST)):
        raise FileExistsError(
            f"{folder} holds a run already; choose another --out or remove it, or let it go on: "
            f"metaenvs train --resume {folder}"
        )


def create_run(folder: Path, agent: str, config: Any, options: RunOptions) -> None:
    """Make the folder of a run and write its resolved configuration.

    Raises:
        FileExistsError: The folder holds a run already; nothing is touched.
        OSError: It may not be written, or the disk is full.
    """
    refuse_used(folder)
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
    options = _read(folder).get("options", {})
    try:
        return RunOptions(**options)
    except TypeError as error:
        raise ValueError(f"{folder / CONFIG} has options that do not fit: {error}.") from error


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
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}.") from error
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not fit the network that {CONFIG} beside it describes: "
            f"{' '.join(str(error).split())}"
        ) from error


def _read(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.exists():
        raise ValueError(
            f"{folder} holds no run: it has no {CONFIG}. Name a folder that `metaenvs train` made."
        )
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        version = content["format_version"]
        for name, kind in (("format_version", int), ("agent", str), ("config", dict)):
            if not isinstance(content[name], kind):
                raise TypeError(f"{name} is {content[name]!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not the configuration of a run, or damaged: {error!r}."
        ) from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version}, this package reads up to {FORMAT_VERSION}; update it."
        )
    return content
