"""The optimal planner: against all action sequences of tiny worlds, and through Gymnasium's API."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs import Tasks
from metaenvs.krazy_world import planner
from metaenvs.krazy_world.planner import Plan, best_plans
from metaenvs.krazy_world.presets import PRESETS, WorldSettings
from metaenvs.krazy_world.tiles import (
    DEATH,
    DOOR,
    ENERGY,
    GOAL,
    ICE,
    KEY,
    NORMAL,
    TELEPORTER,
    WALL,
)

DEPTH = 7
UNIT_MOVES = [(1, 0), (-1, 0), (0, 1), (0, -1)]


def tiny_world(rng: np.random.Generator) -> dict[str, Any]:
    """A board of 4 by 4 cells with anything anywhere."""
    chances = {
        NORMAL: 0.35, GOAL: 0.2, ICE: 0.12, ENERGY: 0.1, DEATH: 0.06, WALL: 0.07, DOOR: 0.05,
        KEY: 0.05,
    }  # fmt: skip
    tiles = rng.choice(list(chances), 16, p=list(chances.values()))
    cells = rng.permutation(16)
    tiles[cells[0]] = NORMAL
    tiles[cells[1 : 1 + 2 * rng.integers(3)]] = TELEPORTER
    displacements = rng.permutation(UNIT_MOVES)
    if rng.random() < 0.3:
        displacements = displacements + rng.permutation(UNIT_MOVES)
    return {
        "tiles": tiles.astype(np.uint8),
        "start": np.array(cells[0], np.int16),
        "displacements": displacements.astype(np.int8),
        "tile_codes": np.arange(10, dtype=np.uint8),
    }


def exhaustive(
    world: dict[str, Any], energy_start: int | None, energy_replenish: int
) -> tuple[int, int]:
    """Most goals in ``DEPTH`` steps, and the fewest steps that collect them."""
    sequences = np.indices((4,) * DEPTH).reshape(DEPTH, -1)
    env = gym.make_vec(
        "metaenvs/KrazyWorld-v0", num_envs=sequences.shape[1], preset="easy", size=4,
        energy_start=energy_start, energy_replenish=energy_replenish, episode_steps=DEPTH,
    )  # fmt: skip
    env.reset(seed=0, options={"task": world})
    most, steps = 0, 0
    alive = np.ones(env.num_envs, np.bool_)
    for time, actions in enumerate(sequences, start=1):
        _, _, terminated, truncated, info = env.step(actions)
        best = int(info["goals_collected"][alive].max(initial=0))
        if best > most:
            most, steps = best, time
        alive &= ~(terminated | truncated)
    return most, steps


@pytest.mark.parametrize(
    ("energy_start", "energy_replenish"), [(None, 8), (2, 2), (4, 1), (3, 8), (5, 0)]
)
def test_planner_equals_exhaustive_search(energy_start: int | None, energy_replenish: int) -> None:
    rng = np.random.default_rng(DEPTH)
    worlds = [tiny_world(rng) for _ in range(12)]
    settings = WorldSettings(
        size=4,
        energy_start=energy_start,
        energy_replenish=energy_replenish,
        episode_steps=DEPTH,
    )
    plans = best_plans(Tasks.stack(worlds), settings)
    found = [(plan.goals, len(plan.actions)) for plan in plans]
    assert found == [exhaustive(world, energy_start, energy_replenish) for world in worlds]
    assert max(plan.goals for plan in plans) > 1


@pytest.mark.parametrize("preset", list(PRESETS))
def test_plans_collect_what_they_promise(preset: str) -> None:
    env = gym.make("metaenvs/KrazyWorld-v0", preset=preset, split="test")
    worlds = env.get_wrapper_attr("pool")
    plans = best_plans(worlds, PRESETS[preset])
    for world, plan in zip(worlds, plans, strict=True):
        env.reset(seed=0, options={"task": world})
        total, ended = 0.0, False
        for action in plan.actions:
            assert not ended
            _, reward, terminated, truncated, info = env.step(action)
            total += float(reward)
            ended = terminated or truncated
        assert total == plan.goals
        if plan.actions:
            assert info["goals_collected"] == plan.goals
            assert reward == 1  # A shortest plan ends with a goal.


@pytest.mark.parametrize(("preset", "dynamics"), [("first", "default"), ("hard", "moderate")])
def test_no_random_rollout_beats_the_planner(preset: str, dynamics: str) -> None:
    env = gym.make_vec("metaenvs/KrazyWorld-v0", num_envs=100, preset=preset, dynamics=dynamics)
    contract: Any = env.unwrapped
    worlds = contract.sample_tasks(100)
    env.reset(seed=0, options={"task": worlds})
    rng = np.random.default_rng(0)
    best = np.zeros(100, np.int64)
    for _ in range(500):
        *_, info = env.step(rng.integers(4, size=100))
        best = np.maximum(best, info["goals_collected"])
    assert contract.get_task() == worlds
    optimal = np.array([plan.goals for plan in best_plans(worlds, PRESETS[preset])])
    assert (best <= optimal).all()
    assert (best == optimal)[optimal > 0].any()


def world_of(text: str) -> Tasks:
    letters = "".join(text.split())
    codes = {".": NORMAL, "@": NORMAL, "#": WALL, "G": GOAL, "E": ENERGY, "D": DOOR, "K": KEY}
    task = {
        "tiles": np.array([codes[letter] for letter in letters], np.uint8),
        "start": np.array(letters.index("@"), np.int16),
        "displacements": np.array(UNIT_MOVES, np.int8),
        "tile_codes": np.arange(10, dtype=np.uint8),
    }
    return Tasks.stack([task])


def small(**settings: Any) -> WorldSettings:
    return WorldSettings(size=4, **settings)


def test_plans_by_hand() -> None:
    down, up, right, left = range(4)
    corner = world_of("@G.. .... .... ....")
    assert best_plans(corner, small()) == [Plan(1, (right,))]
    assert best_plans(world_of("@... .... .... ...."), small()) == [Plan(0, ())]
    assert best_plans(world_of("@#G. ##.. .... ...."), small()) == [Plan(0, ())]
    locked = world_of("@DGK ..## .... ....")
    assert best_plans(locked, small()) == [Plan(0, ())]
    locked = world_of("@DG. K.## .... ....")
    assert best_plans(locked, small(energy_start=None)) == [Plan(1, (down, up, right, right))]
    # With three units, the goal three steps away is reached with the last; four need a tile.
    distant = world_of("@..G .... .... ....")
    assert best_plans(distant, small(energy_start=3))[0].goals == 1
    assert best_plans(distant, small(energy_start=2))[0] == Plan(0, ())
    detour = world_of("@..G E... .... ....")
    assert best_plans(detour, small(energy_start=2, energy_replenish=4))[0].actions[0] == down
    assert best_plans(detour, small(energy_start=2, energy_replenish=2))[0] == Plan(0, ())
    # The limit of steps binds as well.
    assert best_plans(distant, small(energy_start=None, episode_steps=2))[0] == Plan(0, ())
    assert best_plans(distant, small(energy_start=None, episode_steps=3))[0].goals == 1
    # The nearest goal is not always part of a best plan.
    choice = world_of("G.@. .... ...G ...G")
    assert best_plans(choice, small(energy_start=4))[0].goals == 2
    assert left not in best_plans(choice, small(energy_start=4))[0].actions


def test_no_worlds_no_plans() -> None:
    worlds = world_of("@G.. .... .... ....")
    assert best_plans(worlds[:0], small()) == []


def test_bad_worlds_are_refused() -> None:
    worlds = world_of("@G.. .... .... ....")
    with pytest.raises(ValueError, match="'tiles' must have shape"):
        best_plans(worlds, WorldSettings(size=5))
    starting_on_goal = {**worlds[0], "start": np.array(1, np.int16)}
    with pytest.raises(ValueError, match="normal tile"):
        best_plans(Tasks.stack([starting_on_goal]), small())


def test_too_many_situations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = world_of("@GGG GGGG GGGE EEEE")
    monkeypatch.setattr(planner, "MAX_CODES", 16 * 2 * 2**10)
    with pytest.raises(ValueError, match=r"Task 0 has 15 goals and energy tiles.* at most 10\."):
        best_plans(worlds, small())
    with pytest.raises(ValueError, match="Task 0 has 10 goals and energy tiles"):
        monkeypatch.setattr(planner, "MAX_CODES", 16 * 2 * 2**9)
        best_plans(worlds, small(energy_start=None))  # Energy tiles do not matter.
    monkeypatch.setattr(planner, "MAX_CODES", 16 * 2 * 2**10)
    assert best_plans(worlds, small(energy_start=None))[0].goals == 10


@pytest.mark.parametrize("least", [1, 2])
def test_ensure_reachable_keeps_only_such_worlds(least: int) -> None:
    arguments: dict[str, Any] = {"preset": "first", "split": "train", "n_tasks": 300}
    env = gym.make("metaenvs/KrazyWorld-v0", **arguments, ensure_reachable=least)
    kept = env.get_wrapper_attr("pool")
    assert len(kept) == 300
    assert min(plan.goals for plan in best_plans(kept, PRESETS["first"])) == least
    # They are the first such worlds of the same stream.
    stream = gym.make("metaenvs/KrazyWorld-v0", **{**arguments, "n_tasks": 1000})
    drawn = stream.get_wrapper_attr("pool")
    reachable = np.array([plan.goals >= least for plan in best_plans(drawn, PRESETS["first"])])
    expected = drawn[reachable][:300]
    assert kept[: len(expected)] == expected


def test_ensure_reachable_refusals() -> None:
    with pytest.raises(ValueError, match="n_tasks"):
        gym.make("metaenvs/KrazyWorld-v0", preset="medium", ensure_reachable=1)
    for least in (2, -1):
        with pytest.raises(ValueError, match="ensure_reachable must be from 0 to num_goals=1"):
            gym.make(
                "metaenvs/KrazyWorld-v0", preset="medium", split="test", ensure_reachable=least
            )


def test_worlds_that_cannot_be_had_are_an_error_and_no_endless_search() -> None:
    with pytest.raises(ValueError, match="the family's filter kept 0; n_tasks=1 seems out of"):
        gym.make("metaenvs/KrazyWorldFirst-v0", energy_start=1, ensure_reachable=3, n_tasks=1)
