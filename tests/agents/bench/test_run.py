"""The command: which names it takes, and what it writes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from agents.bench import run
from agents.bench.rows import Row, measured_row
from agents.bench.timing import Effort


def quiet() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Measurements "one" and "two", which write down that they ran."""
    names: list[str] = []

    def fake(name: str) -> run.Measurement:
        def measure(effort: Effort) -> list[Row]:
            names.append(name)
            return [measured_row(name, "a thing", "s", [1.0, 2.0])]

        return run.Measurement(f"Title of {name}", measure)

    monkeypatch.setattr(run, "MEASUREMENTS", {name: fake(name) for name in ("one", "two")})
    return names


def test_all_are_measured_without_only(diary: list[str], tmp_path: Path) -> None:
    rows = run.run_bench(tmp_path, None, console=quiet())
    assert diary == ["one", "two"]
    assert [row.measurement for row in rows] == ["one", "two"]
    text = (tmp_path / "bench.md").read_text()
    assert "Title of one" in text
    assert f"metaenvs bench --out {tmp_path}" in text


def test_only_those_named_are_measured_once_each(diary: list[str], tmp_path: Path) -> None:
    run.run_bench(tmp_path, ["two", "two"], console=quiet())
    assert diary == ["two"]
    assert "--only two |" in (tmp_path / "bench.md").read_text()
    assert "one" not in (tmp_path / "bench.csv").read_text().splitlines()[-1]


@pytest.mark.parametrize("only", [["one", "three"], []])
def test_names_are_checked_before_anything_is_measured(
    diary: list[str], tmp_path: Path, only: list[str]
) -> None:
    with pytest.raises(ValueError, match=r"--only takes some of \['one', 'two'\]"):
        run.run_bench(tmp_path / "out", only, console=quiet())
    assert diary == []
    assert not (tmp_path / "out").exists()


def test_the_folder_is_tried_before_anything_is_measured(diary: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be written: .*Choose another --out"):
        run.run_bench(tmp_path / "file", ["one"], console=quiet())
    assert diary == []


def test_the_real_measurements_are_known() -> None:
    assert list(run.MEASUREMENTS) == [
        "krazy-world-batch", "krazy-world-single", "cost-growth", "cuda-batch",
        "rl2-training", "training-overhead", "half-cheetah-batch", "ant-batch", "locomotion-single",
        "locomotion-cuda", "locomotion-memory", "maml", "maml-cuda", "bandit",
    ]  # fmt: skip
