"""Several seeds as tasks of Ray, on this machine."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest

from agents.cli import main
from agents.local_workers import LOG
from agents.many_runs import Manifest, create_runs, train_runs
from agents.rl2 import RL2Config
from agents.runs import PARAMETERS, RunOptions, create_run
from agents.training_run import train_run

BANDIT = "metaenvs/ExplorationBandit-v0"
SMALL = RL2Config(env_id=BANDIT, num_envs=16, total_env_steps=400, hidden_size=8)


@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_trains_what_a_process_trains_and_tells_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("ray")
    if not request.config.getoption("--all-ids"):
        pytest.skip("Ray takes half a minute and more to begin: --all-ids runs this too")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    folder = tmp_path / "runs"
    fields = dataclasses.asdict(SMALL)
    create_runs(folder, Manifest("rl2", fields, RunOptions(), [3, 4], 2, ray=True))
    create_run(folder / "seed4", "rl2", dataclasses.replace(SMALL, seed=4), RunOptions())
    (folder / "seed4" / "checkpoint.safetensors").write_bytes(b"half")
    with pytest.raises(ChildProcessError, match=r"1 of 2 runs .*: seed4 failed: .* is damaged"):
        train_runs(folder, lambda line: None)
    assert "is damaged" in (folder / "seed4" / LOG).read_text()
    create_run(tmp_path / "alone", "rl2", dataclasses.replace(SMALL, seed=3), RunOptions())
    train_run(tmp_path / "alone")
    parameters = (folder / "seed3" / PARAMETERS).read_bytes()
    assert parameters == (tmp_path / "alone" / PARAMETERS).read_bytes()


def test_ray_is_asked_for_what_it_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "runs")
    assert main(["train", "rl2", BANDIT, "--out", out, "--ray"]) == 1
    assert "--ray trains several runs: say how many by --seeds." in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["train", "rl2", BANDIT, "--out", out, "--ray", "--seeds", "2"]) == 1
    assert "--ray needs Ray: pip install 'metaenvs[ray]'." in capsys.readouterr().err
    assert not Path(out).exists()
