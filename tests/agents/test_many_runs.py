"""Several seeds by one command."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents.cli import main
from agents.local_workers import LOG
from agents.many_runs import MANIFEST, Manifest, create_runs, train_runs
from agents.rl2 import RL2Config
from agents.runs import PARAMETERS, RunOptions, create_run, is_finished
from agents.training_run import train_run

BANDIT = "metaenvs/ExplorationBandit-v0"
SMALL = RL2Config(env_id=BANDIT, num_envs=16, total_env_steps=400, hidden_size=8)
FIELDS = dataclasses.asdict(SMALL)


def runs_of(folder: Path, seeds: list[int], processes: int = 2) -> Path:
    create_runs(folder, Manifest("rl2", FIELDS, RunOptions(), seeds, processes))
    return folder


def test_each_seed_gives_its_own_run_and_a_dead_worker_harms_no_other(tmp_path: Path) -> None:
    folder = runs_of(tmp_path / "runs", [3, 4, 5])
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if line == "seed4 begins, or goes on":
            newest = max(multiprocessing.active_children(), key=lambda process: process.pid or 0)
            newest.kill()

    with pytest.raises(ChildProcessError, match=r"1 of 3 runs .*: seed4 was killed by SIGKILL\. "):
        train_runs(folder, tell)
    for seed in (3, 5):
        alone = tmp_path / f"alone{seed}"
        create_run(alone, "rl2", dataclasses.replace(SMALL, seed=seed), RunOptions())
        train_run(alone)
        parameters = (folder / f"seed{seed}" / PARAMETERS).read_bytes()
        assert parameters == (alone / PARAMETERS).read_bytes()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("seed[35]/*")}

    told.clear()
    assert train_runs(folder, told.append) == [folder / f"seed{seed}" for seed in (3, 4, 5)]
    assert told == [
        "2 of 3 runs are finished",
        "seed4 begins, or goes on",
        "seed4 is finished",
    ]
    assert is_finished(folder / "seed4")
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("seed[35]/*")}


def test_what_a_worker_complains_of_is_told_and_logged(tmp_path: Path) -> None:
    folder = runs_of(tmp_path / "runs", [0, 1], processes=1)
    create_run(folder / "seed0", "rl2", SMALL, RunOptions())
    (folder / "seed0" / "checkpoint.safetensors").write_bytes(b"half")
    with pytest.raises(ChildProcessError, match=r"seed0 failed: .*checkpoint\.safetensors is dam"):
        train_runs(folder, lambda line: None)
    assert "is damaged" in (folder / "seed0" / LOG).read_text()
    assert is_finished(folder / "seed1")


def test_workers_end_with_the_command(tmp_path: Path) -> None:
    long = {**FIELDS, "total_env_steps": 10**9}
    folder = tmp_path / "runs"
    create_runs(folder, Manifest("rl2", long, RunOptions(), [0, 1], 2))
    command = [sys.executable, "-m", "agents.cli", "train", "--resume", str(folder)]
    metrics = [folder / f"seed{seed}" / "metrics.csv" for seed in (0, 1)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not all(path.exists() for path in metrics):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    begun = time.monotonic()
    for path in metrics:
        while True:
            size = path.stat().st_size
            time.sleep(0.5)
            if path.stat().st_size == size:
                break
            assert time.monotonic() - begun < 60, "a worker outlived its command"


def test_the_command_line_trains_several_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--total-env-steps", "100", "--num-envs", "16", "--hidden-size", "8"]
    several = ["--seed", "7", "--seeds", "2", "--processes", "2"]
    assert main(["train", "rl2", BANDIT, *quick, *several]) == 0
    folder = Path("runs/rl2-ExplorationBandit-v0-seed7-to-8")
    assert "Trained; 2 runs are in" in capsys.readouterr().out
    for seed in (7, 8):
        content = json.loads((folder / f"seed{seed}" / "config.json").read_text())
        assert content["config"]["seed"] == seed
    # Neither several runs nor one are written over them.
    for more in (several, ["--out", str(folder)]):
        assert main(["train", "rl2", BANDIT, *quick, *more]) == 1
        assert f"metaenvs train --resume {folder}" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "seed7", "seed8"]
    assert main(["train", "--resume", str(folder)]) == 0
    assert "2 of 2 runs are finished" in capsys.readouterr().out
    assert main(["evaluate", str(folder), "--num-tasks", "2", "--rollouts", "1"]) == 0
    assert all((folder / f"seed{seed}" / "evaluation-all.csv").exists() for seed in (7, 8))
    assert main(["compare", str(folder)]) == 0
    assert (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no manifest of runs"),
        ("[]", "is no manifest of runs"),
        ('{"format_version": 1}', "is no manifest of runs"),
        ("\udcff", "is no manifest of runs"),
        ('{"format_version": 2}', "reads up to 1; update it"),
    ],
)
def test_damaged_and_newer_manifests_are_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / MANIFEST).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message):
        train_runs(tmp_path)


def test_numbers_that_cannot_be_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--seeds", "2", "--processes", "0"], "--processes must be at least 1, got 0"),
    ):
        out = tmp_path / "runs"
        assert main(["train", "rl2", BANDIT, "--out", str(out), *arguments]) == 1
        assert message in capsys.readouterr().err
        assert not out.exists()
