"""Whole or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from agents.whole_file import remove_partial, write_whole


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "after \ud800")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match=r"'.*/nowhere/page\.html'$"):
        write_whole(tmp_path / "nowhere" / "page.html", "after")


def test_others_may_read_it_where_the_user_lets_them(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("")
    write_whole(tmp_path / "page.html", "text")
    assert (tmp_path / "page.html").stat().st_mode == ordinary.stat().st_mode


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "parameters"
    write_whole(path, b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(path, bytes(101))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_writers_of_this_file_left_is_removed(tmp_path: Path) -> None:
    names = ["page.html", "page.html.0a1b2c3d.partial", "other.html.0a1b2c3d.partial"]
    for name in names:
        (tmp_path / name).write_text("")
    remove_partial(tmp_path / "page.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == [names[2], names[0]]
