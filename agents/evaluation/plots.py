"""Figures of curves, as files or as text for a page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from agents.evaluation.curves import Curve
from agents.whole_file import write_whole

__all__ = ["COLOURS", "adaptation_figure", "learning_figure", "profile_figure", "save", "svg"]

COLOURS = ("#2166ac", "#b2182b", "#1b7837", "#762a83", "#8c510a", "#01665e", "#c51b7d", "#4d4d4d")
"""Told apart by most colour-blind readers; agents beyond these begin anew with dashes."""
SIZE = (5.2, 3.7)
"""Inches: on a telephone's width the letters are still as large as a page's small print."""
DOTS_PER_INCH = 200


def adaptation_figure(curves: Mapping[str, Curve], title: str) -> Figure:
    """Return by episode of the trial, one line per agent."""
    figure, axes = _figure(title, "episode in the trial", "return of the episode")
    for place, (label, curve) in enumerate(curves.items()):
        _draw(axes, place, label, curve, marker="o", markersize=4)
        axes.set_xticks(curve.x)
    axes.legend(frameon=False, fontsize=9)
    return figure


def learning_figure(
    curves: Mapping[str, Curve], title: str, up: str = "return of the last episode"
) -> Figure:
    """What ``up`` says against env steps of training."""
    figure, axes = _figure(title, "environment steps", up)
    for place, (label, curve) in enumerate(curves.items()):
        _draw(axes, place, label, curve)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(frameon=False, fontsize=9)
    return figure


def profile_figure(curves: Mapping[str, Curve], title: str) -> Figure:
    """Share of scores above a threshold; the higher line is the better agent."""
    figure, axes = _figure(title, "score", "share of runs and tasks above it")
    for place, (label, curve) in enumerate(curves.items()):
        _draw(axes, place, label, curve, drawstyle="steps-post", step="post")
    axes.set_ylim(-0.02, 1.02)
    axes.legend(frameon=False, fontsize=9)
    return figure


def save(figure: Figure, target: Path, dots_per_inch: int = DOTS_PER_INCH) -> None:
    """Write a figure in the format of the file's ending, whole or not at all."""
    content = io.BytesIO()
    figure.savefig(content, format=target.suffix.removeprefix("."), dpi=dots_per_inch)
    write_whole(target, content.getvalue())


def svg(figure: Figure) -> str:
    """A figure as SVG, the same text every time."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "metaenvs"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _figure(title: str, across: str, up: str) -> tuple[Figure, Any]:
    """An empty figure that no global state knows of."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    return figure, axes


def _draw(
    axes: Any, place: int, label: str, curve: Curve, step: str | None = None, **style: Any
) -> None:
    colour = COLOURS[place % len(COLOURS)]
    line = "-" if place < len(COLOURS) else "--"
    axes.plot(curve.x, curve.y, line, color=colour, label=label, linewidth=1.6, **style)
    axes.fill_between(
        curve.x, curve.low, curve.high, color=colour, alpha=0.15, step=step, linewidth=0
    )
