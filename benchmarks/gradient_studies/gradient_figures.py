"""The figures of the study of gradients and Hessians."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents.evaluation.plots import COLOURS, save
from gradient_studies.gradient_estimates import FIRST, NAMES, ROBUST, SECOND
from gradient_studies.random_processes import legend_below, mean_and_error, panels

__all__ = ["curves", "draw_study"]

STYLE = dict(zip(NAMES, COLOURS, strict=False))


def curves(
    rows: list[dict[str, Any]], column: str, *, along: str, **where: Any
) -> tuple[list[Any], Tensor]:
    """Points along one key, and the column's values (points, processes)."""
    chosen = [row for row in rows if all(row[key] == value for key, value in where.items())]
    points = sorted({row[along] for row in chosen})
    return points, torch.tensor(
        [[row[column] for row in chosen if row[along] == point] for point in points]
    )


def draw_study(rows: list[dict[str, Any]], epsilons: tuple[float, ...], out: Path) -> None:
    """The three figures."""
    middle = epsilons[len(epsilons) // 2]
    shown = [("Hessian", 0.0), ("gradient", middle), ("Hessian", middle)]
    figure, axes = panels(
        [f"{kind}, ε = {epsilon:g}" for kind, epsilon in shown],
        ["trajectories"] * 3,
        "correlation with the truth",
    )
    for place, (kind, epsilon) in zip(axes, shown, strict=True):
        where: dict[str, Any] = {"derivative": kind, "epsilon": epsilon, "along": "samples"}
        for name in STYLE:
            _draw(place, rows, "pearson_correlation", name, **where)
        for name in (FIRST, SECOND):
            _, limit = curves(rows, "limit_pearson_correlation", estimator=name, **where)
            place.axhline(float(limit.mean()), color=STYLE[name], linestyle=":", linewidth=1)
        place.set_xscale("log")
        place.set_ylim(-0.1, 1.02)
    legend_below(figure, axes, 6)
    save(figure, out / "correlation-by-samples.png")

    count = 1000
    kinds = ("gradient", "Hessian")
    figure, axes = panels(kinds, ["off-policyness ε"] * 2, "correlation with the truth", columns=2)
    for place, kind in zip(axes, kinds, strict=True):
        for name in STYLE:
            where = {"derivative": kind, "samples": count, "along": "epsilon"}
            _draw(place, rows, "pearson_correlation", name, **where)
        place.set_ylim(-0.1, 1.02)
    legend_below(figure, axes, 3)
    save(figure, out / "correlation-by-off-policyness.png")

    shown_columns = [
        (kind, column)
        for column in ("relative_squared_bias", "relative_variance")
        for kind in kinds
    ]
    figure, axes = panels(
        [f"{kind}: {column.removeprefix('relative_').replace('_', ' ')}"
         for kind, column in shown_columns],
        ["off-policyness ε"] * 4, "relative to the truth's square", columns=2,
    )  # fmt: skip
    for place, (kind, column) in zip(axes, shown_columns, strict=True):
        for name in STYLE:
            where = {"derivative": kind, "samples": count, "along": "epsilon"}
            _draw(place, rows, column, name, **where)
        place.set_yscale("log")
        place.set_xlim(-0.04, epsilons[-1] + 0.04)
        place.set_ylim(1e-4, 1e4)
    legend_below(figure, axes, 3)
    save(figure, out / "bias-and-variance.png")


def _draw(axes: Any, rows: list[dict[str, Any]], column: str, name: str, **where: Any) -> None:
    """One line with its standard error over processes."""
    points, values = curves(rows, column, estimator=name, **where)
    if not points:
        return
    means, errors = mean_and_error(values.T)
    means[means.abs() < 1e-12] = math.nan  # No bias but rounding, which a log axis cannot show.
    colour = STYLE[name]
    # On policy it coincides with order 2.
    line = "--" if name == ROBUST else "-"
    axes.plot(points, means, line, marker="o", markersize=3.5, color=colour, label=name)
    axes.fill_between(points, means - errors, means + errors, color=colour, alpha=0.15, linewidth=0)
