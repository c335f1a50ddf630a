"""The table: its text, its files, and peers that are not there."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from agents.bench.report import print_rows, value_text, write_report
from agents.bench.rows import Row, absent_row, measured_row

FACTS = {"command": "metaenvs bench", "processor": "a|b"}
ROWS = [
    measured_row("speed", "ours", "env steps/s", [3e6, 1e6, 2e6], "step()"),
    absent_row("speed", "theirs", ("jax", "xminigrid")),
    measured_row("size", "ours", "parameters", [12345.0]),
]


def test_a_row_is_the_median_and_the_range() -> None:
    row = ROWS[0]
    assert (row.median, row.minimum, row.maximum, row.repeats) == (2e6, 1e6, 3e6, 3)


def test_an_absent_peer_says_what_it_needs() -> None:
    assert ROWS[1].median is None
    assert ROWS[1].note == "not installed (needs jax, xminigrid)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (12345678.0, "12,350,000"),
        (1000.0, "1,000"),
        (61.26, "61.3"),
        (0.9876, "0.988"),
    ],
)
def test_figures_are_rounded_for_people(value: float | None, text: str) -> None:
    assert value_text(value) == text


def test_the_csv_file_holds_the_machine_and_every_figure_unrounded(tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "folder", FACTS, {}, ROWS)
    with open(tmp_path / "new" / "folder" / "bench.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["measurement"] for line in lines] == ["machine"] * 2 + ["speed", "speed", "size"]
    assert lines[0]["note"] == "metaenvs bench"
    assert float(lines[2]["median"]) == 2e6
    assert lines[3]["median"] == ""
    assert set(lines[0]) == set(Row.__dataclass_fields__)


def test_the_markdown_file_has_a_table_for_each_measurement(tmp_path: Path) -> None:
    write_report(tmp_path, FACTS, {"speed": "How fast."}, ROWS)
    text = (tmp_path / "bench.md").read_text()
    assert r"| processor | a\|b |" in text
    assert "## speed\n\nHow fast.\n" in text
    assert "| ours | 2,000,000 | [1,000,000, 3,000,000] | env steps/s | step() |" in text
    assert "| theirs | - |  |  | not installed (needs jax, xminigrid) |" in text
    assert "| ours | 12,340 |  | parameters |  |" in text or "| ours | 12,350 |" in text


def test_writing_again_leaves_two_whole_files(tmp_path: Path) -> None:
    for _ in range(2):
        write_report(tmp_path, FACTS, {}, ROWS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.csv", "bench.md"]


def test_the_table_shows_ranges_in_brackets() -> None:
    console = Console(file=io.StringIO(), width=200)
    print_rows("speed", ROWS[:2], console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[1,000,000, 3,000,000]" in shown
    assert "[min, max]" in shown
    assert "not installed" in shown
