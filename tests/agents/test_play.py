"""A person's trial, with keys from a list."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents import play as playing
from agents.cli import main
from agents.play import key_actions, play_trial
from metaenvs import Tasks
from metaenvs.krazy_world.planner import best_plans
from metaenvs.krazy_world.presets import preset_settings

BANDIT, MEDIUM = "metaenvs/ExplorationBandit-v0", "metaenvs/KrazyWorldMedium-v0"
ARROWS = ("down", "up", "right", "left")


def played(env_id: str, task: Tasks, keys: Sequence[str], **changes: Any) -> tuple[Any, list[str]]:
    told: list[str] = []
    settings = {"window": False, "episodes": 3, "seed": 0, "env_arguments": {}, **changes}
    pressed = iter(keys)
    returns = play_trial(env_id, task, lambda: next(pressed), told.append, **settings)
    assert next(pressed, None) is None
    return returns, told


def test_arrows_walk_the_planners_way() -> None:
    tasks = gym.make(MEDIUM, split="test").unwrapped.pool[:8]
    plans = best_plans(tasks, preset_settings("medium", {}))
    place = max(range(8), key=lambda task: (plans[task].goals, -len(plans[task].actions)))
    plan = plans[place]
    assert plan.goals == 1
    walk = [ARROWS[action] for action in plan.actions]
    returns, told = played(MEDIUM, tasks[place : place + 1], [*walk, "q"])
    assert returns == []
    assert "return 1 " in told[-1]
    assert len(told) == len(walk) + 1


def test_bandit_is_played_by_digits_and_stays_the_same_task() -> None:
    task = Tasks({"best_arm": np.array([5], np.int16)})
    # A key without a meaning is passed over; any key begins the next episode.
    returns, told = played(BANDIT, task, ["0", " ", "x", "4", " ", "5"])
    assert returns == [0.5, -0.5, 1.0]
    assert "B" in told[0]
    assert told[-1].startswith("episode 3 is over: return 1")
    assert "episode 1 of 3   return 0   arrows or 0 to 6 act, q ends" in told[0]


def test_stopping_between_episodes_keeps_what_was_played() -> None:
    task = Tasks({"best_arm": np.array([5], np.int16)})
    assert played(BANDIT, task, ["0", "q"])[0] == [0.5]


def test_a_window_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    task = Tasks({"best_arm": np.array([5], np.int16)})
    returns, told = played(BANDIT, task, ["5"], window=True, episodes=1)
    assert returns == [1.0]
    assert told[0].count("\n") == 0


def test_only_discrete_actions_have_keys() -> None:
    assert key_actions(gym.spaces.Discrete(2, start=3)) == {"0": 3, "1": 4, "down": 3, "up": 4}
    assert len(key_actions(gym.spaces.Discrete(12))) == 10 + 4
    with pytest.raises(ValueError, match="Only a Discrete action space has keys"):
        key_actions(gym.spaces.Box(0, 1, (2,)))


def test_the_result_stands_beside_the_agents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    quick = ["--total-env-steps", "500", "--num-envs", "16", "--hidden-size", "8"]
    assert main(["train", "rl2", BANDIT, "--out", str(run), *quick]) == 0

    @contextmanager
    def typed() -> Any:
        keys = iter(["0", " ", "0"])
        yield lambda: next(keys)

    monkeypatch.setattr(playing, "terminal_keys", typed)
    capsys.readouterr()
    assert main(["play", BANDIT, "--run", str(run), "--episodes", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()[-5:]
    assert [line.split()[0] for line in lines] == ["Return", "you", "random", "rl2", "oracle"]
    assert lines[1].split()[1:] == ["0.50", "0.50"]
    assert lines[4].split()[1:] == ["1.00", "1.00"]
    # A hundred pulls of a random arm: -0.214 on average, deviation 0.55.
    assert all(abs(float(value) + 0.214) < 5 * 0.055 for value in lines[2].split()[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([BANDIT], "needs a terminal to read keys from"),
        ([BANDIT, "--episodes", "0"], "--episodes must be at least 1, got 0"),
        ([BANDIT, "--env-arguments", "[]"], "--env-arguments must be a JSON object"),
        (["metaenvs/ExplorationBandi-v0"], "Did you mean"),
        (["CartPole-v1"], "Playing needs a family of tasks"),
        ([BANDIT, "--seed", "-1"], "seed must be from 0"),
        ([BANDIT, "--run", "/nowhere"], "holds no run"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open("/dev/null") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main(["play", *arguments]) == 1
    told = capsys.readouterr().err.strip()
    assert message in told
    assert told.count("\n") == 0
