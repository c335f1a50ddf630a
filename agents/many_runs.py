"""Runs that differ in the seed alone, trained at the same time, with a manifest of them.

The manifest says what there is to do. What is done is read from the folders of the runs, so that
the two cannot disagree after a kill.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.local_workers import LocalWorkers
from agents.registry import find_agent
from agents.runs import CONFIG, MANIFEST, RunOptions, create_run, is_finished, refuse_used
from agents.whole_file import write_whole

if TYPE_CHECKING:
    from agents.ray_workers import RayWorkers

__all__ = ["Manifest", "create_runs", "has_manifest", "runs_of", "train_runs"]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What there is to do."""

    agent: str
    """Its name."""
    config: dict[str, Any]
    """Its configuration, whose seed counts for none of the runs."""
    options: RunOptions
    """Of each run."""
    seeds: Sequence[int]
    """One for each run, whose folder is ``seed`` and that number."""
    processes: int
    """How many runs are trained at the same time."""
    ray: bool = False
    """Whether Ray trains them, here or on its cluster (:mod:`agents.ray_workers`)."""

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("Several runs need at least one seed, got none.")
        if self.processes < 1:
            raise ValueError(f"--processes must be at least 1, got {self.processes}.")
        if self.ray and importlib.util.find_spec("ray") is None:
            raise ValueError("--ray needs Ray: pip install 'metaenvs[ray]'.")


def create_runs(folder: Path, manifest: Manifest) -> None:
    """Make the folder of some runs and write their manifest.

    Raises:
        FileExistsError: The folder holds runs already; nothing is touched.
        OSError: It may not be written, or the disk is full.
    """
    refuse_used(folder)
    content = {"format_version": FORMAT_VERSION, **asdict(manifest)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / MANIFEST, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise OSError(
            f"The folder {folder} cannot be written: {error}. Choose another --out."
        ) from error


def has_manifest(folder: Path) -> bool:
    """Whether the folder is that of several runs."""
    return (folder / MANIFEST).exists()


def runs_of(folder: Path) -> list[Path]:
    """The folders of the runs of a manifest; the folder itself where it has none.

    Raises:
        ValueError: The manifest is damaged, or of a newer version of this package.
    """
    if not has_manifest(folder):
        return [folder]
    return [folder / f"seed{seed}" for seed in _read_manifest(folder).seeds]


def train_runs(folder: Path, tell: Callable[[str], None] = print) -> list[Path]:
    """Train the runs of a manifest to their ends, each from where it was cut off.

    Finished runs are left alone. What a run says goes to its ``log.txt``.

    Args:
        folder: As :func:`create_runs` made it.
        tell: Is given a line where a run begins and where it ends.

    Returns:
        The folders of the runs.

    Raises:
        ChildProcessError: Some runs were not finished; the message says which and why. The others
            were, and the next call trains those again.
        ValueError: The manifest is damaged, or of a newer version of this package.
    """
    manifest = _read_manifest(folder)
    entry = find_agent(manifest.agent)
    runs = runs_of(folder)
    for seed, run in zip(manifest.seeds, runs, strict=True):
        if not (run / CONFIG).exists():
            config = entry.read({**manifest.config, "seed": seed})
            create_run(run, manifest.agent, config, manifest.options)
    to_do = [run for run in runs if not is_finished(run)]
    tell(f"{len(runs) - len(to_do)} of {len(runs)} runs are finished")
    failures: list[str] = []
    working = 0
    workers = _workers(manifest)
    try:
        while to_do or working:
            while to_do and working < manifest.processes:
                run = to_do.pop(0)
                workers.begin(run)
                working += 1
                tell(f"{run.name} begins, or goes on")
            for run, complaint in workers.ended():
                working -= 1
                tell(f"{run.name} {complaint or 'is finished'}")
                if complaint:
                    failures.append(f"{run.name} {complaint}")
    finally:
        workers.close()
    if failures:
        raise ChildProcessError(
            f"{len(failures)} of {len(runs)} runs did not come to their end: "
            f"{'; '.join(failures)}. `metaenvs train --resume {folder}` lets them go on."
        )
    return runs


def _workers(manifest: Manifest) -> LocalWorkers | RayWorkers:
    if manifest.ray:
        from agents.ray_workers import RayWorkers

        return RayWorkers(manifest.processes, manifest.options.threads)
    return LocalWorkers(manifest.processes)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text())
        version = content.pop("format_version")
        if version > FORMAT_VERSION:
            raise ValueError(
                f"{path} has format {version}, this package reads up to {FORMAT_VERSION}; "
                "update it."
            )
        return Manifest(**{**content, "options": RunOptions(**content["options"])})
    except (UnicodeError, json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no manifest of runs, or damaged: {error!r}.") from error
