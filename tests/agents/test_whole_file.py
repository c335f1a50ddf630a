"""Whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.whole_file import write_whole


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "after \ud800")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "page.html", "after")


def test_others_may_read_it_where_the_user_lets_them(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("")
    write_whole(tmp_path / "page.html", "text")
    assert (tmp_path / "page.html").stat().st_mode == ordinary.stat().st_mode
