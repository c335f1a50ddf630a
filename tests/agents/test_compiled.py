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
    copies = {user: tmp_path / user.relative_to(FOLDER) for user in users}
    for user, target in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(user.read_text())
    before = compiled._digest(tmp_path)
    for user, target in copies.items():
        target.write_text(user.read_text() + "\n")
        assert compiled._digest(tmp_path) != before, user
        target.write_text(user.read_text())


def copied(row: Any) -> None:
    copy(row, row)


def test_names_tell_it_and_kernels_that_call_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert copy.py_func.__qualname__ == f"copy_{compiled._digest(FOLDER)}"
    before = digest(copied, {}, {})
    monkeypatch.setattr(copy.py_func, "__qualname__", "copy_of_other_sources")
    assert digest(copied, {}, {}) != before
