"""A run survives what happens to it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents import rl2
from agents.checkpoints import CHECKPOINT
from agents.metrics_file import METRICS
from agents.rl2 import RL2Config
from agents.runs import CONFIG, PARAMETERS, RunOptions, create_run
from agents.training_run import train_run
from agents.whole_file import write_whole

SMALL = RL2Config(
    env_id="metaenvs/ExplorationBandit-v0", num_envs=16, total_env_steps=1200, hidden_size=8
)
OFTEN = RunOptions(checkpoint_every=0)


class Killed(BaseException):
    """Nothing in the package catches it, as nothing catches kill -9."""


def new_run(folder: Path, options: RunOptions = OFTEN) -> Path:
    create_run(folder, "rl2", SMALL, options)
    return folder


def lines_without_time(folder: Path) -> list[list[str]]:
    lines = [line.split(",") for line in (folder / METRICS).read_text().splitlines()]
    kept = [index for index, name in enumerate(lines[0]) if not name.startswith("time/")]
    return [[line[index] for index in kept] for line in lines]


def assert_same_result(one: Path, other: Path) -> None:
    assert (one / PARAMETERS).read_bytes() == (other / PARAMETERS).read_bytes()
    assert lines_without_time(one) == lines_without_time(other)
    assert sorted(path.name for path in one.iterdir()) == [CONFIG, METRICS, PARAMETERS]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = new_run(tmp_path_factory.mktemp("undisturbed") / "run")
    train_run(folder)
    return folder


def test_kill_9_at_random_moments_changes_nothing(tmp_path: Path) -> None:
    """As ``benchmarks/kill_and_resume.py``, with fewer kills."""
    longer = dataclasses.replace(SMALL, total_env_steps=24_000)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        create_run(folder, "rl2", longer, OFTEN)
    train_run(whole)
    command = [sys.executable, "-m", "agents.cli", "train", "--resume", str(cut)]
    rng = np.random.default_rng()
    for _ in range(3):
        before = (cut / METRICS).stat().st_mtime_ns if (cut / METRICS).exists() else 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while not (cut / METRICS).exists() or (cut / METRICS).stat().st_mtime_ns == before:
                assert process.poll() is None
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
        assert not (cut / PARAMETERS).exists(), "the run is too short to be cut off"
    train_run(cut)
    assert_same_result(cut, whole)


@pytest.mark.parametrize("options", [OFTEN, RunOptions()], ids=["often", "never yet"])
def test_cut_off_at_any_write_it_goes_on_to_the_same_result(
    options: RunOptions, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before and after each file is put in its place, one after the other."""
    folder = new_run(tmp_path / "run", options)
    replace = Path.replace

    def until(write: int, after: bool) -> Any:
        done = 0

        def replace_or_die(self: Path, target: Path) -> Path:
            nonlocal done
            done += 1
            if done == write and not after:
                raise Killed
            moved = replace(self, target)
            if done == write:
                raise Killed
            return moved

        return replace_or_die

    for write in (1, 2, 3, 5):
        for after in (False, True):
            monkeypatch.setattr(Path, "replace", until(write, after))
            with contextlib.suppress(Killed):
                train_run(folder)
    monkeypatch.setattr(Path, "replace", replace)
    train_run(folder)
    assert_same_result(folder, undisturbed)


def test_what_a_killed_write_left_is_removed(undisturbed: Path, tmp_path: Path) -> None:
    folder = new_run(tmp_path / "run")
    for name in (CONFIG, CHECKPOINT, METRICS, PARAMETERS):
        (folder / f"{name}.0a1b2c3d.partial").write_bytes(b"the beginning of")
    train_run(folder)
    assert_same_result(folder, undisturbed)


def test_a_finished_run_is_left_alone(undisturbed: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in undisturbed.iterdir()}
    train_run(undisturbed)
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in undisturbed.iterdir()
    }


def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    folder = new_run(tmp_path / "run")
    with open(folder / CONFIG) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="is being trained by another process"):
            train_run(folder)
    assert [path.name for path in folder.iterdir()] == [CONFIG]


def test_a_full_disk_keeps_the_checkpoint_before(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_run(tmp_path / "run")
    written: list[bytes] = []

    def fills_up(path: Path, content: bytes) -> None:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        write_whole(path, content)
        written.append(content)

    monkeypatch.setattr("agents.checkpoints.write_whole", fills_up)
    with pytest.raises(OSError, match=r"could not be written: .*No space left"):
        train_run(folder)
    assert (folder / CHECKPOINT).read_bytes() == written[-1]
    monkeypatch.undo()
    train_run(folder)
    assert_same_result(folder, undisturbed)


def test_a_network_that_is_not_finite_is_never_kept(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_run(tmp_path / "run")
    update, done = rl2.update, 0

    def spoil(policy: torch.nn.Module, *rest: Any) -> dict[str, float]:
        nonlocal done
        losses = update(policy, *rest)
        done += 1
        if done == 3:
            with torch.no_grad():
                policy.memory.hidden_bias[1] = float("nan")
        return losses

    monkeypatch.setattr(rl2, "update", spoil)
    with pytest.raises(FloatingPointError, match=r"memory\.hidden_bias is not finite after 240 "):
        train_run(folder)
    assert not (folder / PARAMETERS).exists()
    assert len(lines_without_time(folder)) == 1 + 2
    monkeypatch.undo()
    train_run(folder)
    assert_same_result(folder, undisturbed)


def test_a_reward_that_is_not_finite_ends_the_run(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_run(tmp_path / "run")
    collect, done = rl2.collect_trials, 0

    def spoil(env: Any, *rest: Any, **more: Any) -> Any:
        nonlocal done
        done += 1
        if done < 3:
            return collect(env, *rest, **more)
        step = env.step

        def nan_step(action: Any) -> Any:
            observation, reward, *flags = step(action)
            reward[4] = np.nan
            return observation, reward, *flags

        monkeypatch.setattr(env, "step", nan_step)
        return collect(env, *rest, **more)

    monkeypatch.setattr(rl2, "collect_trials", spoil)
    with pytest.raises(ValueError, match="reward that is not finite, in row 4"):
        train_run(folder)
    monkeypatch.undo()
    train_run(folder)
    assert_same_result(folder, undisturbed)


def test_an_environment_without_a_state_is_trained_without_checkpoints(
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from metaenvs.vector_env import ArrayVectorEnv

    folder = new_run(tmp_path / "run")
    monkeypatch.delattr(ArrayVectorEnv, "get_state")
    monkeypatch.setattr("agents.training_run.write_checkpoint", None)
    train_run(folder)
    assert "no checkpoints are written" in caplog.text
    assert_same_result(folder, undisturbed)
