"""Progress of a run on the terminal: env steps, rate, time left, latest return."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["Report", "show_progress"]

SECONDS_BETWEEN_LINES = 15.0


class Report(Protocol):
    """Takes the metrics of an iteration."""

    def __call__(self, metrics: Mapping[str, float]) -> None:
        """Show them."""


@contextmanager
def show_progress(title: str, total_env_steps: int) -> Iterator[Report]:
    """A bar on a terminal, a line every quarter of a minute elsewhere."""
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(title, total=total_env_steps, told="")
        last_line = float("-inf")

        def report(metrics: Mapping[str, float]) -> None:
            nonlocal last_line
            steps, rate = metrics["env_steps"], metrics["time/env_steps_per_second"]
            told = f"{steps:,.0f} env steps, {rate:,.0f}/s, return {metrics['train/return']:.2f}"
            progress.update(bar, completed=min(steps, total_env_steps), told=told)
            now = time.monotonic()
            if not console.is_terminal and now - last_line >= SECONDS_BETWEEN_LINES:
                last_line = now
                left = max(total_env_steps - steps, 0) / max(rate, 1e-9)
                console.print(f"{title}: {told}, {left:.0f} s left", highlight=False)

        yield report
