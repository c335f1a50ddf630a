"""The random processes of the gradient studies, and how their data and figures are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

import metaenvs  # noqa: F401  (registers the environments)
from agents.bench.machine import machine_facts
from agents.estimators.tabular_mdp import TabularMDP
from agents.whole_file import write_whole
from metaenvs.tabular.values import DISCOUNT

__all__ = [
    "HORIZON",
    "family_processes",
    "legend_below",
    "mean_and_error",
    "panels",
    "reference_process",
    "write_csv",
    "write_summary",
]

HORIZON = 20
"""Steps of a trajectory in the code of Tang et al. 2021 and of Liu et al. 2022."""


def reference_process(
    seed: int, num_states: int = 10, num_actions: int = 5, concentration: float = 0.001
) -> TabularMDP:
    """A process of Tang et al. 2021, section 5.1, from NumPy's generator with this seed."""
    rng = np.random.default_rng(seed)
    laws = rng.dirichlet(concentration * np.ones(num_states), size=(num_states, num_actions))
    return _process(laws, rng.uniform(size=(num_states, num_actions)))


def family_processes(
    count: int, num_states: int = 10, num_actions: int = 5, concentration: float = 0.001
) -> list[TabularMDP]:
    """The same law of processes as `metaenvs/TabularMDP-v0` draws it."""
    env = gym.make(
        "metaenvs/TabularMDP-v0",
        num_states=num_states,
        num_actions=num_actions,
        concentration=concentration,
        split="all",
    )
    env.reset(seed=0)
    tasks = env.get_wrapper_attr("sample_tasks")(count)
    env.close()
    return [_process(*pair) for pair in zip(tasks["transitions"], tasks["rewards"], strict=True)]


def _process(transitions: Any, rewards: Any) -> TabularMDP:
    initial = torch.zeros(len(rewards), dtype=torch.float64)
    initial[0] = 1
    return TabularMDP(torch.tensor(transitions), torch.tensor(rewards), initial, DISCOUNT)


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """One line per row, floats with six significant digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                key: f"{value:.6g}" if isinstance(value, float) else value
                for key, value in row.items()
            }
        )
    write_whole(path, text.getvalue())


def panels(
    titles: Sequence[str], across: Sequence[str], up: str, *, columns: int = 3
) -> tuple[Figure, list[Any]]:
    """Axes in rows of ``columns``, with a label below each."""
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.3 * rows + 0.4), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for number, (place, title, label) in enumerate(zip(axes, titles, across, strict=True)):
        place.set_title(title, loc="left", fontsize=10)
        place.set_xlabel(label)
        place.spines[["top", "right"]].set_visible(False)
        place.grid(axis="y", alpha=0.25)
        if number % columns == 0:
            place.set_ylabel(up)
    return figure, axes


def legend_below(figure: Figure, axes: Sequence[Any], columns: int) -> None:
    """One legend for all axes, each label once."""
    found: dict[str, Any] = {}
    for place in axes:
        handles, labels = place.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(
        list(found.values()),
        list(found),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )


def mean_and_error(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the first dimension and its standard error."""
    return values.mean(0), values.std(0) / len(values) ** 0.5


def write_summary(
    out: Path, command: str, seconds: float, tables: Mapping[str, Sequence[Mapping[str, object]]]
) -> None:
    """Tables, the machine and the seconds, as ``summary.md``."""
    lines = ["# Summary", "", "| machine | |", "|---|---|"]
    facts = machine_facts(f"python benchmarks/{command}")
    facts |= {"seconds of one core": f"{seconds:.0f}"}
    lines += [f"| {name} | {fact} |" for name, fact in facts.items()]
    for name, rows in tables.items():
        lines += ["", f"## {name}", "", f"| {' | '.join(rows[0])} |", "|---" * len(rows[0]) + "|"]
        cells = ([_cell(value, 3) for value in row.values()] for row in rows)
        lines += [f"| {' | '.join(row)} |" for row in cells]
    write_whole(out / "summary.md", "\n".join(lines) + "\n")
    print((out / "summary.md").read_text())


def _cell(value: object, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
