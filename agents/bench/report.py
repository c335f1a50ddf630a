"""Showing and writing the table."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agents.bench.rows import Row

__all__ = ["print_rows", "value_text", "write_report"]

MACHINE = "machine"
"""What the CSV file calls the lines that tell the facts of the machine."""


def value_text(value: float | None) -> str:
    """A figure as people read it: four digits, no more."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{float(f'{value:.4g}'):,.0f}"
    return f"{value:.3g}"


def print_rows(title: str, rows: Sequence[Row], console: Console) -> None:
    """Show one measurement."""
    table = Table(title=title, title_justify="left")
    for heading in ("what", "median", "[min, max]", "unit", "note"):
        is_figure = heading in ("median", "[min, max]")
        table.add_column(
            heading.replace("[", r"\["),
            justify="right" if is_figure else "left",
            no_wrap=is_figure,
            overflow="fold",
        )
    for row in rows:
        # A range in brackets would be taken for markup.
        table.add_row(*(cell.replace("[", r"\[") for cell in _cells(row)))
    console.print(table)


def write_report(
    out: Path, facts: Mapping[str, str], titles: Mapping[str, str], rows: Sequence[Row]
) -> None:
    """Write ``bench.csv`` and ``bench.md`` into ``out``, each whole or not at all.

    Args:
        out: Folder; made where there is none.
        facts: Of the machine.
        titles: Name of a measurement to a line about it.
        rows: All measurements, one after another.
    """
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "bench.csv", _csv_text(facts, rows))
    _write(out / "bench.md", _markdown_text(facts, titles, rows))


def _csv_text(facts: Mapping[str, str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    names = [field.name for field in fields(Row)]
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for name, fact in facts.items():
        writer.writerow({"measurement": MACHINE, "what": name, "note": fact})
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def _markdown_text(facts: Mapping[str, str], titles: Mapping[str, str], rows: Sequence[Row]) -> str:
    lines = ["# Measurements", "", "| machine | |", "|---|---|"]
    lines += [f"| {name} | {_escape(fact)} |" for name, fact in facts.items()]
    lines += [
        "",
        "Medians with [min, max]; the contenders of one table ran in turn, so its ratios hold "
        "where the machine was shared. A ratio is taken round by round.",
    ]
    for name in dict.fromkeys(row.measurement for row in rows):
        lines += ["", f"## {name}", "", titles.get(name, ""), ""]
        lines += ["| what | median | [min, max] | unit | note |", "|---|---|---|---|---|"]
        for row in rows:
            if row.measurement == name:
                lines.append(f"| {' | '.join(map(_escape, _cells(row)))} |")
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    spread = ""
    if row.median is not None and row.repeats > 1:
        spread = f"[{value_text(row.minimum)}, {value_text(row.maximum)}]"
    return row.what, value_text(row.median), spread, row.unit, row.note


def _escape(text: str) -> str:
    return text.replace("|", r"\|")


def _write(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        # mkstemp's files are private; results are for everybody who may read the folder.
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
