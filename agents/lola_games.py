"""Games between learners of memory-one strategies, as the surrogates of LOLA-DiCE need them.

A step of a game is one of 20 *events*: own code times 4, own action times 2, other's action. What
a step was paid, how probable it was and what a critic expected of it are tables over events.
Strategies are five logits of cooperation, in the order of :mod:`metaenvs.matrix_games.games`, each
player's in its own. A *learner* is one player of one pair, and sees itself first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.estimators.advantages import gae
from metaenvs.matrix_games.games import NUM_CODES, mirrored
from metaenvs.matrix_games.self_play import SelfPlayBatch

__all__ = [
    "Games",
    "by_learner",
    "describe",
    "look_up",
    "mean_returns",
    "play",
    "step_log_probabilities",
    "viewpoints",
]

MIRROR = [mirrored(code) for code in range(NUM_CODES)]


class Games(NamedTuple):
    """Games of learners, each seen by its learner; nothing in it carries a gradient."""

    events: Tensor
    """(learners, games, steps) int64."""
    rewards: Tensor
    """(learners, 2, games, steps): own, other's."""
    returns: Tensor
    """The same, discounted, from each step on."""
    values: Tensor
    """The same, as the players' critics expect them."""
    behaviour: Tensor
    """(learners, games, steps), log-probability of both actions when they were taken."""


def by_learner(of_players: Tensor) -> tuple[Tensor, Tensor]:
    """Of pairs (pairs, 2, ...), own and other's of each learner (2 * pairs, ...)."""
    return of_players.flatten(0, 1), of_players.flip(1).flatten(0, 1)


def viewpoints(payoffs: Tensor, num_pairs: int) -> Tensor:
    """A game's payoffs (2, 2, 2) as each learner sees them: (learners, 2, 2, 2)."""
    return torch.stack([payoffs, payoffs.flip(0).transpose(1, 2)]).repeat(num_pairs, 1, 1, 1)


def step_log_probabilities(own: Tensor, other: Tensor) -> Tensor:
    """Log-probability of every event, given its codes: logits (..., 5) of both to (..., 20)."""
    of_own = nn.functional.logsigmoid(torch.stack([own, -own], -1))
    of_other = nn.functional.logsigmoid(torch.stack([other, -other], -1))[..., MIRROR, :]
    return (of_own[..., :, None] + of_other[..., None, :]).flatten(-3)


def look_up(table: Tensor, events: Tensor) -> Tensor:
    """Entries of a table (20,) for events of any shape."""
    # The gradient of gather costs half of that of indexing.
    return table.gather(0, events.flatten()).view(events.shape)


def play(
    own: Tensor, other: Tensor, num_games: int, steps: int, generators: Sequence[torch.Generator]
) -> Tensor:
    """Every learner plays against its other.

    Args:
        own: (learners, 5), float64.
        other: (learners, 5), float64.
        num_games: Of each learner.
        steps: Of a game.
        generators: One for each pair, or of learners in as many equal parts; a part does not depend
            on those beside it.

    Returns:
        Events (learners, num_games, steps), uint8.
    """
    learners = len(own)
    batch = SelfPlayBatch(learners * num_games, episode_steps=steps)
    tables = torch.stack([own, other], 1).sigmoid().numpy().ravel()
    # Where in them the table of each game's players begins.
    begins = NUM_CODES * np.arange(2 * learners).reshape(learners, 2).repeat(num_games, 0)
    shape = (steps, learners // len(generators) * num_games, 2)
    drawn = [torch.rand(shape, dtype=torch.float64, generator=each) for each in generators]
    uniforms = torch.cat(drawn, 1).numpy()
    events = np.empty((steps, learners * num_games), np.uint8)
    codes = batch.reset()
    for step in range(steps):
        actions = (uniforms[step] >= tables[begins + codes]).astype(np.int64)
        events[step] = 4 * codes[:, 0] + 2 * actions[:, 0] + actions[:, 1]
        codes, _, _ = batch.step(actions)
    return torch.from_numpy(events.T.copy()).view(learners, num_games, steps)


def describe(
    events: Tensor, behaviour: Tensor, payoffs: Tensor, values: Tensor, discount: float
) -> Games:
    """What the surrogates need of games.

    Args:
        events: (learners, games, steps).
        behaviour: (learners, games, 20), log-probabilities of events under the strategies that
            played each game.
        payoffs: (learners, 2, 2, 2) by viewpoint.
        values: (learners, 2, 5), what the critics of own and other expect at their own codes.
        discount: Gamma.
    """
    numbers = events.long()
    at = numbers.flatten(1)[:, None].expand(-1, 2, -1)

    def of_events(table: Tensor) -> Tensor:
        return table.gather(2, at).view(-1, 2, *numbers.shape[1:])

    rewards = of_events(payoffs.flatten(2).repeat(1, 1, NUM_CODES))
    seen = torch.stack([values[:, 0], values[:, 1, MIRROR]], 1)
    return Games(
        events=numbers,
        rewards=rewards,
        returns=gae(rewards, gamma=discount),
        values=of_events(seen.repeat_interleave(4, -1)),
        behaviour=behaviour.gather(2, numbers),
    )


def mean_returns(games: Games, unvisited: Tensor) -> Tensor:
    """Mean own return of each learner from each code on, (learners, 5).

    Args:
        games: Played ones.
        unvisited: (learners, 5), the entries of codes that did not occur.
    """
    codes, returns = games.events.flatten(1) // 4, games.returns[:, 0].flatten(1)
    visits = torch.zeros_like(unvisited).scatter_add_(1, codes, torch.ones_like(returns))
    totals = torch.zeros_like(unvisited).scatter_add_(1, codes, returns)
    return torch.where(visits > 0, totals / visits.clamp(min=1), unvisited)
