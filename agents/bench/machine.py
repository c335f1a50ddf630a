"""What a figure means nothing without: the machine, the versions, the date and the command."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import metaenvs

__all__ = ["machine_facts"]

PACKAGES = (
    "numpy", "numba", "numba-cuda", "gymnasium", "torch", "jax", "xminigrid", "minigrid",
    "stable-baselines3", "sb3-contrib", "mujoco", "mujoco-warp", "warp-lang", "envpool",
)  # fmt: skip


def machine_facts(command: str) -> dict[str, str]:
    """Facts by name, in the order they are told."""
    facts = {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": _cores(),
        "load at start": _load(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "metaenvs": metaenvs.__version__,
    }
    for package in PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _cores() -> str:
    if hasattr(os, "sched_getaffinity"):
        return str(len(os.sched_getaffinity(0)))
    return str(os.cpu_count())


def _load() -> str:
    """Processes that were running over the last minute: what the figures had to share with."""
    try:
        return f"{os.getloadavg()[0]:.2f}"
    except (AttributeError, OSError):
        return "unknown"
