"""Drawing Krazy Worlds: the row function that fills a task, and the check of a given one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from metaenvs.kernels.random import random_integer, random_pair
from metaenvs.kernels.row_function import row_function
from metaenvs.krazy_world.tiles import (
    AGENT,
    DEATH,
    DOOR,
    ENERGY,
    GOAL,
    ICE,
    KEY,
    NORMAL,
    OUTSIDE,
    TELEPORTER,
    WALL,
)
from metaenvs.tasks import Tasks

__all__ = ["DYNAMICS", "check_worlds", "draw_task", "task_space"]

DYNAMICS = ("default", "simple", "moderate", "hard")
"""Levels of the dynamics permutation; the index is the number of unit moves summed."""

NUM_TILE_TYPES = 10
MAX_TRIES = 1000
CLEAR_OF_DOOR = 2
NEAR = OUTSIDE  # Marks those cells while a world is drawn.


def task_space(size: int) -> gym.spaces.Dict:
    """Everything that varies from world to world, for a board of ``size`` by ``size`` cells."""
    return gym.spaces.Dict(
        {
            "tiles": gym.spaces.Box(0, NUM_TILE_TYPES - 1, (size * size,), np.uint8),
            "start": gym.spaces.Box(0, size * size - 1, (), np.int16),
            "displacements": gym.spaces.Box(-3, 3, (4, 2), np.int8),
            "tile_codes": gym.spaces.Box(0, NUM_TILE_TYPES - 1, (NUM_TILE_TYPES,), np.uint8),
        }
    )


def check_worlds(tasks: Tasks) -> None:
    """Refuse what the space cannot say.

    Raises:
        ValueError: An agent marker on the board, a start that is no normal tile, an odd number
            of teleporters, or tile codes that are no permutation fixing the agent marker.
    """
    tiles, codes = tasks["tiles"], tasks["tile_codes"]
    start_tile = np.take_along_axis(tiles, tasks["start"].astype(np.int64)[:, None], axis=1)[:, 0]
    complaints = {
        f"'tiles' may not hold the agent marker ({AGENT}); 'start' places the agent": (
            tiles == AGENT
        ).any(axis=1),
        f"'start' must be the index of a normal tile ({NORMAL})": start_tile != NORMAL,
        "'tiles' must hold an even number of teleporters": (
            (tiles == TELEPORTER).sum(axis=1) % 2 == 1
        ),
        f"'tile_codes' must be a permutation of 0..9 that keeps the agent's code {AGENT}": (
            (np.sort(codes, axis=1) != np.arange(NUM_TILE_TYPES)).any(axis=1)
            | (codes[:, AGENT] != AGENT)
        ),
    }
    for complaint, wrong in complaints.items():
        if wrong.any():
            raise ValueError(f"{complaint}; task {int(np.argmax(wrong))} breaks this.")


@row_function
def list_free_cells(task: Any, cells: Any, size: Any, door: Any) -> Any:
    """List the normal cells, those clear of the door first.

    Answers how many are clear of the door, and how many there are in all.
    """
    # No branch depends on what is where: on a fresh board the processor could only guess.
    tiles = task.tiles
    door_row = door // size
    door_column = door % size
    if door >= 0:
        for down in range(-CLEAR_OF_DOOR, CLEAR_OF_DOOR + 1):
            reach = CLEAR_OF_DOOR - abs(down)
            for right in range(-reach, reach + 1):
                cell = cell_or(door, door_row + down, door_column + right, size)
                tiles[cell] = NEAR if tiles[cell] == NORMAL else tiles[cell]
    clear = np.uint64(0)
    for cell in range(size * size):
        cells[clear] = cell
        clear += np.uint64(tiles[cell] == NORMAL)
    free = clear
    if door >= 0:
        for down in range(CLEAR_OF_DOOR, -CLEAR_OF_DOOR - 1, -1):
            reach = CLEAR_OF_DOOR - abs(down)
            for right in range(reach, -reach - 1, -1):
                cell = cell_or(door, door_row + down, door_column + right, size)
                near = tiles[cell] == NEAR
                tiles[cell] = NORMAL if near else tiles[cell]
                cells[free] = cell
                free += np.uint64(near)
    return int(clear), int(free)


@row_function
def cell_or(otherwise: Any, row: Any, column: Any, size: Any) -> Any:
    """The cell at a place, or ``otherwise`` beyond the board."""
    inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
    return np.uint64(row * size + column if inside else otherwise)


@row_function
def choose(
    cells: Any, draws: Any, count: Any, first: Any, last: Any, key: Any, counter: Any
) -> None:
    """Draw ``count`` of ``cells[first:last]`` without replacement: they are moved to the front."""
    # All numbers first: there the loop does several at once.
    for position in range(first, first + count):
        draws[position] = random_integer(key, counter + position, last - position)
    for position in range(first, first + count):
        chosen = np.uint64(position) + np.uint64(draws[position])
        cell = cells[chosen]
        cells[chosen] = cells[position]
        cells[position] = cell


@row_function
def put(task: Any, cells: Any, tile: Any, first: Any, count: Any) -> Any:
    """Make the cells from ``cells[first]`` on a tile of a kind; answers where that ends."""
    for position in range(first, first + count):
        task.tiles[cells[position]] = tile
    return first + count


@row_function
def place_goals(task: Any, cells: Any, size: Any, count: Any, clearance: Any, first: Any,
                last: Any, key: Any, counter: Any) -> Any:  # fmt: skip
    """Put goals on cells of ``cells[first:last]`` further than ``clearance`` from the start.

    Where a thousand draws find none, the board has hardly any, and any cell will do. Answers the
    number of draws used so far.
    """
    per_row = 2**16 // size + 1  # Multiplied, it divides a cell by the size.
    start_row = (task.start * per_row) >> 16
    start_column = task.start - start_row * size
    for position in range(first, first + count):
        last_try = counter + MAX_TRIES
        far = False
        chosen = position
        while not far:
            chosen = position + random_integer(key, counter, last - position)
            counter += 1
            cell = np.int64(cells[chosen])
            row = (cell * per_row) >> 16
            distance = abs(row - start_row) + abs(cell - row * size - start_column)
            far = distance > clearance or counter > last_try
        cell = cells[chosen]
        cells[chosen] = cells[position]
        cells[position] = cell
        task.tiles[cell] = GOAL
    return counter


@row_function
def build_lock(task: Any, size: Any, key: Any, counter: Any) -> Any:
    """Wall off a corner by an L with a door in it; key and start lie inside.

    The L runs from a random interior cell to its two nearest borders. Answers the door's cell and
    the number of draws used so far.
    """
    inside_rows = 0
    inside_columns = 0
    corner_row = 0
    corner_column = 0
    while inside_rows * inside_columns < 2:
        corner_row, corner_column = random_pair(key, counter, size - 2, size - 2)
        corner_row += 1
        corner_column += 1
        counter += 1
        inside_rows = min(corner_row, size - 1 - corner_row)
        inside_columns = min(corner_column, size - 1 - corner_column)
    top = corner_row == inside_rows
    left = corner_column == inside_columns
    if 2 * corner_row == size - 1:  # Both borders are equally near.
        top = random_integer(key, counter, 2) == 0
        counter += 1
    if 2 * corner_column == size - 1:
        left = random_integer(key, counter, 2) == 0
        counter += 1
    first_row = 0 if top else corner_row + 1
    first_column = 0 if left else corner_column + 1
    for row in range(first_row, first_row + inside_rows):
        task.tiles[row * size + corner_column] = WALL
    for column in range(first_column, first_column + inside_columns):
        task.tiles[corner_row * size + column] = WALL
    task.tiles[corner_row * size + corner_column] = WALL

    # The corner cell itself touches the inside only diagonally: no use for a door.
    chosen = random_integer(key, counter, inside_rows + inside_columns)
    counter += 1
    if chosen < inside_rows:
        door = (first_row + chosen) * size + corner_column
    else:
        door = corner_row * size + first_column + chosen - inside_rows
    task.tiles[door] = DOOR

    area = inside_rows * inside_columns
    start_index = random_integer(key, counter, area)
    key_index = (start_index + 1 + random_integer(key, counter + 1, area - 1)) % area
    counter += 2
    task.start = (first_row + start_index // inside_columns) * size + (
        first_column + start_index % inside_columns
    )
    key_cell = (first_row + key_index // inside_columns) * size + (
        first_column + key_index % inside_columns
    )
    task.tiles[key_cell] = KEY
    return door, counter


@row_function
def draw_displacements(task: Any, dynamics: Any, key: Any, counter: Any) -> Any:
    """Fill the displacement of each action; answer the number of draws used so far.

    Level 0 keeps down, up, right, left; level n gives each action the sum of n unit moves, each
    from an independent permutation of the four.
    """
    for action in range(4):
        task.displacements[action, 0] = 0
        task.displacements[action, 1] = 0
    for _ in range(max(dynamics, 1)):
        remaining = 0x3210
        for action in range(4):
            chosen = 0
            if dynamics > 0:
                chosen = random_integer(key, counter, 4 - action)
                counter += 1
            move = (remaining >> (4 * chosen)) & 0xF
            below = remaining & ((1 << (4 * chosen)) - 1)
            remaining = below | ((remaining >> (4 * (chosen + 1))) << (4 * chosen))
            sign = 1 - 2 * (move % 2)
            task.displacements[action, move // 2] += sign
    return counter


@row_function
def draw_tile_codes(task: Any, permute: Any, key: Any, counter: Any) -> None:
    """Fill the code of each tile type; the agent's marker keeps its own."""
    for tile in range(NUM_TILE_TYPES):
        task.tile_codes[tile] = tile
    if not permute:
        return
    for last in range(NUM_TILE_TYPES - 1, 0, -1):
        if last == AGENT:
            continue
        # Positions 0..last without the agent's.
        other = random_integer(key, counter, last if last > AGENT else last + 1)
        counter += 1
        if last > AGENT and other >= AGENT:
            other += 1
        code = task.tile_codes[last]
        task.tile_codes[last] = task.tile_codes[other]
        task.tile_codes[other] = code


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """Draw a world: lock, start, specials without replacement, dynamics, tile codes."""
    size = parameters.size
    cells = state.tiles
    counter = 0
    for cell in range(size * size):
        task.tiles[cell] = NORMAL
    door = -1
    if parameters.num_keys > 0:
        door, counter = build_lock(task, size, key, counter)
    else:
        task.start = random_integer(key, counter, size * size)
        counter += 1
    task.tiles[task.start] = AGENT
    clear, free = list_free_cells(task, cells, size, door)
    if clear < parameters.num_death + parameters.num_ice:
        clear = free
    num_bad = parameters.num_death + parameters.num_ice
    num_teleporters = 2 * parameters.num_teleporter_pairs
    choose(cells, state.draws, num_bad, 0, clear, key, counter)
    choose(cells, state.draws, num_teleporters + parameters.num_energy, num_bad, free, key, counter)
    placed = put(task, cells, np.uint8(DEATH), 0, parameters.num_death)
    placed = put(task, cells, np.uint8(ICE), placed, parameters.num_ice)
    placed = put(task, cells, np.uint8(TELEPORTER), placed, num_teleporters)
    placed = put(task, cells, np.uint8(ENERGY), placed, parameters.num_energy)
    counter = place_goals(
        task, cells, size, parameters.num_goals, parameters.min_goal_distance, placed, free, key,
        counter + placed,
    )  # fmt: skip
    task.tiles[task.start] = NORMAL
    counter = draw_displacements(task, parameters.dynamics, key, counter)
    draw_tile_codes(task, parameters.permute_codes, key, counter)
