"""The figures of the study of meta-gradients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.evaluation.plots import COLOURS, save
from gradient_studies.composed_meta_gradient import EXACT, FIRST_ORDER, ORDER_ONE, SCORE
from gradient_studies.random_processes import legend_below, panels

__all__ = ["draw_enumerated", "draw_intrinsic", "draw_sampled"]

Rows = Sequence[dict[str, Any]]

STYLE = dict(zip((EXACT, ORDER_ONE, SCORE, FIRST_ORDER), COLOURS, strict=False))
LABELS = {
    EXACT: "exact: order ≥ 2, DiCE, DR",
    ORDER_ONE: "order 1",
    SCORE: "score without critic",
    FIRST_ORDER: "score, exact critic; first-order MAML",
}
GREY = "#4d4d4d"


def draw_enumerated(rows: Rows, out: Path) -> None:
    """Bias of the outer gradient beside its bound and limit; shared and separate samples."""
    sweeps = [
        ("samples, 1 step", "samples", "trajectories per batch n, 1 step"),
        ("rate", "rate", "inner learning rate, 1 step, n = 4"),
        ("steps", "steps", "inner steps, n = 1"),
    ]
    figure, axes = panels(
        ["outer gradient against n", "against the rate", "against steps", "meta-gradient"],
        [label for *_, label in sweeps] + ["trajectories per batch n, 1 step"],
        "norm of the bias",
        columns=2,
    )
    for place, (sweep, along, _) in zip(axes, sweeps, strict=False):
        chosen = [row for row in rows if row["sweep"] == sweep]
        for column, colour, line, label in (
            ("lemma_4_4", GREY, "--", "lemma 4.4"),
            ("outer_gradient_limit_over_n", GREY, ":", "limit over n"),
            ("outer_gradient_bias", COLOURS[0], "o-", "compositional bias"),
        ):
            _line(place, chosen, along, column, colour, line, label)
    chosen = [row for row in rows if row["sweep"] == "samples, 1 step"]
    for name in (EXACT, ORDER_ONE, SCORE):
        column = "compositional_bias" if name == EXACT else f"total_bias: {name}"
        _line(axes[3], chosen, "samples", column, STYLE[name], "o-", LABELS[name])
        shared = f"total_bias, shared samples: {name}"
        _line(axes[3], chosen, "samples", shared, STYLE[name], "x--", f"{name}, shared samples")
    for place in (axes[0], axes[1], axes[3]):
        place.set_xscale("log", base=2)
    legend_below(figure, axes, 3)
    save(figure, out / "enumerated.png")


def draw_sampled(rows: Rows, limits: Rows, out: Path) -> None:
    """Relative biases against batches, rates and steps, medians over processes."""
    sweeps = (
        ("samples", "trajectories per batch n"),
        ("rate", "inner learning rate"),
        ("steps", "inner steps"),
    )
    figure, axes = panels(
        ["2 steps, rate 3", "2 steps, n = 32", "rate 3, n = 32"],
        [label for _, label in sweeps],
        "bias relative to the meta-gradient",
    )
    for place, (along, _) in zip(axes, sweeps, strict=True):
        chosen = [row for row in rows if row["sweep"] == along]
        for name, colour in STYLE.items():
            ours = [row for row in chosen if row["jacobian"] == name]
            _line(place, ours, along, "total", colour, "o-", LABELS[name], root=True)
            if name != EXACT and along != "samples":
                _line(place, ours, along, "hessian", colour, ":", None, root=True)
        ours = [row for row in chosen if row["jacobian"] == FIRST_ORDER]
        _line(place, ours, along, "lemma_4_4", GREY, "--", "lemma 4.4", root=True)
        ours = [row for row in chosen if row["jacobian"] == EXACT]
        label = "squared error of ten, as released"
        _line(place, ours, along, "released_measure", COLOURS[0], "x--", label, root=True)
        place.set_ylim(1e-3, 1e2)
    axes[1].plot([], [], ":", color=GREY, label="with exact steps")
    points = sorted({row["samples"] for row in rows if row["sweep"] == "samples"})
    limit = float(np.median([row["limit"] for row in limits if row["jacobian"] == EXACT]))
    axes[0].plot(
        points, limit / np.array(points), ":", color=COLOURS[0], label="exact: limit over n"
    )
    axes[0].set_xscale("log", base=2)
    legend_below(figure, axes, 4)
    save(figure, out / "sampled.png")


def draw_intrinsic(rows: Rows, out: Path) -> None:
    """Relative bias of LIRPG's meta-gradient against steps: processes, and their median."""
    rates = sorted({row["rate"] for row in rows})
    figure, axes = panels(
        [f"rate {rate:g}" for rate in rates],
        ["inner steps"] * len(rates),
        "bias relative to the meta-gradient",
        columns=len(rates),
    )
    for place, rate in zip(axes, rates, strict=True):
        for name in (ORDER_ONE, SCORE, FIRST_ORDER):
            # With one step no Hessian enters: the bias is 0.
            ours = [row for row in rows if (row["rate"], row["jacobian"]) == (rate, name)]
            ours = [row for row in ours if row["steps"] > 1]
            for process in sorted({row["process"] for row in ours}):
                single = [row for row in ours if row["process"] == process]
                place.plot(
                    [row["steps"] for row in single], [row["relative_bias"] for row in single],
                    color=STYLE[name], alpha=0.25, linewidth=0.8,
                )  # fmt: skip
            label = "score, exact critic" if name == FIRST_ORDER else LABELS[name]
            _line(place, ours, "steps", "relative_bias", STYLE[name], "o-", label)
        place.set_ylim(5e-3, 2e3)
        place.set_xticks([2, 3, 4, 5])
    legend_below(figure, axes, 3)
    save(figure, out / "intrinsic-rewards.png")


def _line(
    place: Any, rows: Rows, along: str, column: str, colour: str, line: str, label: str | None,
    *, root: bool = False,
) -> None:  # fmt: skip
    """Median over processes; ``root`` of what is a square."""
    points = sorted({row[along] for row in rows})
    middle = np.array(
        [np.median([row[column] for row in rows if row[along] == point]) for point in points]
    )
    if root:
        middle = np.sqrt(np.maximum(middle, 0))
    place.plot(points, middle, line, color=colour, label=label, linewidth=1.5, markersize=4)
    place.set_yscale("log")
