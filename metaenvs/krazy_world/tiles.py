"""Tile types of Krazy World: the codes in its grids and in its observations."""

from __future__ import annotations

WALL = 0  # cannot be entered: the move is lost, its energy is spent
NORMAL = 1  # plain floor, nothing happens
GOAL = 2  # gives a reward of +1 and becomes NORMAL
AGENT = 3  # observation code of the cell the agent stands on
TELEPORTER = 4  # comes in pairs: entering one end moves the agent to the other end
DOOR = 5  # a locked door: can be entered only while holding the key
KEY = 6  # picked up on entering (the cell becomes NORMAL), opens the doors
DEATH = 7  # entering it ends the episode
ICE = 8  # the agent slides on in the same direction
ENERGY = 9  # gives energy and becomes NORMAL; every action costs one unit
OUTSIDE = 10  # observation code of a position beyond the board

TILE_NAMES = (
    "wall",
    "normal",
    "goal",
    "agent",
    "teleporter",
    "door",
    "key",
    "death",
    "ice",
    "energy",
    "outside",
)

__all__ = [
    "AGENT",
    "DEATH",
    "DOOR",
    "ENERGY",
    "GOAL",
    "ICE",
    "KEY",
    "NORMAL",
    "OUTSIDE",
    "TELEPORTER",
    "TILE_NAMES",
    "WALL",
]
