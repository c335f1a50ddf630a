"""How worlds are drawn: counts, places and frequencies, and which worlds are refused."""

from __future__ import annotations

from collections import Counter, deque
from functools import cache
from itertools import permutations, product
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

import metaenvs  # noqa: F401
from metaenvs import Tasks
from metaenvs.krazy_world.presets import PRESETS, preset_settings

WALL, NORMAL, GOAL, AGENT, TELEPORTER, DOOR, KEY, DEATH, ICE, ENERGY = range(10)
UNIT_MOVES = [(1, 0), (-1, 0), (0, 1), (0, -1)]
WITH_KEY = ["paper", "hard", "first"]

Array = npt.NDArray[Any]


def make(preset: str, **settings: Any) -> Any:
    env = gym.make("metaenvs/KrazyWorld-v0", preset=preset, split="all", **settings).unwrapped
    env.reset(seed=3)
    return env


@cache
def draw_preset(preset: str, num_worlds: int = 3000) -> Tasks:
    tasks: Tasks = make(preset).sample_tasks(num_worlds)
    return tasks


def places(cells: Array, size: int) -> Array:
    """Rows and columns (..., 2)."""
    return np.stack([cells // size, cells % size], axis=-1)


def distances(worlds: Tasks, tile: int, cell: Array) -> list[Array]:
    """Manhattan distances of the tiles of a kind from one cell in each world."""
    size = round(worlds["tiles"].shape[1] ** 0.5)
    return [
        np.abs(places(np.flatnonzero(tiles == tile), size) - places(origin, size)).sum(axis=-1)
        for tiles, origin in zip(worlds["tiles"], cell.astype(np.int64), strict=True)
    ]


def assert_plausible(statistic: float, degrees: int) -> None:
    """A chi-square statistic within five standard deviations of its mean."""
    assert abs(statistic - degrees) < 5 * (2 * degrees) ** 0.5, (statistic, degrees)


def chi_square(counts: Array, expected: Array | float) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


# ---------------------------------------------------------------------- boards


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_world_holds_what_its_settings_say(preset: str) -> None:  # K2
    world, tiles = PRESETS[preset], draw_preset(preset)["tiles"]
    expected = {
        GOAL: world.num_goals,
        AGENT: 0,
        TELEPORTER: 2 * world.num_teleporter_pairs,
        DOOR: world.num_keys,
        KEY: world.num_keys,
        DEATH: world.count(world.death_fraction),
        ICE: world.count(world.ice_fraction),
        ENERGY: world.count(world.energy_fraction),
    }
    for tile, count in expected.items():
        assert ((tiles == tile).sum(axis=1) == count).all(), tile
    if world.num_keys == 0:
        assert not (tiles == WALL).any()


@pytest.mark.parametrize("preset", list(PRESETS))
def test_starts_are_normal_and_goals_far_enough(preset: str) -> None:  # K3
    worlds = draw_preset(preset)
    start = worlds["start"].astype(np.int64)
    assert (np.take_along_axis(worlds["tiles"], start[:, None], axis=1) == NORMAL).all()
    nearest = min(distance.min() for distance in distances(worlds, GOAL, start))
    assert nearest == PRESETS[preset].min_goal_distance + 1


def test_goals_far_away() -> None:  # K3
    worlds = make("second", min_goal_distance=6, ice_fraction=0.0).sample_tasks(20_000)
    nearest = min(distance.min() for distance in distances(worlds, GOAL, worlds["start"]))
    assert nearest == 7


@pytest.mark.parametrize("size", [7, 10])
def test_tiles_and_starts_are_uniform_over_the_whole_board(size: int) -> None:  # K1
    num_worlds, num_cells = 20_000, size**2
    settings = {"size": size, "min_goal_distance": 0, "ice_fraction": 0.1}
    worlds = make("second", **settings).sample_tasks(num_worlds)
    for tile in (DEATH, ICE, ENERGY, TELEPORTER, GOAL):
        counts = (worlds["tiles"] == tile).sum(axis=0)
        per_world = int((worlds["tiles"][0] == tile).sum())
        statistic = chi_square(counts, num_worlds * per_world / num_cells)
        # Tiles of one world never share a cell, which makes counts more alike than independent.
        statistic *= (num_cells - 1) / (num_cells - per_world)
        assert_plausible(statistic, num_cells - 1)
    counts = np.bincount(worlds["start"], minlength=num_cells)
    assert_plausible(chi_square(counts, num_worlds / num_cells), num_cells - 1)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_last_row_and_column_hold_special_tiles(preset: str) -> None:  # K1
    size = PRESETS[preset].size
    boards = draw_preset(preset)["tiles"].reshape(-1, size, size)
    for tile in set(np.unique(boards)) - {NORMAL, WALL}:
        assert (boards[:, -1] == tile).any()
        assert (boards[:, :, -1] == tile).any()


def test_crowded_boards_still_hold_everything() -> None:
    settings = {"num_goals": 1, "death_fraction": 0.2, "ice_fraction": 0.2}
    worlds = make("easy", num_keys=1, **settings).sample_tasks(2000)
    for tile, count in {DEATH: 5, ICE: 5, GOAL: 1, KEY: 1, DOOR: 1}.items():
        assert ((worlds["tiles"] == tile).sum(axis=1) == count).all()


# ---------------------------------------------------------------------- the lock


def enclosed_cells(tiles: Array, start: int, size: int) -> set[tuple[int, int]]:
    """Cells that can be walked to from the start without passing a wall or a door."""
    found = {divmod(start, size)}
    waiting = deque(found)
    while waiting:
        row, column = waiting.popleft()
        for down, right in UNIT_MOVES:
            place = (row + down, column + right)
            if place in found or not (0 <= place[0] < size and 0 <= place[1] < size):
                continue
            if tiles[place[0] * size + place[1]] not in (WALL, DOOR):
                found.add(place)
                waiting.append(place)
    return found


@pytest.mark.parametrize(("preset", "size"), [("hard", 10), ("first", 10), ("easy", 5)])
def test_lock_walls_off_a_corner_with_start_and_key(preset: str, size: int) -> None:  # K7
    few = {"death_fraction": 0.0, "ice_fraction": 0.0, "num_goals": 1}  # Room in 5 by 5 cells.
    worlds = make(preset, num_keys=1, **few).sample_tasks(3000)
    corners: Counter[tuple[bool, bool]] = Counter()
    arms: Counter[bool] = Counter()
    areas: Counter[tuple[int, int]] = Counter()
    for tiles, start in zip(worlds["tiles"], worlds["start"].tolist(), strict=True):
        inside = enclosed_cells(tiles, start, size)
        rows, columns = (sorted({place[axis] for place in inside}) for axis in (0, 1))
        height, width = len(rows), len(columns)
        assert inside == set(product(rows, columns))
        assert rows[-1] - rows[0] == height - 1 and columns[-1] - columns[0] == width - 1
        top, left = rows[0] == 0, columns[0] == 0
        assert top != (rows[-1] == size - 1) and left != (columns[-1] == size - 1)
        key = divmod(int(np.argmax(tiles == KEY)), size)
        assert key in inside and key != divmod(start, size)
        wall_row = rows[-1] + 1 if top else rows[0] - 1
        wall_column = columns[-1] + 1 if left else columns[0] - 1
        walls = {(wall_row, column) for column in columns} | {(row, wall_column) for row in rows}
        walls.add((wall_row, wall_column))
        assert walls == {divmod(int(c), size) for c in np.flatnonzero(np.isin(tiles, [WALL, DOOR]))}
        door = divmod(int(np.argmax(tiles == DOOR)), size)
        assert door != (wall_row, wall_column)
        corners[top, left] += 1
        arms[door[0] == wall_row] += 1
        areas[height, width] += 1
    assert len(corners) == 4
    assert len(arms) == 2 and min(arms.values()) > 1000
    if size == 10:
        assert_plausible(chi_square(np.array(list(corners.values())), 750), 3)
        # The wall's corner is uniform over the interior, save where the room would be one cell.
        expected = set(product(range(1, 5), repeat=2)) - {(1, 1)}
        assert set(areas) == expected
        assert_plausible(chi_square(np.array(list(areas.values())), 3000 / 15), 14)


@pytest.mark.parametrize("preset", WITH_KEY)
def test_death_and_ice_keep_clear_of_the_door(preset: str) -> None:
    worlds = draw_preset(preset)
    doors = np.argmax(worlds["tiles"] == DOOR, axis=1)
    for tile in (DEATH, ICE):
        assert min(distance.min() for distance in distances(worlds, tile, doors)) == 3
    assert min(distance.min() for distance in distances(worlds, GOAL, doors)) == 1


def test_drawing_never_hangs() -> None:  # K7
    worlds = make("hard").sample_tasks(100_000)
    assert len(worlds) == 100_000
    assert len(np.unique(worlds.ids)) == 100_000


# ---------------------------------------------------------------------- dynamics and codes


def test_default_dynamics() -> None:
    worlds = make("easy").sample_tasks(100)
    assert (worlds["displacements"] == UNIT_MOVES).all()


@pytest.mark.parametrize(("dynamics", "level"), [("simple", 1), ("moderate", 2), ("hard", 3)])
def test_displacements_are_sums_of_independent_permutations(dynamics: str, level: int) -> None:
    num_worlds = 100_000
    worlds = make("easy", dynamics=dynamics).sample_tasks(num_worlds)
    # Displacements as numbers, so that sums of whole tables are sums of numbers.
    weights = 64 ** np.arange(4)[:, None] * np.array([8, 1])
    tables = np.array([(np.array(order) * weights).sum() for order in permutations(UNIT_MOVES)])
    sums = tables
    for _ in range(level - 1):
        sums = (sums[:, None] + tables).ravel()
    values, chances = np.unique(sums, return_counts=True)
    drawn = (worlds["displacements"].astype(np.int64) * weights).sum(axis=(1, 2))
    assert np.isin(drawn, values).all()
    counts = np.array([(drawn == value).sum() for value in values])
    expected = num_worlds * chances / chances.sum()
    assert_plausible(chi_square(counts, expected), len(values) - 1)
    assert np.abs(worlds["displacements"]).sum(axis=2).max() == level


def test_tile_codes_are_a_uniform_permutation_that_fixes_the_agent() -> None:  # K8
    num_worlds = 20_000
    codes = make("easy", permute_codes=True).sample_tasks(num_worlds)["tile_codes"]
    assert (np.sort(codes, axis=1) == np.arange(10)).all()
    assert (codes[:, AGENT] == AGENT).all()
    others = [tile for tile in range(10) if tile != AGENT]
    counts = np.array([[(codes[:, tile] == code).sum() for code in others] for tile in others])
    # Rows and columns of a permutation's table sum to one, which leaves 8 by 8 degrees of freedom
    # of 9 by 8 times the variance.
    assert_plausible(chi_square(counts, num_worlds / 9) * 8 / 9, 64)


def test_tile_codes_are_fixed_unless_permuted() -> None:
    assert (draw_preset("hard")["tile_codes"] == np.arange(10)).all()
    assert (draw_preset("paper")["tile_codes"] != np.arange(10)).any()


# ---------------------------------------------------------------------- worlds given


def good_world() -> dict[str, Array]:
    tiles = np.full(25, NORMAL, np.uint8)
    tiles[[3, 7]] = TELEPORTER
    return {
        "tiles": tiles,
        "start": np.array(0, np.int16),
        "displacements": np.array(UNIT_MOVES, np.int8),
        "tile_codes": np.arange(10, dtype=np.uint8),
    }


def with_tile(cell: int, tile: int) -> Array:
    tiles = good_world()["tiles"]
    tiles[cell] = tile
    return tiles


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tiles": with_tile(5, AGENT)}, "agent marker"),
        ({"tiles": with_tile(0, GOAL)}, "'start' must be the index of a normal tile"),
        ({"start": np.array(3)}, "'start' must be the index of a normal tile"),
        ({"tiles": with_tile(3, NORMAL)}, "even number of teleporters"),
        ({"tile_codes": np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8])}, "permutation"),
        ({"tile_codes": np.array([0, 1, 3, 2, 4, 5, 6, 7, 8, 9])}, "keeps the agent's code"),
        ({"tiles": with_tile(5, 10)}, "'tiles' must lie in"),
        ({"start": np.array(25)}, "'start' must lie in"),
        ({"displacements": np.array([(4, 0), *UNIT_MOVES[1:]])}, "'displacements' must lie in"),
        ({"tiles": np.ones(24, np.uint8)}, "'tiles' must have shape"),
    ],
)
def test_bad_worlds_are_refused(change: dict[str, Array], message: str) -> None:
    env = make("easy")
    good = good_world()
    assert len(env.check_tasks(good)) == 1
    with pytest.raises(ValueError, match=message):
        env.check_tasks({**good, **change})
    with pytest.raises(ValueError, match=message):
        env.reset(options={"task": {**good, **change}})
    if message != "'tiles' must have shape":
        with pytest.raises(ValueError, match="task 1"):
            env.check_tasks(Tasks.stack([good, {**good, **change}]))


def test_boards_made_by_hand_may_be_otherwise_free() -> None:
    world = preset_settings("easy", {})
    tiles = np.full(25, WALL, np.uint8)  # No goal, no way out, and two doors.
    tiles[[0, 1, 2]] = NORMAL, DOOR, DOOR
    assert world.size**2 == len(tiles)
    env = make("easy")
    env.reset(options={"task": {**good_world(), "tiles": tiles}})
    _, reward, *_ = env.step(2)
    assert reward == 0
