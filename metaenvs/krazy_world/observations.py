"""What the agent sees of a Krazy World: codes of tiles, or an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from metaenvs.kernels.row_function import row_function
from metaenvs.krazy_world.tiles import AGENT, OUTSIDE

__all__ = ["observe_codes", "observe_image"]


@row_function
def code_at(parameters: Any, task: Any, state: Any, row: Any, column: Any) -> Any:
    """Code of the tile at a cell, by the task's coding; its own code beyond the board."""
    size = parameters.size
    if row < 0 or row >= size or column < 0 or column >= size:
        return OUTSIDE
    return task.tile_codes[state.tiles[row * size + column]]


@row_function
def observe_task(parameters: Any, task: Any, observation: Any, position: Any) -> None:
    """Append the task's own description from ``position`` on."""
    size = parameters.size
    for cell in range(size * size):
        observation[position + cell] = task.tiles[cell]
    position += size * size
    observation[position] = task.start
    position += 1
    for action in range(4):
        observation[position] = task.displacements[action, 0] + 3
        observation[position + 1] = task.displacements[action, 1] + 3
        position += 2
    for tile in range(task.tile_codes.shape[0]):
        observation[position + tile] = task.tile_codes[tile]


@row_function
def observe_codes(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """Write tile codes (window or board), then position, energy and key, where asked for."""
    # Read once: the compiler cannot know that writing the observation leaves these as they are.
    size, agent_row, agent_column = parameters.size, state.row, state.column
    tiles, tile_codes = state.tiles, task.tile_codes
    position = 0
    if parameters.local_view:
        here = agent_row * size + agent_column
        above, below = agent_row > 0, agent_row < size - 1
        left, right = agent_column > 0, agent_column < size - 1
        for down in range(-1, 2):
            row_inside = above if down < 0 else (below if down > 0 else True)
            for across in range(-1, 2):
                inside = row_inside & (left if across < 0 else (right if across > 0 else True))
                # Some cell is read in any case: nobody can predict which way a branch would go.
                seen = np.uint64(here + down * size + across if inside else here)
                code = tile_codes[tiles[seen]]
                observation[position] = code if inside else OUTSIDE
                position += 1
    else:
        for cell in range(size * size):
            observation[cell] = task.tile_codes[state.tiles[cell]]
        observation[state.row * size + state.column] = AGENT
        position = size * size
    if parameters.observe_position:
        observation[position] = state.row * size + state.column
        position += 1
    if parameters.observe_energy:
        observation[position] = min(max(state.energy, 0), parameters.energy_levels - 1)
        observation[position + 1] = state.has_key
        position += 2
    if parameters.task_visible:
        observe_task(parameters, task, observation, position)


@row_function
def observe_image(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """Paint one square of ``cell_pixels`` by ``cell_pixels`` per cell in the task's colours."""
    pixels = parameters.cell_pixels
    first_row = state.row - 1 if parameters.local_view else 0
    first_column = state.column - 1 if parameters.local_view else 0
    for line in range(observation.shape[0]):
        row = first_row + line // pixels
        for dot in range(observation.shape[1]):
            column = first_column + dot // pixels
            code = code_at(parameters, task, state, row, column)
            if row == state.row and column == state.column and not parameters.local_view:
                code = AGENT
            for channel in range(3):
                observation[line, dot, channel] = parameters.colours[code, channel]
