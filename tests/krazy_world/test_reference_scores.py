"""The manual's reference scores against a fresh, smaller measurement."""

from __future__ import annotations

from functools import cache

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.krazy_world.env import KrazyWorldEnv
from metaenvs.krazy_world.planner import best_plans
from metaenvs.krazy_world.presets import PRESETS

NUM_ROWS = 150
NUM_EPISODES = 60


@cache
def manual_scores() -> dict[str, dict[str, str]]:
    """The table of the manual's section: preset to column to entry."""
    manual = KrazyWorldEnv.__doc__ or ""
    section = manual.split("## Reference Scores", 1)[1].split("\n    ## ", 1)[0]
    rows = [
        [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        for line in section.splitlines()
        if line.strip().startswith("|")
    ]
    header = rows[0][1:]
    return {name: dict(zip(header, entries, strict=True)) for name, *entries in rows[2:]}


def assert_agrees(samples: np.ndarray, entry: str) -> None:
    """The entry lies within four standard errors of the samples' mean, but for its rounding."""
    rounding = 0.5 * 10.0 ** -len(entry.split(".")[1])
    error = samples.std() / len(samples) ** 0.5
    assert abs(samples.mean() - float(entry)) < 4 * error + rounding, (samples.mean(), error, entry)


def test_manual_lists_every_preset() -> None:
    assert list(manual_scores()) == list(PRESETS)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_random_policy_scores_as_the_manual_says(preset: str) -> None:
    env = gym.make_vec("metaenvs/KrazyWorld-v0", num_envs=NUM_ROWS, preset=preset, split="train")
    env.reset(seed=10_000)
    rng = np.random.default_rng(1)
    # So many episodes of every row, whatever their length: none is favoured.
    left = np.full(NUM_ROWS, NUM_EPISODES)
    steps = np.zeros(NUM_ROWS, np.int64)
    resetting = np.zeros(NUM_ROWS, np.bool_)
    goals, lengths = [], []
    while (left > 0).any():
        _, _, terminated, truncated, info = env.step(rng.integers(4, size=NUM_ROWS))
        steps = np.where(resetting, 0, steps + 1)
        resetting = terminated | truncated
        counted = resetting & (left > 0)
        goals.append(info["goals_collected"][counted])
        lengths.append(steps[counted])
        left[counted] -= 1
    assert sum(map(len, goals)) == NUM_ROWS * NUM_EPISODES
    assert_agrees(np.concatenate(goals), manual_scores()[preset]["Random: goals"])
    assert_agrees(np.concatenate(lengths), manual_scores()[preset]["Random: steps"])


@pytest.mark.parametrize("preset", list(PRESETS))
def test_planner_scores_as_the_manual_says(preset: str) -> None:
    env = gym.make("metaenvs/KrazyWorld-v0", preset=preset, split="test", split_seed=0)
    plans = best_plans(env.get_wrapper_attr("pool"), PRESETS[preset])
    assert len(plans) == 64
    mean = np.mean([plan.goals for plan in plans])
    assert f"{mean:.2f}" == manual_scores()[preset]["Planner: goals"]
