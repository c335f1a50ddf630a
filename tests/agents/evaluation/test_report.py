"""The page made of known runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from agents.evaluation.comparison import compare_runs
from agents.evaluation.report import report_page, write_report


def test_the_page_needs_nothing_else_and_says_what_it_shows(
    runs: list[Path], tmp_path: Path
) -> None:
    (runs[0] / "trial.png").write_bytes(b"\x89PNG picture")
    page = report_page(compare_runs(runs))
    assert page == report_page(compare_runs(runs))
    links = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]+)', page)
    assert len(links) == 4
    assert all(link.startswith("data:image/") for link in links)
    assert "<script" not in page
    assert "8 tasks of split" in page
    assert "2 parallel tries of each" in page
    assert "rl2: 3 training seeds, e-rl2: 3 training seeds" in page
    # Scores of e-rl2: 2 + {0, 0.01, 0.02} + task / 10 + 2; the middle half is symmetric.
    assert f"<td>{2 + 0.01 + 0.35 + 2:.3f}<span" in page
    # It beats the others by more than the spread of a task.
    assert '<td>1.000<span class="interval">1.000 to 1.000</span></td>' in page
    assert "episodes 2 to 3" in report_page(compare_runs(runs), from_episode=2)
    write_report(tmp_path / "page.html", compare_runs(runs))
    assert (tmp_path / "page.html").read_text() == page
    assert len(page) < 5_000_000
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_names_are_text_not_markup(make_run: Any, tmp_path: Path) -> None:
    first = make_run(tmp_path / "a<b>", "rl2", 0, note="<script>alert(1)</script>")
    second = make_run(tmp_path / "c", "rl2", 0, note="&amp;")
    page = report_page(compare_runs([first, second]))
    assert "<script" not in page
    assert "a<b>" not in page
    assert "&amp;amp;" in page
