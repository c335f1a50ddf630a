"""The optimal planner that knows the world: how many goals one episode can collect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.compile import build_kernel
from metaenvs.krazy_world.presets import WorldSettings, world_parameters
from metaenvs.krazy_world.rules import ALIVE, start_episode, state_dtype, step
from metaenvs.krazy_world.tiles import ENERGY, GOAL
from metaenvs.krazy_world.worlds import check_worlds, task_space
from metaenvs.task_space import as_tasks
from metaenvs.tasks import Tasks

__all__ = ["Plan", "best_plans"]

MAX_CODES = 2**26
"""Largest table of situations (one byte each): 100 cells and 18 goals and energy tiles."""

NUM_ACTIONS = 4
LINK_DTYPE = np.dtype([("parent", np.int32), ("action", np.int32)], align=True)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """The best that an episode can do in one world."""

    goals: int
    """Most goals that an episode can collect, within its energy and its limit of steps."""

    actions: tuple[int, ...]
    """A shortest sequence of actions that collects them; empty where there are none."""


def best_plans(tasks: Tasks, world: WorldSettings) -> list[Plan]:
    """Find the best plan of every world, with its board, start and displacements known.

    Breadth-first search over the states of the family's own ``step``, by the number of actions
    from the start. Two states are taken for the same where cell, key, collected goals and used
    energy tiles agree, and of these the search keeps the first it meets. This is exact: every
    action costs one unit of energy and nothing else does, so a state's energy is that of the
    start, plus what its used tiles gave, less the number of actions. The first state met has
    therefore at least the energy, and at least the remaining steps, of every later one, and energy
    only ever decides how long an episode goes on. Where energy is unlimited, used energy tiles
    make no difference at all and are left out of the comparison.

    Args:
        tasks: Worlds of ``world.size`` by ``world.size`` cells; they may have been made by hand.
        world: Energy and length of an episode; what else it says of boards is not used.

    Returns:
        A plan for each world, in their order.

    Raises:
        ValueError: Tasks that are not worlds of this size, or a world with so many goals and
            energy tiles that its situations cannot be listed.
    """
    checked = as_tasks(tasks, task_space(world.size))
    check_worlds(checked)
    parameters = world_parameters(world)
    records = checked.to_records()
    tracked = [_tracked_cells(tiles, world) for tiles in checked["tiles"]]
    for index, cells in enumerate(tracked):
        if _num_codes(world.size, cells) > MAX_CODES:
            raise ValueError(
                f"Task {index} has {len(cells)} goals and energy tiles, too many to plan for: "
                f"a board of {world.size**2} cells may have at most "
                f"{(MAX_CODES // (2 * world.size**2)).bit_length() - 1}."
            )
    return [
        _best_plan(parameters, records[index : index + 1], cells, world)
        for index, cells in enumerate(tracked)
    ]


def _tracked_cells(tiles: Array, world: WorldSettings) -> npt.NDArray[np.int64]:
    """Cells whose pick-up tells situations apart, (n,)."""
    tracked = tiles == GOAL
    if world.energy_start is not None:
        tracked |= tiles == ENERGY
    return np.flatnonzero(tracked)


def _num_codes(size: int, tracked: Array) -> int:
    """Number of situations: cells, with or without key, with or without each pick-up."""
    return 2 * size**2 << len(tracked)


def _best_plan(parameters: Array, task: Array, tracked: Array, world: WorldSettings) -> Plan:
    """The plan of the one world in ``task``, a record of shape (1,)."""
    expand = _kernel(world.size)
    seen = np.zeros(_num_codes(world.size, tracked), np.bool_)
    num_goals = int(np.count_nonzero(task["tiles"] == GOAL))
    frontier: Array = np.zeros(0, state_dtype(world.size))
    layers: list[Array] = []
    most, depth, place = 0, 0, 0
    # Layer 0 holds the start alone, layer n what n actions reach.
    while len(layers) <= world.episode_steps and most < num_goals:
        reached = np.empty(max(NUM_ACTIONS * len(frontier), 1), frontier.dtype)
        links = np.empty(len(reached), LINK_DTYPE)
        count: int = expand(parameters, task, frontier, tracked, seen, reached, links)
        if count == 0:
            break
        frontier = reached[:count]
        layers.append(links[:count].copy())
        best = int(np.argmax(frontier["goals"]))
        if frontier["goals"][best] > most:
            most, depth, place = int(frontier["goals"][best]), len(layers) - 1, best
    actions: list[int] = []
    for layer in reversed(layers[1 : depth + 1]):
        actions.append(int(layer["action"][place]))
        place = int(layer["parent"][place])
    return Plan(most, tuple(reversed(actions)))


def expand_layer(
    parameters: Any, task: Any, frontier: Any, tracked: Any, seen: Any, reached: Any, links: Any
) -> Any:
    """Kernel template: do every action in every state of ``frontier``.

    Writes the states not ``seen`` before to ``reached``, each with its parent's index and its
    action to ``links``, and answers how many there are. States in which the episode is over are
    among them, for the goals they may have collected, and are not expanded. An empty ``frontier``
    stands for the beginning: the start is reached.
    """
    key = np.uint64(0)  # The rules of Krazy World draw no random numbers.
    count = 0
    starting = frontier.shape[0] == 0
    for parent in range(max(frontier.shape[0], 1)):
        if not starting and frontier[parent].death_cause != ALIVE:
            continue
        for action in range(NUM_ACTIONS):
            state = reached[count]
            if starting:
                start_episode(parameters[0], task[0], state, 0, key)
            else:
                reached[count] = frontier[parent]
                step(parameters[0], task[0], state, action, key)
            code = 0
            for position in range(tracked.shape[0]):
                cell = tracked[position]
                code = 2 * code + (state.tiles[cell] != task[0].tiles[cell])
            code = 2 * code + state.has_key
            code = (code * parameters[0].size + state.row) * parameters[0].size + state.column
            if not seen[code]:
                seen[code] = True
                links[count].parent = parent
                links[count].action = action
                count += 1
            if starting:
                break
    return count


@lru_cache(maxsize=16)
def _kernel(size: int) -> Callable[..., Any]:
    """:func:`expand_layer`, compiled for boards of ``size`` by ``size`` cells."""
    task = Tasks.stack([task_space(size).sample()]).to_records()
    states = np.zeros(1, state_dtype(size))
    world = WorldSettings(size=size, num_goals=1, num_teleporter_pairs=0)
    example = (
        world_parameters(world),
        task,
        states,
        np.zeros(1, np.int64),
        np.zeros(1, np.bool_),
        states,
        np.zeros(1, LINK_DTYPE),
    )
    return build_kernel(expand_layer, {}, home=__file__, arguments=example)
