"""An iterated game as an environment of PettingZoo, for its learners of several agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from metaenvs.matrix_games.games import NUM_CODES
from metaenvs.matrix_games.picture import course_to_text, draw_course
from metaenvs.matrix_games.self_play import SelfPlayBatch

__all__ = ["IteratedGameParallelEnv"]

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError(
        "Games between several agents need PettingZoo: pip install 'metaenvs[pettingzoo]'."
    ) from error

PLAYERS = ("player_0", "player_1")


class IteratedGameParallelEnv(ParallelEnv[str, np.int64, np.int64]):
    """Two players, each of whom remembers the last actions of both.

    Observations are codes, ``Discrete(5)``: 0 at the start, then 1 CC, 2 CD, 3 DC, 4 DD, a
    player's own last action first. Actions are ``Discrete(2)``: 0 cooperates, 1 defects. It is a
    :class:`metaenvs.matrix_games.self_play.SelfPlayBatch` of one game.

    Args:
        game: As for :func:`metaenvs.matrix_games.games.payoffs_of`.
        episode_steps: Steps after which both players are truncated.
        render_mode: "rgb_array", "ansi" or None.

    Raises:
        ValueError: An unknown game or render mode, or a number of steps below 1.
    """

    metadata: dict[str, Any] = {
        "name": "iterated_game_v0",
        "render_modes": ["rgb_array", "ansi"],
        "render_fps": 4,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        *,
        game: str | Sequence[Any] = "prisoners_dilemma",
        episode_steps: int = 100,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array", "ansi"):
            raise ValueError(
                f"render_mode must be None, 'rgb_array' or 'ansi', got {render_mode!r}."
            )
        self._batch = SelfPlayBatch(1, game=game, episode_steps=episode_steps)
        self._course: list[int] = []
        self.render_mode = render_mode
        self.possible_agents = list(PLAYERS)
        self.agents: list[str] = []
        # Always the same objects, as PettingZoo asks.
        self.observation_spaces: dict[str, gym.Space[np.int64]] = {
            player: gym.spaces.Discrete(NUM_CODES) for player in PLAYERS
        }
        self.action_spaces: dict[str, gym.Space[np.int64]] = {
            player: gym.spaces.Discrete(2) for player in PLAYERS
        }

    def observation_space(self, agent: str) -> gym.Space[np.int64]:
        """The codes of what a player remembers."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[np.int64]:
        """To cooperate or to defect."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.int64], dict[str, dict[str, Any]]]:
        """Start anew; the seed changes nothing, for nothing is random."""
        self.agents = list(PLAYERS)
        codes = self._batch.reset()[0]
        self._course = [int(codes[0])]
        return dict(zip(PLAYERS, codes, strict=True)), {player: {} for player in PLAYERS}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, np.int64], dict[str, float], dict[str, bool], dict[str, bool],
        dict[str, dict[str, Any]],
    ]:  # fmt: skip
        """Both players act.

        Raises:
            ValueError: A player without an action, or an action that is not 0 or 1.
            gymnasium.error.ResetNeeded: Before the first reset or after the end.
        """
        if set(actions) != set(PLAYERS):
            raise ValueError(f"actions must be of {list(PLAYERS)}, got {sorted(actions)}.")
        codes, rewards, over = self._batch.step([[actions[player] for player in PLAYERS]])
        self._course.append(int(codes[0, 0]))
        if over:
            self.agents = []
        return (
            dict(zip(PLAYERS, codes[0], strict=True)),
            dict(zip(PLAYERS, rewards[0].tolist(), strict=True)),
            dict.fromkeys(PLAYERS, False),
            dict.fromkeys(PLAYERS, over),
            {player: {} for player in PLAYERS},
        )

    def render(self) -> Any:
        """What was played: a picture (48, 616, 3) uint8, or text; None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn("render() needs a render_mode.")
            return None
        if self.render_mode == "ansi":
            return course_to_text(self._course)
        return draw_course(self._course)
