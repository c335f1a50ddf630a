"""Settings of worlds: the specification's numbers, the manual's, and what is refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gymnasium as gym
import pytest

from metaenvs.krazy_world.env import KrazyWorldEnv
from metaenvs.krazy_world.presets import PRESETS, WorldSettings, preset_settings
from metaenvs.registration import IDS

# Preset: cells on a side, goals, goal distance, keys, teleporter pairs, energy at start, energy
# given, fractions of energy, death and ice, dynamics (specification 1.5).
SPECIFIED: dict[str, tuple[Any, ...]] = {
    "easy": (5, 3, 1, 0, 0, None, 8, 0.0, 0.15, 0.15, "default"),
    "medium": (7, 1, 1, 0, 1, 8, 8, 0.05, 0.10, 0.10, "default"),
    "hard": (10, 3, 1, 1, 1, 12, 8, 0.10, 0.15, 0.10, "simple"),
    "first": (10, 3, 1, 1, 1, 11, 8, 0.0, 0.07, 0.10, "default"),
    "second": (10, 3, 2, 0, 1, 11, 8, 0.05, 0.10, 0.05, "default"),
    "second-demo": (10, 3, 2, 0, 1, 50, 8, 0.05, 0.08, 0.05, "default"),
}
NAMES = (
    "size", "num_goals", "min_goal_distance", "num_keys", "num_teleporter_pairs", "energy_start",
    "energy_replenish", "energy_fraction", "death_fraction", "ice_fraction", "dynamics",
)  # fmt: skip


@pytest.mark.parametrize("preset", list(SPECIFIED))
def test_presets_are_as_specified(preset: str) -> None:
    settings = asdict(PRESETS[preset])
    assert tuple(settings[name] for name in NAMES) == SPECIFIED[preset]
    assert not settings["permute_codes"]


def test_paper_is_hard_with_permuted_codes() -> None:
    assert asdict(PRESETS["paper"]) == {**asdict(PRESETS["hard"]), "permute_codes": True}


def test_episode_limits() -> None:
    limits = {name: world.episode_steps for name, world in PRESETS.items()}
    assert (limits["easy"], limits["medium"], limits["hard"]) == (50, 30, 100)
    # With limited energy, the limit leaves room for all of it.
    for world in PRESETS.values():
        if world.energy_start is not None:
            most = world.energy_start + world.energy_replenish * world.count(world.energy_fraction)
            assert world.episode_steps >= most


def test_manual_states_the_presets() -> None:
    manual = KrazyWorldEnv.__doc__ or ""
    lines = manual[manual.index("| preset | N |") :].splitlines()[2:]
    table = {}
    for line in lines:
        if not line.strip():
            break
        name, *cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        table[name] = cells
    expected = {}
    for name, world in PRESETS.items():
        fractions = (world.energy_fraction, world.death_fraction, world.ice_fraction)
        expected[name] = [
            str(world.size),
            str(world.num_goals),
            str(world.min_goal_distance),
            str(world.num_keys),
            str(world.num_teleporter_pairs),
            "unlimited" if world.energy_start is None else str(world.energy_start),
            *(f"{fraction:.2f}"[1:] if fraction else "0" for fraction in fractions),
            world.dynamics,
            "permuted" if world.permute_codes else "fixed",
            str(world.episode_steps),
        ]
    assert table == expected


def test_ids_name_presets() -> None:
    for env_id, (_, arguments) in IDS.items():
        if "KrazyWorld" in env_id:
            assert set(arguments) == {"preset"} and arguments["preset"] in PRESETS


@pytest.mark.parametrize(
    ("size", "fraction", "count"),
    [(10, 0.07, 7), (10, 0.29, 29), (10, 0.15, 15), (7, 0.05, 2), (7, 0.1, 4), (5, 0.15, 3)],
)
def test_counts_are_rounded_down(size: int, fraction: float, count: int) -> None:
    assert WorldSettings(size=size).count(fraction) == count


def test_settings_change_a_preset() -> None:
    changed = preset_settings("medium", {"size": 9, "energy_start": None})
    expected = {**asdict(PRESETS["medium"]), "size": 9, "energy_start": None}
    assert asdict(changed) == expected
    env = gym.make("metaenvs/KrazyWorld-v0", preset="medium", size=9)
    assert env.get_wrapper_attr("task_space")["tiles"].shape == (81,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 2}, "size must be from 3 to 16"),
        ({"size": 17}, "size must be from 3 to 16"),
        ({"size": 7.0}, "size must be an integer"),
        ({"size": "7"}, "size must be an integer"),
        ({"num_goals": 0}, "num_goals must be at least 1"),
        ({"num_goals": True}, "num_goals must be an integer"),
        ({"num_keys": 2}, "num_keys must be 0 or 1"),
        ({"num_keys": 1, "size": 4}, "at least 5"),
        ({"num_teleporter_pairs": -1}, "num_teleporter_pairs must be at least 0"),
        ({"energy_start": 0}, "energy_start must be None or from 1 to 1000"),
        ({"energy_start": 12.5}, "energy_start must be an integer"),
        ({"energy_replenish": -1}, "energy_replenish must be from 0 to 100"),
        ({"energy_replenish": None}, "energy_replenish must be an integer"),
        ({"min_goal_distance": -1}, "min_goal_distance must be at least 0"),
        ({"dynamics": "chess"}, "dynamics must be one of"),
        ({"death_fraction": 1.1}, "death_fraction must be a number from 0 to 1"),
        ({"ice_fraction": -0.1}, "ice_fraction must be a number from 0 to 1"),
        ({"energy_fraction": float("nan")}, "energy_fraction must be a number from 0 to 1"),
        ({"death_fraction": 0.9}, "has no room for"),
        ({"num_goals": 40}, "has no room for"),
        ({"min_goal_distance": 6}, "has no room for"),  # Of the cells 7 steps from the middle.
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preset_settings("medium", changes)
    with pytest.raises(ValueError, match=message):
        gym.make("metaenvs/KrazyWorld-v0", preset="medium", **changes)


def test_episode_steps_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="episode_steps must be at least 1"):
        preset_settings("medium", {"episode_steps": 0})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"preset must be one of .*'paper'"):
        gym.make("metaenvs/KrazyWorld-v0", preset="harder")
    with pytest.raises(TypeError, match=r"no argument \['num_doors'\]"):
        gym.make("metaenvs/KrazyWorld-v0", num_doors=3)
