"""Pictures of Krazy World: the board, the trail of the episode and a status strip.

Symbols are signed-distance shapes, painted at four times the wanted resolution, box-filtered
and cached as sprites. Tiles differ in shape as well as in colour, for colour-blind viewers.
Positions in the plane are complex numbers, x + y * 1j, with y pointing down.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaenvs.krazy_world import tiles as types

__all__ = ["draw_world", "world_to_text"]

Floats = NDArray[np.floating[Any]]
Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Pair = tuple[int, int]

SUPERSAMPLING = 4
UNLIMITED = -1  # The energy without a limit, and the code of the symbol that stands for it.
WHITE = (255, 255, 255)
STRIP_BACKGROUND = (38, 41, 54)
STRIP_SLOT = (62, 66, 84)
FLOOR = ((224, 211, 187), (247, 240, 226))
GROUNDS = {
    types.WALL: ((40, 43, 54), (40, 43, 54)),
    types.ICE: ((142, 197, 230), (196, 230, 248)),
    types.DEATH: ((110, 16, 24), (196, 38, 44)),
    types.OUTSIDE: ((18, 19, 26), (30, 32, 42)),
}
BARE = (types.WALL, types.NORMAL, types.ICE, types.OUTSIDE)
WALKED = (38, 98, 217)
TELEPORTED = (150, 44, 200)
ENERGY_LEVELS = (0.12, 0.4, 0.7)
ENERGY_RAMP = ((226, 245, 74), (58, 176, 196), (54, 46, 92))  # By channel: red, amber, green.
ENERGY_SURPLUS = (70, 205, 226)
TEXT_SYMBOLS = "#.*@ODkX~+ "  # A character per tile type, and its colour in a palette of 256.
TEXT_COLOURS = (240, 250, 220, 33, 135, 130, 214, 196, 117, 40, 232)


def _distance_to_line(plane: NDArray[Any], start: complex, end: complex) -> Floats:
    course = end - start
    projection = ((plane - start) * course.conjugate()).real / max(abs(course) ** 2, 1e-9)
    return np.asarray(np.abs(plane - start - np.clip(projection, 0, 1) * course))


class _Sketch:
    """A supersampled square canvas; both axes run from -1 to 1."""

    def __init__(self, pixels: int, background: tuple[int, ...] = (0, 0, 0, 0)) -> None:
        side = pixels * SUPERSAMPLING
        axis = (np.arange(side) + 0.5) * (2 / side) - 1
        self.plane = axis[None, :] + 1j * axis[:, None]
        self.x, self.y = self.plane.real, self.plane.imag
        self.layer = np.full((side, side, 4), background, np.float32)

    def fill(self, distance: Floats, colour: Colour, edge: Colour | None = None) -> None:
        if edge:
            self.layer[distance <= 0.1] = (*edge, 1)
        self.layer[distance <= 0] = (*colour, 1)

    def disc(self, centre: complex, radius: float) -> Floats:
        return np.abs(self.plane - centre) - radius

    def ring(self, centre: complex, radius: float, width: float) -> Floats:
        return np.abs(self.disc(centre, radius)) - width / 2

    def line(self, start: complex, end: complex, width: float) -> Floats:
        return _distance_to_line(self.plane, start, end) - width / 2

    def box(self, centre: complex, half_size: complex, corner: float = 0.0) -> Floats:
        across = np.abs(self.x - centre.real) - half_size.real + corner
        down = np.abs(self.y - centre.imag) - half_size.imag + corner
        outer = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        return np.asarray(outer + np.minimum(np.maximum(across, down), 0) - corner)

    def polygon(self, *points: complex) -> Floats:
        distance, sign = np.full(self.x.shape, np.inf), np.ones(self.x.shape)
        for start, end in zip(points, (*points[1:], points[0]), strict=True):
            distance = np.minimum(distance, self.line(start, end, 0))
            crossed = (self.y < start.imag) != (self.y < end.imag)
            side = ((self.plane - start) * (end - start).conjugate()).imag
            sign[crossed & ((side > 0) == (end.imag > start.imag))] *= -1
        return np.asarray(distance * sign)

    def finished(self) -> Floats:
        """Return the canvas box-filtered: (pixels, pixels, RGBA), alpha premultiplied."""
        pixels = self.layer.shape[0] // SUPERSAMPLING
        blocks = self.layer.reshape(pixels, SUPERSAMPLING, pixels, SUPERSAMPLING, 4)
        return np.asarray(blocks.mean(axis=(1, 3)))


@lru_cache(maxsize=256)
def _ground(tile: int, pixels: int) -> Image:
    """Paint what lies below trail and symbol: uint8 (pixels, pixels, 3)."""
    edge, surface = GROUNDS.get(tile, FLOOR)
    sketch = _Sketch(pixels, (*edge, 1))
    hairline = max(1, round(pixels / 40)) / pixels  # Thinner than a pixel it would fade away.
    sketch.fill(sketch.box(0, (1 + 1j) * (1 - hairline), 0.12), surface)
    if tile == types.WALL:
        brick = 1 + 0.5j - hairline * (1 + 1j)
        for centre in (-0.5j, -1 + 0.5j, 1 + 0.5j):
            sketch.fill(sketch.box(centre, brick, 0.1), (126, 132, 152))
            sketch.fill(sketch.box(centre + 0.04j, brick - 0.05 - 0.04j, 0.1), (95, 101, 121))
    elif tile == types.ICE:
        for near, far in ((-0.59, -0.03), (-0.68, 0.32), (-0.17, 0.67)):
            sketch.fill(sketch.line(complex(near, far), complex(far, near), 0.13), WHITE)
    return np.asarray(np.rint(sketch.finished()[..., :3]), np.uint8)


@lru_cache(maxsize=256)
def _symbol(tile: int, pixels: int) -> Floats:
    """Paint what stands on a tile: (pixels, pixels, RGBA)."""
    sketch = _Sketch(pixels)
    if tile == types.GOAL:
        radii = np.where(np.arange(10) % 2, 0.4, 0.84)
        corners = (radii * np.exp(1j * np.pi * (np.arange(10) / 5 - 0.5)) + 0.06j).tolist()
        sketch.fill(sketch.polygon(*corners), (255, 201, 40), (150, 92, 8))
        for tip in range(0, 10, 2):
            sketch.fill(sketch.polygon(0.06j, corners[tip - 1], corners[tip]), (255, 228, 120))
    elif tile == types.TELEPORTER:
        sketch.fill(sketch.disc(0, 0.88), (58, 20, 96))
        sketch.fill(sketch.ring(0, 0.69, 0.2), (178, 84, 236))
        sketch.fill(sketch.ring(0, 0.35, 0.18), (232, 178, 255))
        sketch.fill(sketch.disc(0, 0.11), WHITE)
    elif tile == types.DOOR:
        dark = (76, 40, 16)
        arch = np.minimum(sketch.box(0.3j, 0.64 + 0.56j), sketch.disc(-0.22j, 0.64))
        sketch.fill(arch, (166, 102, 50), dark)
        sketch.fill(np.maximum(np.abs(np.abs(sketch.x) - 0.33) - 0.03, arch), (118, 68, 30))
        sketch.fill(sketch.disc(0.16j, 0.3), (240, 196, 84), dark)
        sketch.fill(np.minimum(sketch.disc(0.08j, 0.12), sketch.line(0.1j, 0.3j, 0.12)), dark)
    elif tile == types.KEY:
        bow, shaft = -0.4 + 0.4j, sketch.line(-0.2 + 0.2j, 0.56 - 0.56j, 0.2)
        key = np.minimum(sketch.ring(bow, 0.28, 0.22), shaft)
        for place in (0.25 - 0.25j, 0.53 - 0.53j):
            key = np.minimum(key, sketch.line(place, place + 0.19 + 0.19j, 0.18))
        sketch.fill(key, (255, 170, 36), (110, 58, 4))
        sketch.fill(np.maximum(sketch.ring(bow, 0.3, 0.07), sketch.x + 0.42), (255, 226, 150))
    elif tile == types.DEATH:
        dark = (62, 4, 10)
        skull = np.minimum(sketch.disc(-0.14j, 0.62), sketch.box(0.42j, 0.36 + 0.32j, 0.1))
        sketch.fill(skull, (252, 246, 238), dark)
        for side in (-1, 1):
            sketch.fill(sketch.disc(side * 0.26 - 0.1j, 0.19), dark)
            sketch.fill(sketch.box(side * 0.13 + 0.62j, 0.035 + 0.13j), dark)
        sketch.fill(sketch.polygon(0.1j, 0.11 + 0.3j, -0.11 + 0.3j), dark)
    elif tile == types.ENERGY:
        bolt = (0.2 - 0.84j, -0.52 + 0.14j, -0.06 + 0.14j, -0.2 + 0.84j, 0.52 - 0.2j, 0.06 - 0.2j)
        sketch.fill(sketch.polygon(*bolt), (52, 190, 78), (8, 78, 34))
        sketch.fill(sketch.polygon(0.1 - 0.6j, -0.38 + 0.06j, -0.18 + 0.06j), (160, 240, 160))
    elif tile == UNLIMITED:
        for x in (-0.32, 0.32):
            sketch.fill(sketch.ring(x, 0.26, 0.19), STRIP_BACKGROUND)
    elif tile == types.AGENT:
        return _agent(pixels, 0j, False)
    return sketch.finished()


@lru_cache(maxsize=64)
def _agent(pixels: int, look: complex, dead: bool) -> Floats:
    """Paint the agent, its eyes turned to where it moved last: (pixels, pixels, RGBA)."""
    sketch = _Sketch(pixels)
    body, light, dark = (52, 124, 240), (82, 147, 247), (12, 34, 92)
    if dead:
        body, light, dark = (146, 152, 166), (164, 170, 183), (36, 39, 50)
    sketch.fill(sketch.disc(0, 0.88), WHITE)  # Sets it off from every tile, walls and skulls too.
    sketch.fill(sketch.disc(0, 0.72), body, dark)
    sketch.fill(sketch.disc(-0.06 - 0.14j, 0.54), light)
    for eye in (-0.28 - 0.12j, 0.28 - 0.12j):
        if dead:
            for slant in (0.15 + 0.15j, 0.15 - 0.15j):
                sketch.fill(sketch.line(eye - slant, eye + slant, 0.13), dark)
        else:
            sketch.fill(sketch.disc(eye, 0.23), WHITE)
            sketch.fill(sketch.disc(eye + 0.09 * look, 0.13), dark)
    mouth, half = (0.6j, sketch.y - 0.46) if dead else (0.14j, 0.24 - sketch.y)
    sketch.fill(np.maximum(sketch.ring(mouth, 0.3, 0.1), half), dark)
    return sketch.finished()


def _paste(picture: Image, sprite: Floats, top: int, left: int) -> None:
    """Lay a sprite over a picture in place; what reaches beyond the picture is cut off."""
    window = picture[top : top + sprite.shape[0], left : left + sprite.shape[1]]
    sprite = sprite[: window.shape[0], : window.shape[1]]
    window[:] = window * (1 - sprite[..., 3:]) + sprite[..., :3] + 0.5


def _is_one_line(tiles: Image, start: int, end: int) -> bool:
    """Tell whether a step to a neighbour or a slide over ice can lead from cell to cell."""
    (row, column), (end_row, end_column) = (divmod(cell, len(tiles)) for cell in (start, end))
    rows = slice(min(row, end_row), max(row, end_row) + 1)
    area = tiles[rows, min(column, end_column) : max(column, end_column) + 1]
    return 1 in area.shape and bool(np.all(area.ravel()[1:-1] == types.ICE))


def _legs(tiles: Image, trail: Sequence[int]) -> list[tuple[int, int, float, bool]]:
    """Split a trail into (start, end, newness, teleported), each pair of cells at its newest."""
    legs: dict[tuple[int, int], tuple[int, int, float, bool]] = {}
    ends = np.flatnonzero(tiles == types.TELEPORTER).tolist()
    others = {end: ends[place ^ 1] for place, end in enumerate(ends[: len(ends) // 2 * 2])}
    for step in range(len(trail) - 1, 0, -1):
        stops = list(trail[step - 1 : step + 1])
        # Nobody stays on the end they enter. Unless the trail tells both ends, it tells the exit.
        if stops[1] in others and others[stops[1]] not in trail[step - 1 : step + 2]:
            stops.insert(1, others[stops[1]])
        for start, end in pairwise(stops):
            leg = (start, end, step / (len(trail) - 1), others.get(start) == end)
            legs.setdefault((min(start, end), max(start, end)), leg)
    return [leg for leg in legs.values() if leg[0] != leg[1]]


def _stroke(coverage: Floats, start: complex, end: complex, radius: float, level: float) -> None:
    """Raise `coverage`, (H, W), to `level` along a line with round ends."""
    reach = int(radius) + 2
    left, right = sorted((int(start.real), int(end.real)))
    top, bottom = sorted((int(start.imag), int(end.imag)))
    rows, columns = slice(top - reach, bottom + reach), slice(left - reach, right + reach)
    y, x = np.ogrid[rows, columns]
    distance = _distance_to_line(x + 0.5 + (y + 0.5) * 1j, start, end)
    # The maximum, unlike a sum, leaves no dark blots at joints and crossings.
    window = coverage[rows, columns]
    np.maximum(window, np.clip(radius + 0.5 - distance, 0, 1) * level, out=window)


def _draw_trail(board: Image, tiles: Image, trail: Sequence[int], pixels: int) -> None:
    """Draw the trail on a board, uint8 (N * pixels, N * pixels, 3), in place."""
    size = len(tiles)
    rim, walked, teleported = np.zeros((3, *board.shape[:2]), np.float32)
    centres = [pixels * complex(cell % size + 0.5, cell // size + 0.5) for cell in range(size**2)]
    for first, last, newness, by_teleporter in _legs(tiles, trail):
        start, end, strength = centres[first], centres[last], 0.25 + 0.6 * newness
        _stroke(walked, end, end, 0.11 * pixels, strength)
        if not by_teleporter and _is_one_line(tiles, first, last):
            _stroke(walked, start, end, 0.055 * pixels, strength)
            continue
        # A dotted arc, bent towards the middle of the board so that it stays on the board.
        normal = 1j * (end - start) * (0.4 if by_teleporter else 0.15)
        bends = ((start + end) / 2 + normal, (start + end) / 2 - normal)
        bend = min(bends, key=lambda point: abs(point - pixels * size * (0.5 + 0.5j)))
        dots = round(4 * abs(end - start) / pixels)
        for t in (dot / dots for dot in range(1, dots)):
            dot = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
            _stroke(rim, dot, dot, 0.09 * pixels, strength)
            _stroke(teleported if by_teleporter else walked, dot, dot, 0.065 * pixels, strength)
    _stroke(walked, centres[trail[0]], centres[trail[0]], 0.2 * pixels, 0.4)
    surface = board.reshape(-1, 3)
    for coverage, colour in ((rim, WHITE), (walked, WALKED), (teleported, TELEPORTED)):
        touched = np.flatnonzero(coverage)
        below, share = surface[touched], coverage.ravel()[touched, None]
        surface[touched] = np.rint(below + share * (np.array(colour) - below))


def _draw_energy_bar(bar: Image, energy: int, energy_start: int) -> None:
    """Draw the bar, uint8 (H, W, 3), in place; a surplus over the start lies beyond a mark."""
    height, width = bar.shape[:2]
    bar[:] = STRIP_SLOT
    scale, level = max(energy, energy_start, 1), energy / max(energy_start, 1)
    colours = np.full(bar.shape, [np.interp(level, ENERGY_LEVELS, tone) for tone in ENERGY_RAMP])
    mark, columns = round(max(energy_start, 0) / scale * width), np.arange(width)
    colours[:, mark:] = ENERGY_SURPLUS
    colours[: max(1, height // 3)] += 0.35 * (255 - colours[: max(1, height // 3)])
    colours[:, mark : mark + max(2, height // 6)] = WHITE
    filled = np.clip(energy / scale * width - columns, 0, 1)[:, None]
    bar[:] = np.rint(bar + filled * (colours - bar))
    # A segment is one unit of energy if that is wide enough to be seen, else several.
    unit = int(np.ceil(max(4, height / 3) * scale / max(width, 1)))
    bar[:, (columns + 1) * scale % (unit * max(width, 1)) < scale] = STRIP_BACKGROUND


def _draw_strip(strip: Image, energies: Pair, has_key: bool, goals: Pair) -> None:
    """Draw energy (left, at the start), key and goals (collected, left) on uint8 (H, W, 3)."""
    height, width = strip.shape[:2]
    strip[:] = STRIP_BACKGROUND
    margin, icon, slots = max(1, height // 8), round(0.75 * height), max(1, sum(goals))
    # Many stars shrink, then overlap, rather than push the bar aside.
    room = min(slots * icon, max(icon, width // 2 - icon - margin))
    star = min(icon, max(icon // 2, room // slots))
    stars_left = width - margin - room
    bar_left, bar_right = margin + icon, max(0, stars_left - icon - 2 * margin)
    bar = strip[round(0.3 * height) : round(0.7 * height), bar_left:bar_right]
    key_left, spacing = stars_left - icon - margin // 2, (room - star) / max(1, slots - 1)
    icons = [(types.ENERGY, margin // 2, icon, energies[0]), (types.KEY, key_left, icon, has_key)]
    if energies[0] == UNLIMITED:
        bar[:] = ENERGY_SURPLUS
        icons.append((UNLIMITED, (bar_left + bar_right - icon) // 2, icon, True))
    else:
        _draw_energy_bar(bar, *energies)
    icons += [
        (types.GOAL, stars_left + round(slot * spacing), star, slot < goals[0])
        for slot in reversed(range(sum(goals)))
    ]
    for tile, left, pixels, earned in icons:
        symbol = _symbol(tile, pixels)
        if not earned:  # A mere shadow.
            symbol = symbol[..., 3:] * np.array((*STRIP_SLOT, 1))
        _paste(strip, symbol, (height - pixels) // 2, max(left, 0))


def _check_world(tiles: Image, cells: Sequence[int], **at_least: Pair) -> None:
    if tiles.ndim != 2 or tiles.shape[0] != tiles.shape[1] or tiles.size == 0:
        raise ValueError(f"tiles must have shape (N, N) with N >= 1, got {tiles.shape}")
    if tiles.dtype != np.uint8 or tiles.max() >= len(types.TILE_NAMES):
        raise ValueError(f"tiles must be uint8 below 11, got {tiles.dtype} up to {tiles.max()}")
    if min(cells) < 0 or max(cells) >= tiles.size:
        raise ValueError(f"agent and trail must be cells from 0 to {tiles.size - 1}, got {cells}")
    for name, (value, least) in at_least.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def draw_world(
    tiles: Image,
    agent: int,
    *,
    energy: int,
    energy_start: int,
    has_key: bool,
    goals_collected: int,
    trail: Sequence[int] = (),
    dead: bool = False,
    cell_pixels: int = 48,
) -> Image:
    """Draw the board below a strip with the energy bar, the key and one star per goal.

    Args:
        tiles: Tile types as they are now, what was collected already NORMAL, uint8 (N, N).
        agent: Cell of the agent, row * N + column.
        energy: Energy left, in actions; -1 for unlimited.
        energy_start: Energy at the start of the episode, in actions: the scale of the bar.
        has_key: Whether the agent holds the key.
        goals_collected: Number of goals collected in this episode.
        trail: Cells visited in this episode, the start first, the agent's last. Of a teleport,
            both ends or the exit alone. What is neither a step nor a slide becomes a dotted arc.
        dead: Whether the agent has died.
        cell_pixels: Side of a cell in pixels, at least 8.

    Returns:
        The picture, uint8 ((N + 1) * cell_pixels, N * cell_pixels, 3). In the strip, the key and
        the goals are shadows until they are collected.

    Raises:
        ValueError: If `tiles`, a cell or a number is not as described.
    """
    trail = [int(cell) for cell in trail] or [agent]
    numbers = {"energy": (energy, UNLIMITED), "goals_collected": (goals_collected, 0)}
    _check_world(tiles, [agent, *trail], cell_pixels=(cell_pixels, 8), **numbers)
    size = len(tiles)
    picture = np.empty(((size + 1) * cell_pixels, size * cell_pixels, 3), np.uint8)
    strip, board = picture[:cell_pixels], picture[cell_pixels:]
    goals = (goals_collected, int(np.count_nonzero(tiles == types.GOAL)))
    _draw_strip(strip, (energy, energy_start), has_key, goals)
    grounds = np.stack([_ground(tile, cell_pixels) for tile in range(len(types.TILE_NAMES))])
    board[:] = grounds[tiles].transpose(0, 2, 1, 3, 4).reshape(board.shape)
    _draw_trail(board, tiles, trail, cell_pixels)
    came_from = next((cell for cell in reversed(trail) if cell != agent), agent)
    right, down = agent % size - came_from % size, agent // size - came_from // size
    face = _agent(cell_pixels, complex(np.sign(right), np.sign(down)), dead)
    standing = [(cell, tile) for cell, tile in enumerate(tiles.flat) if tile not in BARE]
    sprites = [(cell, _symbol(int(tile), cell_pixels)) for cell, tile in standing]
    for cell, sprite in [*sprites, (agent, face)]:
        _paste(board, sprite, cell // size * cell_pixels, cell % size * cell_pixels)
    return picture


def world_to_text(
    tiles: Image, agent: int, *, energy: int, has_key: bool, goals_collected: int
) -> str:
    """Write the board for a terminal, one coloured character per cell.

    Args:
        tiles: Tile types as they are now, uint8 (N, N).
        agent: Cell of the agent, row * N + column.
        energy: Energy left, in actions; -1 for unlimited.
        has_key: Whether the agent holds the key.
        goals_collected: Number of goals collected in this episode.

    Returns:
        N lines of N characters among ANSI colour codes, then a status line: wall #, floor .,
        goal *, agent @, teleporter O, door D, key k, death X, ice ~, energy +.

    Raises:
        ValueError: As `draw_world` does.
    """
    _check_world(tiles, [agent], energy=(energy, UNLIMITED), goals_collected=(goals_collected, 0))
    codes = tiles.copy()
    codes.flat[agent] = types.AGENT
    text = ""
    for row in codes.tolist():
        cells = (f"\x1b[38;5;{TEXT_COLOURS[code]}m{TEXT_SYMBOLS[code]}" for code in row)
        text += "".join(cells) + "\x1b[0m\n"
    left, key = "unlimited" if energy == UNLIMITED else energy, "yes" if has_key else "no"
    return f"{text}energy {left} | key {key} | goals {goals_collected}"
