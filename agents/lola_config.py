"""What LOLA-DiCE can be told; it is described in :mod:`agents.lola`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.estimators.surrogate import Order

__all__ = ["LOLAConfig"]


@dataclass(frozen=True, kw_only=True)
class LOLAConfig:
    """LOLA-DiCE, or naive learning, on an iterated game."""

    env_id: str = "metaenvs/IteratedPrisonersDilemma-v0"
    """Id of an iterated game; the players learn against one another, not against its opponents."""
    env_arguments: dict[str, Any] = field(default_factory=dict)
    """The game's own arguments."""
    seed: int = 0
    """Decides the games; strategies begin as fair coins."""
    total_env_steps: int = 10_240_000
    """Training ends with the update that reaches it. An update takes
    ``2 * (lookahead_steps * inner_games + outer_games)`` games."""
    lookahead_steps: int = 1
    """K, steps of the other player that each looks ahead; 0 is naive learning."""
    inner_rate: float = 0.3
    """Alpha, the size of these."""
    learning_rate: float = 0.1
    """Of Adam, in the players' own steps."""
    decay_learning_rate: bool = True
    """Whether the rate falls linearly to 0 over the training. Where it stays, as in released code,
    players that have learned to reciprocate are carried away again by noise (docs/lola.md)."""
    discount: float = 0.96
    """Gamma."""
    inner_games: int = 128
    """Games that a look-ahead step is estimated from."""
    outer_games: int = 128
    """Games, after the look-ahead, that a player's own gradient is estimated from."""
    replayed_batches: int = 0
    """Batches of ``inner_games`` earlier ones that a look-ahead step learns from beside its own,
    corrected by their ratios (Liu et al. 2022: 7); 0 is on-policy."""
    inner_estimator: Literal["dice", "taypo", "lvc", "score"] = "dice"
    """Of the look-ahead steps; the last two do not know that an action changes later ones."""
    taypo_order: int = 2
    """K of TayPO-K."""
    critic: Literal["doubly-robust", "magic-box", "none"] = "doubly-robust"
    """What returns are compared with: each player's table of values, inside all ratios (Loaded
    DiCE) or as DiCE's baseline term, or nothing."""
    episodes_per_trial: int = 1
    """Episodes when evaluated; the strategy does not change."""

    def __post_init__(self) -> None:
        checks = [
            ("seed", self.seed >= 0, "at least 0"),
            ("total_env_steps", self.total_env_steps >= 1, "at least 1"),
            ("lookahead_steps", self.lookahead_steps >= 0, "at least 0"),
            ("inner_rate", self.inner_rate > 0, "positive"),
            ("learning_rate", self.learning_rate > 0, "positive"),
            ("discount", 0 <= self.discount < 1, "at least 0 and below 1"),
            ("inner_games", self.inner_games >= 1, "at least 1"),
            ("outer_games", self.outer_games >= 1, "at least 1"),
            ("replayed_batches", self.replayed_batches >= 0, "at least 0"),
            ("taypo_order", self.taypo_order >= 1, "at least 1"),
            ("episodes_per_trial", self.episodes_per_trial >= 1, "at least 1"),
        ]
        for name, holds, expectation in checks:
            if not holds:
                raise ValueError(f"{name} must be {expectation}, got {getattr(self, name)!r}.")
        if self.replayed_batches and self.inner_estimator == "score":
            raise ValueError(
                "The score has no correction for games of earlier strategies: choose another "
                f"inner_estimator, or replayed_batches=0; got {self.replayed_batches}."
            )

    @property
    def inner_order(self) -> Order:
        """The inner estimator's row in the table of :mod:`agents.estimators.surrogate`."""
        orders: dict[str, Order] = {"score": "score", "lvc": 1, "taypo": self.taypo_order}
        return orders.get(self.inner_estimator, math.inf)
