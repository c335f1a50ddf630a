"""Payoffs of games, memory-one strategies, and the coding that all of this package shares.

Action 0 is to cooperate (in matching pennies: heads), action 1 to defect (tails). What a player
remembers is a code: 0 at the start, then 1, 2, 3, 4 for CC, CD, DC, DD, the player's own last
action first. A strategy is five probabilities of cooperation, in the order of these codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.row_function import row_function

__all__ = ["GAMES", "NUM_CODES", "STRATEGIES", "code_after", "mirrored", "payoffs_of"]

Floats = npt.NDArray[np.float64]

NUM_CODES = 5

GAMES: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    # Foerster et al. 2018 (LOLA), tables 1 and 2.
    "prisoners_dilemma": (((-1, -3), (0, -2)), ((-1, 0), (-3, -2))),
    "matching_pennies": (((1, -1), (-1, 1)), ((-1, 1), (1, -1))),
    # Ranks of the four outcomes from worst (1) to best (4).
    "stag_hunt": (((4, 1), (3, 2)), ((4, 3), (1, 2))),
    "chicken": (((3, 2), (4, 1)), ((3, 4), (2, 1))),
}
"""Payoffs (player, first player's action, second player's action)."""

STRATEGIES: dict[str, tuple[float, ...]] = {
    "all-C": (1, 1, 1, 1, 1),
    "all-D": (0, 0, 0, 0, 0),
    "tit-for-tat": (1, 1, 0, 1, 0),
    "grim": (1, 1, 0, 0, 0),
    "win-stay-lose-shift": (1, 1, 0, 0, 1),
    "random": (0.5, 0.5, 0.5, 0.5, 0.5),
}
"""Probabilities of cooperation at the start and after CC, CD, DC, DD (own action first)."""


@row_function
def code_after(own: Any, other: Any) -> Any:
    """What a player remembers after both have acted (numbers, or arrays elementwise)."""
    return 1 + 2 * own + other


@row_function
def mirrored(code: Any) -> Any:
    """The same for the other player: CD and DC change places."""
    if code == 2:
        return 3
    if code == 3:
        return 2
    return code


def payoffs_of(game: str | Sequence[Any] | npt.NDArray[Any]) -> Floats:
    """Payoffs (2, 2, 2) of a game by name, or given as such.

    Args:
        game: One of :data:`GAMES`, or numbers (player, first player's action, second player's).

    Raises:
        ValueError: An unknown name, another shape, or numbers that are not finite.
    """
    if isinstance(game, str):
        if game not in GAMES:
            raise ValueError(
                f"game must be one of {sorted(GAMES)} or payoffs of shape (2, 2, 2), got {game!r}."
            )
        return np.array(GAMES[game], np.float64)
    try:
        payoffs = np.array(game, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"Payoffs must be numbers of shape (2, 2, 2), got {game!r}.") from None
    if payoffs.shape != (2, 2, 2) or not np.isfinite(payoffs).all():
        raise ValueError(
            "Payoffs must be finite numbers of shape (2, 2, 2): player, first player's action, "
            f"second player's action; got {game!r}."
        )
    return payoffs
