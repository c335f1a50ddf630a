"""The command line as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents import training_run
from agents.checkpoints import write_checkpoint
from agents.cli import main
from agents.registry import AGENT_NAMES
from agents.runs import PARAMETERS
from metaenvs.cuda.arrays import device_available

BANDIT = "metaenvs/ExplorationBandit-v0"
DILEMMA = "metaenvs/IteratedPrisonersDilemma-v0"
QUICK = ["--total-env-steps", "2000", "--num-envs", "32", "--hidden-size", "8"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "quick"
    assert main(["train", "e-rl2", BANDIT, "--out", str(folder), *QUICK]) == 0
    return folder


def test_list_names_ids_and_agents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert BANDIT in told
    assert "e-rl2" in told


def test_train_writes_a_run(run: Path) -> None:
    content = json.loads((run / "config.json").read_text())
    assert content["agent"] == "e-rl2"
    assert content["config"]["explore_episodes"] == 3
    assert content["config"]["env_id"] == BANDIT
    lines = (run / "metrics.csv").read_text().splitlines()
    assert "train/return" in lines[0]
    assert len(lines) == 1 + 13  # iterations of 160 env steps until 2,000
    assert (run / PARAMETERS).stat().st_size > 1000
    assert not list(run.glob("*.partial"))


def test_evaluate_writes_table_and_pictures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--num-tasks", "3", "--rollouts", "2"]) == 0
    told = capsys.readouterr().out
    for name in ("adaptation.png", "learning.png", "trial.png", "trial.gif"):
        assert name in told
        assert (run / name).stat().st_size > 1000
    # The trained agent, the random one and the oracle.
    assert len((run / "evaluation-all.csv").read_text().splitlines()) == 1 + 3 * 3 * 2 * 5


def test_compare_writes_a_page(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert main(["train", "e-rl2", BANDIT, "--out", str(other), "--seed", "1", *QUICK]) == 0
    for folder in (run, other):
        assert main(["evaluate", str(folder), "--num-tasks", "3", "--rollouts", "2"]) == 0
    page = tmp_path / "page.html"
    assert main(["compare", str(run), str(other), "--out", str(page)]) == 0
    assert "e-rl2: 2 training seeds" in page.read_text()
    assert main(["compare", str(run), "--from-episode", "4"]) == 0
    assert "episodes 4 to 5" in (run / "report.html").read_text()
    capsys.readouterr()
    assert main(["compare", str(run), "--from-episode", "6"]) == 1
    assert "from 1 to 5, got 6" in capsys.readouterr().err
    assert main(["compare", str(run), str(run)]) == 1
    assert "given twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "rl3", BANDIT],
            f"no agent 'rl3'; agents are {list(AGENT_NAMES)}. Did you mean 'rl2'?",
        ),
        (["train", "rl2", "metaenvs/KrazyWorl-v0"], "Did you mean 'metaenvs/KrazyWorld-v0'?"),
        (["train", "rl2", BANDIT, "--env-arguments", "{"], "--env-arguments must be JSON"),
        (
            ["train", "rl2", BANDIT, "--env-arguments", '{"arms": 3}'],
            "has no argument ['arms']; its own are ['num_arms']",
        ),
        (
            ["train", "rl2", "metaenvs/KrazyWorld-v0", "--env-arguments", '{"preset": "hrd"}'],
            "preset must be one of",
        ),
        (
            ["train", "rl2", BANDIT, "--env-arguments", '{"render_mode": "ansi"}'],
            "['render_mode'] is for the command and its options to say",
        ),
        (["train", "rl2", "CartPole-v1"], "needs the arguments of trials"),
        (["train", "rl2", "nomodule:Env-v0"], "of a module that cannot be imported"),
        (["train", "rl2", "metaenvs:metaenvs/KrazyWorl-v0"], "Did you mean 'metaenvs/KrazyWorld"),
        (["evaluate", "/nowhere"], "holds no run"),
        (["train", "rl2", BANDIT, "--device", "cuda"], "needs an NVIDIA GPU"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if "--device" in arguments and device_available():
        pytest.skip("there is a GPU")
    if arguments[0] == "train":
        arguments = [*arguments, "--out", str(tmp_path / "run")]
    assert main(arguments) != 0
    told = capsys.readouterr().err.strip()
    assert message in told
    assert told.count("\n") == 0
    assert not (tmp_path / "run").exists()


def test_bad_agent_options_are_told_by_the_option_parser(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "rl2", BANDIT, "--num-envs", "0", "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    assert "num_envs must be at least num_minibatches = 2, got 0" in capsys.readouterr().err


def test_what_is_wrong_with_an_evaluated_run_is_one_clear_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((run / "config.json").read_text())
    elsewhere = {**content["config"], "env_id": "metaenvs/Gone-v0"}
    for changed, message in (
        (content, "seed must be from 0 to 2**64 - 1, got -1"),
        ({**content, "config": elsewhere}, "`Gone` doesn't exist"),
        ({**content, "config": {**content["config"], "hidden_size": "x"}}, "does not fit"),
        ({**content, "config": 3}, "config.json is not the configuration of a run"),
        ({**content, "format_version": "x"}, "config.json is not the configuration of a run"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(changed))
        (tmp_path / PARAMETERS).write_bytes((run / PARAMETERS).read_bytes())
        assert main(["evaluate", str(tmp_path), "--seed", "-1"]) == 1
        told = capsys.readouterr().err.strip()
        assert message in told and told.count("\n") == 0
    (tmp_path / "config.json").write_bytes(b"\xff")
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "config.json is not the configuration of a run" in capsys.readouterr().err


def test_a_run_is_never_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "config.json").read_bytes()
    assert main(["train", "rl2", BANDIT, "--out", str(run), *QUICK]) == 1
    assert "holds a run already" in capsys.readouterr().err
    assert (run / "config.json").read_bytes() == before


def test_damaged_and_newer_runs_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((run / "config.json").read_text())
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text(json.dumps(content))
    (damaged / PARAMETERS).write_bytes((run / PARAMETERS).read_bytes()[:100])
    assert main(["evaluate", str(damaged)]) == 1
    assert "is damaged" in capsys.readouterr().err
    (damaged / "config.json").write_text(json.dumps({**content, "format_version": 99}))
    assert main(["evaluate", str(damaged)]) == 1
    assert "reads up to 1; update it" in capsys.readouterr().err


def test_another_agents_package_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("agents.DISTRIBUTION")
    assert main(["list"]) == 1
    assert "top-level package 'agents'" in capsys.readouterr().err


def test_resume_takes_a_cut_off_run_to_its_end(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "config.json").write_bytes((run / "config.json").read_bytes())
    assert main(["evaluate", str(folder)]) == 1
    assert f"`metaenvs train --resume {folder}` takes it to its end" in capsys.readouterr().err
    assert main(["train", "--resume", str(folder)]) == 0
    assert "Next: metaenvs evaluate" in capsys.readouterr().out
    assert (folder / PARAMETERS).read_bytes() == (run / PARAMETERS).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "/nowhere"], "holds no run"),
        (["--resume", "/nowhere", "--seed", "3"], "leave out --seed 3"),
        (["rl2", BANDIT, "--threads", "0"], "--threads must be at least 1, got 0"),
        (["lola", DILEMMA, "--threads", "2"], "leave out --threads and torchrun"),
        (["rl2", BANDIT, "--checkpoint-every", "-1"], "seconds from 0 on, got -1.0"),
    ],
)
def test_how_a_run_is_carried_out_is_checked(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    folder = tmp_path / "file" / "run"
    assert main(["train", "rl2", BANDIT, "--out", str(folder), *QUICK]) == 1
    told = capsys.readouterr().err.strip()
    assert f"The run's folder {folder} cannot be written" in told
    assert "Choose another --out." in told
    assert told.count("\n") == 0
    assert (tmp_path / "file").read_text() == "kept"


def test_a_damaged_checkpoint_is_one_clear_line_and_stays(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "config.json").write_bytes((run / "config.json").read_bytes())
    (folder / "checkpoint.safetensors").write_bytes(b"half")
    assert main(["train", "--resume", str(folder)]) == 1
    told = capsys.readouterr().err.strip()
    assert "checkpoint.safetensors is damaged" in told
    assert told.count("\n") == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.safetensors",
        "config.json",
    ]


@pytest.mark.parametrize("agent", ["maml", "e-maml", "promp"])
def test_agents_that_adapt_by_gradients(agent: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ["--num-tasks", "3", "--rollouts-per-task", "2", "--total-env-steps", "20"]
    assert main(["train", agent, BANDIT, "--out", str(folder), *options]) == 0
    assert main(["evaluate", str(folder), "--num-tasks", "2", "--episodes", "3"]) == 0
    assert (folder / "evaluation-all.csv").exists()


@pytest.mark.parametrize("agent", ["maml", "promp"])
def test_gradient_based_agents_resume_bit_for_bit(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--num-tasks", "3", "--rollouts-per-task", "2", "--total-env-steps", "300"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main(["train", agent, BANDIT, "--out", str(whole), *options]) == 0
    written: list[int] = []

    def dies_after_the_second(*arguments: Any) -> None:
        write_checkpoint(*arguments)
        written.append(1)
        if len(written) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_run, "write_checkpoint", dies_after_the_second)
        assert (
            main(["train", agent, BANDIT, "--out", str(cut), "--checkpoint-every", "0", *options])
            != 0
        )
    assert main(["train", "--resume", str(cut)]) == 0
    assert (cut / PARAMETERS).read_bytes() == (whole / PARAMETERS).read_bytes()
