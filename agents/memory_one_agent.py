"""A learned memory-one strategy under the adaptation protocol: it stays as it was learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agents.evaluation.protocol import Transition, Trials
from agents.lola import Players
from agents.row_noise import RowNoise

__all__ = ["MemoryOneAgent"]


class MemoryOneAgent:
    """Plays the first player's strategy of the first pair.

    Args:
        players: Trained ones.
        name: What the evaluation table calls it.
    """

    def __init__(self, players: Players, name: str) -> None:
        self.name = name
        self._cooperates = players.logits[0, 0].detach().sigmoid().numpy()

    def begin(self, trials: Trials) -> None:
        """Start the rows' random numbers."""
        self._noise = RowNoise(trials.seeds, None)

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Cooperate with the strategy's probability after what both did last."""
        probability = self._cooperates[np.asarray(observation)[:, 0]]
        return np.asarray(self._noise().numpy() >= probability, np.int64)

    def observe(self, transition: Transition) -> None:
        """Change nothing."""
