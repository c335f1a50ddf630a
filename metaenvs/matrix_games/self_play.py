"""Many iterated games at once between two players that both learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.arguments import at_least_one
from metaenvs.matrix_games.games import code_after, payoffs_of

__all__ = ["SelfPlayBatch"]


class SelfPlayBatch:
    """Games that start and end together; nothing in them is random.

    Args:
        num_games: Number of games.
        game: As for :func:`metaenvs.matrix_games.games.payoffs_of`.
        episode_steps: Steps of a game.

    Raises:
        ValueError: A number below 1, an unknown game or payoffs of another shape.
    """

    def __init__(
        self,
        num_games: int,
        *,
        game: str | Sequence[Any] | npt.NDArray[Any] = "prisoners_dilemma",
        episode_steps: int = 100,
    ) -> None:
        self.num_games = at_least_one("num_games", num_games)
        self.episode_steps = at_least_one("episode_steps", episode_steps)
        self.payoffs = payoffs_of(game)
        self._steps_left = 0

    def reset(self) -> npt.NDArray[np.int64]:
        """Start all games anew.

        Returns:
            (num_games, 2), what each player remembers: 0.
        """
        self._steps_left = self.episode_steps
        return np.zeros((self.num_games, 2), np.int64)

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], bool]:
        """Both players of every game act.

        Args:
            actions: (num_games, 2) integers, 0 to cooperate and 1 to defect.

        Returns:
            What each player remembers (num_games, 2), each with its own action first; rewards
            (num_games, 2); and whether the games are over.

        Raises:
            ValueError: Actions of another shape or kind, or not 0 or 1.
            gymnasium.error.ResetNeeded: Before the first reset or after the games' end.
        """
        if self._steps_left == 0:
            raise gym.error.ResetNeeded("Call reset() before the first step of the games.")
        chosen = np.asarray(actions)
        if chosen.shape != (self.num_games, 2) or chosen.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be integers of shape ({self.num_games}, 2), got {chosen.dtype} of "
                f"shape {chosen.shape}."
            )
        if ((chosen != 0) & (chosen != 1)).any():
            game = int(np.flatnonzero(((chosen != 0) & (chosen != 1)).any(1))[0])
            raise ValueError(f"actions must be 0 or 1, got {chosen[game].tolist()} in game {game}.")
        chosen = chosen.astype(np.int64)
        first, second = chosen.T
        self._steps_left -= 1
        return (
            code_after(chosen, chosen[:, ::-1]),
            np.stack([table[first, second] for table in self.payoffs], 1),
            self._steps_left == 0,
        )
