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
    """The record of an episode on a board of ``size`` by ``size`` cells."""
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
            ("types_visited", np.float32),
            ("trial_deaths", np.int32),
            ("trial_goals", np.int32),
            ("has_key", np.bool_),
            ("tiles", np.uint8, (size * size,)),
        ],
        align=True,
    )


@row_function
def count_bits(bits: Any) -> Any:
    """Number of ones among the lowest ten bits."""
    count = 0
    for position in range(10):
        count += (bits >> position) & 1
    return count


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """Restore the board, the start and the energy; the first episode clears the trial's counts."""
    if episode == 0:
        present = 0
        for cell in range(task.tiles.shape[0]):
            present |= 1 << int(task.tiles[cell])
        state.num_types_present = count_bits(present & ~(1 << WALL))
        state.types_seen = 0
        state.types_visited = 0.0
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
    size = parameters.size
    down = task.displacements[action, 0]
    right = task.displacements[action, 1]
    distance = 0
    if parameters.dense_reward:
        distance = distance_to_goals(task, state, size)
    goals = 0
    dead = False
    state.entered = NOTHING_ENTERED
    moving = down != 0 or right != 0
    while moving:
        row = state.row + down
        column = state.column + right
        if row < 0 or row >= size or column < 0 or column >= size:
            break
        cell = row * size + column
        tile = state.tiles[cell]
        if tile == WALL or (tile == DOOR and not state.has_key):
            break
        state.row = row
        state.column = column
        state.entered = tile
        if (state.types_seen >> tile) & 1 == 0:
            state.types_seen |= 1 << int(tile)
            state.types_visited = np.float32(count_bits(state.types_seen)) / np.float32(
                state.num_types_present
            )
        moving = tile == ICE
        if tile == DEATH:
            dead = True
            state.death_cause = DIED_ON_TILE
            state.trial_deaths += 1
        elif tile == TELEPORTER:
            cell = other_teleporter(state.tiles, cell)
            state.row = cell // size
            state.column = cell % size
        elif tile == GOAL or tile == KEY or tile == ENERGY:
            state.tiles[cell] = NORMAL
            if tile == GOAL:
                goals += 1
            elif tile == KEY:
                state.has_key = True
            elif state.energy != UNLIMITED:
                state.energy += parameters.energy_replenish
    state.goals += goals
    state.trial_goals += goals
    if state.energy != UNLIMITED:
        state.energy -= 1
        if state.energy < 1 and not dead:
            dead = True
            state.death_cause = DIED_OF_ENERGY
    reward = np.float64(goals)
    if parameters.dense_reward:
        nearer = distance - distance_to_goals(task, state, size)
        reward = np.float64(nearer + DENSE_GOAL_WORTH * goals)
    return reward, dead


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """Write what ``info`` tells, the three system-identification metrics among it."""
    fields.goals_collected = state.goals
    fields.tile_type_entered = state.entered
    fields.death_cause = state.death_cause
    fields.tile_types_visited = state.types_visited
    fields.trial_deaths = state.trial_deaths
    fields.trial_goals = state.trial_goals
