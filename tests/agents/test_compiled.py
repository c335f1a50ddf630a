"""Machine code on disk is that of the sources as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import agents
from agents import compiled
from agents.compiled_math import copy
from metaenvs.kernels.row_function import digest

FOLDER = Path(agents.__file__).parent


def test_every_file_with_such_functions_counts(tmp_path: Path) -> None:
    users = [
        path
        for path in FOLDER.rglob("*.py")
        if "@compiled" in path.read_text() or "@extending.intrinsic" in path.read_text()
    ]
    assert len(users) >= 7
    for path in users:
        copies = [tmp_path / user.name for user in users]
        for target, user in zip(copies, users, strict=True):
            target.write_text(user.read_text())
        before = compiled._digest(tmp_path)
        (tmp_path / path.name).write_text(path.read_text() + "\n")
        assert compiled._digest(tmp_path) != before, path


def copied(row: Any) -> None:
    copy(row, row)


def test_names_tell_it_and_kernels_that_call_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert copy.py_func.__qualname__ == f"copy_{compiled._digest(FOLDER)}"
    before = digest(copied, {}, {})
    monkeypatch.setattr(copy.py_func, "__qualname__", "copy_of_other_sources")
    assert digest(copied, {}, {}) != before
