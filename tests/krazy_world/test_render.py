"""The renderer of Krazy World: what a viewer must be able to tell apart, and what is refused."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from metaenvs.krazy_world.render import draw_world, world_to_text
from metaenvs.krazy_world.tiles import (
    AGENT,
    DEATH,
    GOAL,
    ICE,
    KEY,
    NORMAL,
    TELEPORTER,
    TILE_NAMES,
    WALL,
)

SIZE = 5


def board(**cells: int) -> np.ndarray:
    """A board of floor with tile types at cells given as ``c<index>``."""
    tiles = np.full((SIZE, SIZE), NORMAL, np.uint8)
    for name, tile in cells.items():
        tiles.flat[int(name[1:])] = tile
    return tiles


def draw(tiles: np.ndarray, agent: int = 0, **changes: Any) -> np.ndarray:
    arguments = {
        "energy": 10, "energy_start": 12, "has_key": False, "goals_collected": 0, **changes
    }  # fmt: skip
    return draw_world(tiles, agent, **arguments)


def cell_of(picture: np.ndarray, cell: int, pixels: int = 48) -> np.ndarray:
    top, left = (cell // SIZE + 1) * pixels, cell % SIZE * pixels
    return picture[top : top + pixels, left : left + pixels]


def strip_of(picture: np.ndarray, pixels: int = 48) -> np.ndarray:
    return picture[:pixels]


def changed_cells(before: np.ndarray, after: np.ndarray) -> set[int]:
    cells = range(SIZE * SIZE)
    return {cell for cell in cells if (cell_of(before, cell) != cell_of(after, cell)).any()}


@pytest.mark.parametrize("pixels", [16, 48])
def test_tile_types_look_clearly_different(pixels: int) -> None:
    sprites = [
        cell_of(draw(board(c12=tile), cell_pixels=pixels), 12, pixels).astype(int)
        for tile in range(len(TILE_NAMES))
    ]
    for first, sprite in enumerate(sprites):
        for other in sprites[first + 1 :]:
            clearly = np.abs(sprite - other).max(axis=2) > 40
            assert clearly.mean() > 0.08


@pytest.mark.parametrize("pixels", [8, 16, 33, 48])
def test_cell_pixels_scale_the_picture(pixels: int) -> None:
    picture = draw(board(), cell_pixels=pixels)
    assert picture.shape == ((SIZE + 1) * pixels, SIZE * pixels, 3)
    assert picture.dtype == np.uint8


def test_a_move_changes_exactly_the_cells_left_and_entered() -> None:
    assert changed_cells(draw(board(), 6), draw(board(), 7)) == {6, 7}


def test_a_dead_agent_looks_different_and_pale() -> None:
    alive, dead = draw(board(c6=DEATH), 6), draw(board(c6=DEATH), 6, dead=True)
    assert changed_cells(alive, dead) == {6}
    blueness = [cell_of(p, 6)[..., 2].mean() - cell_of(p, 6)[..., 0].mean() for p in (alive, dead)]
    assert blueness[0] > blueness[1] + 20


def test_every_unit_of_energy_changes_the_strip_and_only_the_strip() -> None:
    pictures = [draw(board(), energy=energy) for energy in range(-1, 20)]
    for before, after in pairwise(pictures):
        assert (strip_of(before) != strip_of(after)).any()
        assert not changed_cells(before, after)


def test_the_bar_turns_from_green_to_red() -> None:
    def redness(energy: int) -> float:
        column = strip_of(draw(board(), energy=energy, energy_start=20))[24, 45].astype(float)
        return float(column[0] - column[1])

    assert redness(20) < 0 < redness(8) < redness(2)


def test_key_and_stars_show() -> None:
    plain = strip_of(draw(board()))
    assert (plain != strip_of(draw(board(), has_key=True))).any()
    golden = []
    for collected in range(4):
        goals_left = {f"c{cell}": GOAL for cell in range(10, 13 - collected)}
        strip = strip_of(draw(board(**goals_left), goals_collected=collected))
        golden.append(int((strip[..., :2].min(axis=2) > 190).sum()))
    assert golden == sorted(set(golden))


def test_the_strip_keeps_its_layout_while_goals_are_collected() -> None:
    before = strip_of(draw(board(c3=GOAL, c4=GOAL)))
    after = strip_of(draw(board(c4=GOAL), goals_collected=1))
    columns = np.flatnonzero((before != after).any(axis=(0, 2)))
    assert columns.size and np.ptp(columns) < 48


def test_steps_and_slides_are_lines_through_their_cells() -> None:
    tiles = board(c11=ICE, c12=ICE, c13=ICE)
    plain, trailed = draw(tiles, 14), draw(tiles, 14, trail=[0, 5, 10, 14])
    assert changed_cells(plain, trailed) == {0, 5, 10, 11, 12, 13, 14}


def test_the_trail_fades_towards_its_start() -> None:
    plain, trailed = draw(board(), 24), draw(board(), 24, trail=[20, 21, 22, 23, 24])
    change = [
        np.abs(cell_of(plain, cell).astype(int) - cell_of(trailed, cell)).max()
        for cell in (21, 22, 23)
    ]
    assert change[0] < change[1] < change[2]


@pytest.mark.parametrize("trail", [[0, 1, 2, 22, 23], [0, 1, 22, 23]])
def test_a_teleport_is_an_arc_however_it_was_recorded(trail: list[int]) -> None:
    tiles = board(c2=TELEPORTER, c22=TELEPORTER)
    expected = draw(tiles, 23, trail=[0, 1, 2, 22, 23])
    picture = draw(tiles, 23, trail=trail)
    assert changed_cells(draw(tiles, 23), picture) == changed_cells(draw(tiles, 23), expected)
    row_between = picture[3 * 48 : 4 * 48].astype(int)
    violet = np.delete(row_between, 1, axis=2).min(axis=2) - row_between[..., 1] > 50
    rows_crossed = violet.any(axis=1)
    assert rows_crossed.any() and not rows_crossed.all()  # Dots, not a line.


def test_leaps_over_cells_are_dotted_and_waiting_draws_nothing() -> None:
    leap = draw(board(), 14, trail=[10, 14])
    slide = draw(board(c11=ICE, c12=ICE, c13=ICE), 14, trail=[10, 14])
    middle_line = 3 * 48 + 24
    blue = [
        (picture[middle_line, 60:180, 2].astype(int) - picture[middle_line, 60:180, 0]) > 60
        for picture in (slide, leap)
    ]
    assert blue[0].all() and not blue[1].all()
    waited = draw(board(), 14, trail=[14, 14, 14])
    assert not changed_cells(draw(board(), 14), waited)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiles": np.zeros((4, 5), np.uint8)}, r"shape \(N, N\).*\(4, 5\)"),
        ({"tiles": np.zeros(25, np.uint8)}, r"shape \(N, N\).*\(25,\)"),
        ({"tiles": np.zeros((0, 0), np.uint8)}, r"shape \(N, N\).*\(0, 0\)"),
        ({"tiles": np.full((5, 5), 11, np.uint8)}, "below 11.*11"),
        ({"tiles": np.zeros((5, 5))}, "uint8.*float64"),
        ({"agent": 25}, "0 to 24.*25"),
        ({"agent": -1}, "0 to 24.*-1"),
        ({"energy": -2}, "energy.*-2"),
        ({"goals_collected": -1}, "goals_collected.*-1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "tiles": board(), "agent": 0, "energy": 1, "has_key": False, "goals_collected": 0
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        draw_world(**(arguments | {"energy_start": 1} | changes))
    with pytest.raises(ValueError, match=message):
        world_to_text(**(arguments | changes))


def test_bad_trails_and_tiny_cells_are_refused() -> None:
    with pytest.raises(ValueError, match=r"trail.*0 to 24.*30"):
        draw(board(), trail=[30, 0])
    with pytest.raises(ValueError, match=r"cell_pixels must be at least 8, got 7"):
        draw(board(), cell_pixels=7)


def text_of(tiles: np.ndarray, agent: int = 0, **changes: Any) -> list[str]:
    arguments = {"energy": 7, "has_key": False, "goals_collected": 0, **changes}
    return re.sub("\x1b\\[[0-9;]*m", "", world_to_text(tiles, agent, **arguments)).split("\n")


def test_text_has_a_line_per_row_and_a_status_line() -> None:
    lines = text_of(board(c1=WALL, c24=KEY), 12, goals_collected=2)
    assert len(lines) == SIZE + 1
    assert all(len(line) == SIZE for line in lines[:-1])
    assert lines[2][2] == "@"
    assert lines[-1] == "energy 7 | key no | goals 2"
    assert text_of(board(), energy=-1, has_key=True)[-1] == "energy unlimited | key yes | goals 0"


def test_text_differs_per_tile_type() -> None:
    characters = {text_of(board(c12=tile))[2][2] for tile in range(len(TILE_NAMES))}
    assert len(characters) == len(TILE_NAMES)
    assert text_of(board(), 12)[2][2] == text_of(board(c12=AGENT))[2][2]
