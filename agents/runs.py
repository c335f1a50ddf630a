"""The folder of a run: configuration, metrics, checkpoint."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

__all__ = ["MetricsFile", "create_run", "load_parameters", "read_config", "save_parameters"]

CONFIG, PARAMETERS, METRICS = "config.json", "parameters.safetensors", "metrics.csv"
FORMAT_VERSION = 1


def create_run(folder: Path, agent: str, config: Any) -> None:
    """Make the folder of a run and write its resolved configuration.

    Raises:
        FileExistsError: The folder holds a run already; nothing is touched.
    """
    if (folder / CONFIG).exists():
        raise FileExistsError(f"{folder} holds a run already; choose another --out or remove it.")
    folder.mkdir(parents=True, exist_ok=True)
    content = {"format_version": FORMAT_VERSION, "agent": agent, "config": asdict(config)}
    _write_atomically(folder / CONFIG, json.dumps(content, indent=2) + "\n")


def read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """The agent's name and configuration of a run.

    Raises:
        ValueError: The folder holds no run, or one of a newer version of this package.
    """
    path = folder / CONFIG
    if not path.exists():
        raise ValueError(f"{folder} holds no run: it has no {CONFIG}.")
    try:
        content = json.loads(path.read_text())
        version, agent, config = (content[key] for key in ("format_version", "agent", "config"))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a run: {error!r}.") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version}, this package reads up to {FORMAT_VERSION}; update it."
        )
    return agent, config


def save_parameters(folder: Path, module: nn.Module) -> None:
    """Write a module's parameters, whole or not at all."""
    temporary = folder / f"{PARAMETERS}.partial"
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    try:
        save_file(tensors, temporary, {"format_version": str(FORMAT_VERSION)})
        temporary.replace(folder / PARAMETERS)
    finally:
        temporary.unlink(missing_ok=True)


def load_parameters(folder: Path, module: nn.Module) -> None:
    """Read a module's parameters.

    Raises:
        ValueError: None are there, the file is damaged, or it belongs to another network.
    """
    path = folder / PARAMETERS
    if not path.exists():
        raise ValueError(f"{folder} holds no trained parameters: it has no {PARAMETERS}.")
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit this run's network: {error}") from error


class MetricsFile:
    """Appends metrics to the run's CSV, a line each, flushed.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = open(folder / METRICS, "w", newline="")  # noqa: SIM115
        self._writer: csv.DictWriter[str] | None = None

    def write(self, metrics: Mapping[str, float]) -> None:
        """Append one line; the first decides the columns."""
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(metrics))
            self._writer.writeheader()
        self._writer.writerow(metrics)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _write_atomically(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
