"""The commands in ``benchmarks/`` as modules: they find one another beside themselves."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def run(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Path]:
    """From a command's name to the folder that its quick size wrote."""

    def quick(name: str) -> Path:
        monkeypatch.setattr("sys.argv", [name, "--quick", "--out", str(tmp_path / name)])
        load(name).main()
        return tmp_path / name

    return quick
