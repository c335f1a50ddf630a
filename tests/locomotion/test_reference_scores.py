"""The file of reference scores: it is whole, and a fresh measurement agrees with it."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.registration import LOCOMOTION_SETTINGS

pytest.importorskip("mujoco")

COMMAND = Path(__file__).parents[2] / "benchmarks" / "locomotion_reference_scores.py"


def load_command() -> Any:
    spec = importlib.util.spec_from_file_location(COMMAND.stem, COMMAND)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scores() -> dict[tuple[str, str, str], dict[str, str]]:
    with load_command().FILE.open(newline="") as file:
        lines = list(csv.DictReader(file))
    found = {(line["id"], line["split"], line["agent"]): line for line in lines}
    assert len(found) == len(lines)
    return found


def test_every_id_and_split_has_its_scores() -> None:
    expected = {
        (f"metaenvs/{setting}-v0", split, agent)
        for setting in LOCOMOTION_SETTINGS
        for split in gym.make(f"metaenvs/{setting}-v0").unwrapped.splits  # type: ignore[attr-defined]
        for agent in ("random", "still")
    }
    assert set(scores()) == expected


@pytest.mark.parametrize(
    ("setting", "split"),
    [
        ("HFRHalfCheetahVelocity", "test"), ("RandomParametersHopper", "train"),
        ("SparseWalker2dVelocity", "all"), ("TMCLHopper", "test"), ("MetODSAntDirection", "train"),
    ],
)  # fmt: skip
def test_a_fresh_measurement_agrees(setting: str, split: str) -> None:
    """Within five standard errors of the difference, of episodes with other seeds."""
    command, env_id = load_command(), f"metaenvs/{setting}-v0"
    for agent in (command.RandomAgent(), command.StillAgent()):
        line = scores()[env_id, split, agent.name]
        returns, lengths = command.episodes_of(agent, env_id, split, num_episodes=20, seed=1000)
        spread = max(returns.std(ddof=1), float(line["deviation"]))
        share = np.sqrt(1 / len(returns) + 1 / int(line["episodes"]))
        assert abs(returns.mean() - float(line["mean_return"])) < 5 * spread * share + 0.01
        length_error = lengths.std(ddof=1) * share
        assert abs(lengths.mean() - float(line["mean_length"])) < 5 * length_error + 0.1


def test_lines_are_written_in_the_place_of_those_of_their_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = load_command()
    monkeypatch.setattr(command, "FILE", tmp_path / "scores.csv")
    for setting, mean in (("RIASwimmer", "1"), ("CaDMAnt", "2"), ("RIASwimmer", "3")):
        env_id = f"metaenvs/{setting}-v0"
        command.write([dict.fromkeys(command.COLUMNS, "") | {"id": env_id, "mean_return": mean}])
    with command.FILE.open(newline="") as file:
        lines = [(line["id"], line["mean_return"]) for line in csv.DictReader(file)]
    assert lines == [("metaenvs/CaDMAnt-v0", "2"), ("metaenvs/RIASwimmer-v0", "3")]
