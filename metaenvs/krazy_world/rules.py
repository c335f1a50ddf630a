"""The rules of Krazy World: row functions that start an episode, act, and report.

Specification: Stadie et al. 2018, appendix A, with the rulings on the authors' two published
versions that the manual page lists.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metaenvs.kernels.row_function import row_function
from metaenvs.krazy_world.tiles import DEATH, DOOR, ENERGY, GOAL, ICE, KEY, NORMAL, TELEPORTER, WALL

__all__ = ["REPORT_FIELDS", "parameters_dtype", "report", "start_episode", "state_dtype", "step"]

UNLIMITED = -1
ALIVE, DIED_ON_TILE, DIED_OF_ENERGY = 0, 1, 2
NOTHING_ENTERED = -1
DENSE_GOAL_WORTH = 3

REPORT_FIELDS: list[tuple[str, type]] = [
    ("goals_collected", np.int32),
    ("tile_type_entered", np.int32),
    ("death_cause", np.int32),
    ("tile_types_visited", np.float32),
    ("trial_deaths", np.int32),
    ("trial_goals", np.int32),
]


def parameters_dtype() -> np.dtype[Any]:
    """The constants of one configuration."""
    integers = [
        "size", "energy_start", "energy_replenish", "num_goals", "min_goal_distance",
        "num_keys", "num_teleporter_pairs", "num_energy", "num_death", "num_ice", "dynamics",
        "cell_pixels", "energy_levels",
    ]  # fmt: skip
    flags = [
        "permute_codes", "dense_reward", "local_view", "observe_position", "observe_energy",
        "task_visible",
    ]  # fmt: skip
    return np.dtype(
        [(name, np.int32) for name in integers]
        + [(name, np.bool_) for name in flags]
        + [("colours", np.uint8, (11, 3))],
        align=True,
    )


def state_dtype(size: int) -> np.dtype[Any]:
    """The record of an episode on a board of ``size`` by ``size`` cells.

    ``draws`` is of use only while a world is drawn.
    """
    return np.dtype(
        [
            ("row", np.int32),
            ("column", np.int32),
            ("energy", np.int32),
            ("goals", np.int32),
            ("entered", np.int32),
            ("death_cause", np.int32),
            ("types_seen", np.int32),
            ("num_types_present", np.int32),
            ("trial_deaths", np.int32),
            ("trial_goals", np.int32),
            ("has_key", np.bool_),
            ("tiles", np.uint8, (size * size,)),
            ("draws", np.uint8, (size * size,)),
        ],
        align=True,
    )


@row_function
def count_bits(bits: Any) -> Any:
    """Number of ones among the lowest 16 bits: added in pairs, fours, bytes, all."""
    bits = (bits & 0x5555) + ((bits >> 1) & 0x5555)
    bits = (bits & 0x3333) + ((bits >> 2) & 0x3333)
    bits = (bits & 0x0F0F) + ((bits >> 4) & 0x0F0F)
    return (bits & 0xFF) + (bits >> 8)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """Restore the board, the start and the energy; the first episode clears the trial's counts."""
    if episode == 0:
        present = 0
        for cell in range(task.tiles.shape[0]):
            present |= 1 << int(task.tiles[cell])
        state.num_types_present = count_bits(present & ~(1 << WALL))
        state.types_seen = 0
        state.trial_deaths = 0
        state.trial_goals = 0
    for cell in range(task.tiles.shape[0]):
        state.tiles[cell] = task.tiles[cell]
    state.row = task.start // parameters.size
    state.column = task.start % parameters.size
    state.energy = parameters.energy_start
    state.goals = 0
    state.entered = NOTHING_ENTERED
    state.death_cause = ALIVE
    state.has_key = False


@row_function
def other_teleporter(tiles: Any, cell: Any) -> Any:
    """The other end: teleporters pair up in reading order, first with second and so on."""
    before = 0
    for other in range(cell):
        if tiles[other] == TELEPORTER:
            before += 1
    step_direction = 1 if before % 2 == 0 else -1
    other = cell + step_direction
    while tiles[other] != TELEPORTER:
        other += step_direction
    return other


@row_function
def distance_to_goals(task: Any, state: Any, size: Any) -> Any:
    """Sum of Manhattan distances from the agent to all goals, collected ones too."""
    total = 0
    for cell in range(task.tiles.shape[0]):
        if task.tiles[cell] == GOAL:
            total += abs(cell // size - state.row) + abs(cell % size - state.column)
    return total


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Move, resolve the tiles entered, pay one unit of energy.

    Answers the reward and whether the episode ends. Sliding over ice repeats the displacement
    free of energy until something else is entered or the way is blocked. A teleporter's exit is
    not resolved further. Energy is checked after a pick-up of the same step.
    """
    # Read once and written once: between, the compiler may keep them out of memory.
    size, tiles = parameters.size, state.tiles
    row, column, energy, types_seen = state.row, state.column, state.energy, state.types_seen
    down = task.displacements[action, 0]
    right = task.displacements[action, 1]
    distance = 0
    if parameters.dense_reward:
        distance = distance_to_goals(task, state, size)
    goals = 0
    death_cause = ALIVE
    entered = NOTHING_ENTERED
    moving = down != 0 or right != 0
    while moving:
        next_row = row + down
        next_column = column + right
        if next_row < 0 or next_row >= size or next_column < 0 or next_column >= size:
            break
        cell = np.uint64(next_row * size + next_column)
        tile = int(tiles[cell])
        if tile == WALL or (tile == DOOR and not state.has_key):
            break
        row = next_row
        column = next_column
        entered = tile
        types_seen |= 1 << tile
        moving = tile == ICE
        if tile == DEATH:
            death_cause = DIED_ON_TILE
            state.trial_deaths += 1
        elif tile == TELEPORTER:
            other_end = other_teleporter(tiles, int(cell))
            row = other_end // size
            column = other_end % size
        elif tile == GOAL or tile == KEY or tile == ENERGY:
            tiles[cell] = NORMAL
            if tile == GOAL:
                goals += 1
            elif tile == KEY:
                state.has_key = True
            elif energy != UNLIMITED:
                energy += parameters.energy_replenish
    if energy != UNLIMITED:
        energy -= 1
        if energy < 1 and death_cause == ALIVE:
            death_cause = DIED_OF_ENERGY
    state.row = row
    state.column = column
    state.energy = energy
    state.goals += goals
    state.entered = entered
    state.death_cause = death_cause
    state.types_seen = types_seen
    state.trial_goals += goals
    reward = np.float64(goals)
    if parameters.dense_reward:
        nearer = distance - distance_to_goals(task, state, size)
        reward = np.float64(nearer + DENSE_GOAL_WORTH * goals)
    return reward, death_cause != ALIVE


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """Write what ``info`` tells, the three system-identification metrics among it."""
    fields.goals_collected = state.goals
    fields.tile_type_entered = state.entered
    fields.death_cause = state.death_cause
    fields.tile_types_visited = np.float32(count_bits(state.types_seen)) / np.float32(
        state.num_types_present
    )
    fields.trial_deaths = state.trial_deaths
    fields.trial_goals = state.trial_goals
