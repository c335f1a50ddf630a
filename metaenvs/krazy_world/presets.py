"""Presets of Krazy World: the boards of the authors' two published versions, and the paper's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.krazy_world.rules import UNLIMITED, parameters_dtype
from metaenvs.krazy_world.worlds import DYNAMICS

__all__ = ["PRESETS", "WorldSettings", "preset_settings", "world_parameters"]

INTEGERS = (
    "size", "num_goals", "min_goal_distance", "num_keys", "num_teleporter_pairs", "energy_start",
    "energy_replenish", "episode_steps",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    """How worlds are drawn; fractions are of all cells, rounded down."""

    size: int
    """Cells on a side, 3 to 16."""
    num_goals: int = 3
    """Goal tiles."""
    min_goal_distance: int = 1
    """Goals lie strictly further than this from the start (Manhattan)."""
    num_keys: int = 0
    """1 walls off a corner behind a lock, with the start and the key inside; 0 does not."""
    num_teleporter_pairs: int = 1
    """Pairs of teleporters."""
    energy_start: int | None = 12
    """Energy at an episode's start; None is unlimited."""
    energy_replenish: int = 8
    """Energy given by an energy tile."""
    energy_fraction: float = 0.0
    """Energy tiles."""
    death_fraction: float = 0.1
    """Deadly tiles."""
    ice_fraction: float = 0.1
    """Ice tiles."""
    dynamics: str = "default"
    """"default": the actions move down, up, right and left; "simple": a permutation of these,
    drawn with the task; "moderate", "hard": sums of two, of three unit moves."""
    permute_codes: bool = False
    """Whether the task permutes the codes (and colours) of the tile types."""
    episode_steps: int = 100
    """Limit of an episode in steps."""

    def __post_init__(self) -> None:
        for name in INTEGERS:
            value = getattr(self, name)
            integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not integer and not (name == "energy_start" and value is None):
                raise ValueError(f"{name} must be an integer, got {value!r}.")
        energy_start = 1 if self.energy_start is None else self.energy_start
        fractions = ("energy_fraction", "death_fraction", "ice_fraction")
        checks = [
            ("size", 3 <= self.size <= 16, "from 3 to 16"),
            ("num_goals", self.num_goals >= 1, "at least 1"),
            ("num_keys", self.num_keys in (0, 1), "0 or 1"),
            ("size", self.num_keys == 0 or self.size >= 5, "at least 5 with num_keys=1"),
            ("num_teleporter_pairs", self.num_teleporter_pairs >= 0, "at least 0"),
            ("energy_start", 1 <= energy_start <= 1000, "None or from 1 to 1000"),
            ("energy_replenish", 0 <= self.energy_replenish <= 100, "from 0 to 100"),
            ("min_goal_distance", self.min_goal_distance >= 0, "at least 0"),
            ("dynamics", self.dynamics in DYNAMICS, f"one of {DYNAMICS}"),
            ("episode_steps", self.episode_steps >= 1, "at least 1"),
            *((name, 0 <= getattr(self, name) <= 1, "a number from 0 to 1") for name in fractions),
        ]
        for name, holds, expectation in checks:
            if not holds:
                raise ValueError(f"{name} must be {expectation}, got {getattr(self, name)!r}.")
        # The fewest cells far enough from a start are those of a start in the middle; walls and
        # door are at most as many as the cells of a side.
        middle = self.size // 2
        far = sum(
            abs(row - middle) + abs(column - middle) > self.min_goal_distance
            for row in range(self.size)
            for column in range(self.size)
        )
        if self.num_specials > far - (self.size if self.num_keys else 0):
            raise ValueError(
                f"A board of {self.size**2} cells has no room for {self.num_specials} special "
                "tiles beside the walls and the cells within "
                f"min_goal_distance={self.min_goal_distance} of the start."
            )

    def count(self, fraction: float) -> int:
        """Number of tiles of a kind that covers ``fraction`` of the board."""
        return int(self.size**2 * fraction + 1e-9)

    @property
    def num_specials(self) -> int:
        """Tiles to be placed on normal cells."""
        fractions = (self.energy_fraction, self.death_fraction, self.ice_fraction)
        tiles = self.num_goals + self.num_keys + 2 * self.num_teleporter_pairs
        return tiles + sum(self.count(fraction) for fraction in fractions)


EASY = WorldSettings(
    size=5, num_teleporter_pairs=0, energy_start=None, death_fraction=0.15, ice_fraction=0.15,
    episode_steps=50,
)  # fmt: skip
MEDIUM = WorldSettings(size=7, num_goals=1, energy_start=8, energy_fraction=0.05, episode_steps=30)
HARD = WorldSettings(
    size=10, num_keys=1, energy_fraction=0.1, death_fraction=0.15, dynamics="simple"
)
FIRST = WorldSettings(size=10, num_keys=1, energy_start=11, death_fraction=0.07)
SECOND = WorldSettings(
    size=10, min_goal_distance=2, energy_start=11, energy_fraction=0.05, ice_fraction=0.05
)

PRESETS: dict[str, WorldSettings] = {
    "paper": replace(HARD, permute_codes=True),
    "easy": EASY,
    "medium": MEDIUM,
    "hard": HARD,
    "first": FIRST,
    "second": SECOND,
    "second-demo": replace(SECOND, energy_start=50, death_fraction=0.08),
}
"""By name. "easy", "medium", "hard" and "first" (its constructor's defaults) are those of the
authors' first version, "second" and "second-demo" (its README) of the second; "paper" is "hard"
with the permutation of tile codes that the paper describes."""


def preset_settings(preset: str, changes: dict[str, Any]) -> WorldSettings:
    """The preset with some of its settings changed.

    Raises:
        ValueError: An unknown preset, or a setting out of its range.
        TypeError: An unknown setting.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {list(PRESETS)}, got {preset!r}.")
    base = PRESETS[preset]
    unknown = sorted(set(changes) - set(asdict(base)))
    if unknown:
        raise TypeError(
            f"Krazy World has no argument {unknown}; settings are {list(asdict(base))}."
        )
    return replace(base, **changes)


def world_parameters(world: WorldSettings) -> npt.NDArray[Any]:
    """One record, shape (1,), of what the rules and the drawing of worlds need to know."""
    parameters = np.zeros(1, parameters_dtype())
    for name in ("size", "num_goals", "min_goal_distance", "num_keys", "num_teleporter_pairs",
                 "energy_replenish", "permute_codes"):  # fmt: skip
        parameters[name] = getattr(world, name)
    num_energy = world.count(world.energy_fraction)
    parameters["num_energy"] = num_energy
    parameters["num_death"] = world.count(world.death_fraction)
    parameters["num_ice"] = world.count(world.ice_fraction)
    parameters["dynamics"] = DYNAMICS.index(world.dynamics)
    unlimited = world.energy_start is None
    parameters["energy_start"] = UNLIMITED if unlimited else world.energy_start
    most = 0 if world.energy_start is None else world.energy_start
    most += world.energy_replenish * num_energy
    parameters["energy_levels"] = min(most + 1, 255)
    return parameters
