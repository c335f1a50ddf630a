"""The iterated prisoner's dilemma: known returns, enumerated play."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.memory_one_games import PRISONERS_DILEMMA, exact_game_values
from agents.estimators.surrogate import Order, surrogate

ALL_C = torch.ones(5, dtype=torch.float64)
ALL_D = torch.zeros(5, dtype=torch.float64)
TIT_FOR_TAT = torch.tensor([1.0, 1, 0, 1, 0], dtype=torch.float64)
RANDOM = torch.full((5,), 0.5, dtype=torch.float64)


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (RANDOM, RANDOM, (-37.5, -37.5)),
        (ALL_C, ALL_C, (-25, -25)),
        (ALL_D, ALL_D, (-50, -50)),
        (TIT_FOR_TAT, TIT_FOR_TAT, (-25, -25)),
        (TIT_FOR_TAT, ALL_D, (-51, -48)),
        (ALL_D, TIT_FOR_TAT, (-48, -51)),
        (ALL_C, ALL_D, (-75, 0)),
    ],
)
def test_known_returns(first: Tensor, second: Tensor, expected: tuple[float, float]) -> None:
    values = exact_game_values(first, second, PRISONERS_DILEMMA, discount=0.96)
    assert values.tolist() == pytest.approx(expected, abs=1e-9)


def test_long_horizons_approach_the_endless_one() -> None:
    first, second = draw(5).sigmoid(), draw(5, seed=1).sigmoid()
    endless = exact_game_values(first, second, PRISONERS_DILEMMA, discount=0.96)
    long = exact_game_values(first, second, PRISONERS_DILEMMA, discount=0.96, horizon=900)
    close(long, endless)
    short = exact_game_values(first, second, PRISONERS_DILEMMA, discount=0.96, horizon=100)
    assert ((short - endless) / endless).abs().max() < 0.02


def test_players_of_a_symmetric_game_change_places() -> None:
    first, second = draw(5).sigmoid(), draw(5, seed=1).sigmoid()
    values = exact_game_values(first, second, PRISONERS_DILEMMA, discount=0.9)
    close(exact_game_values(second, first, PRISONERS_DILEMMA, discount=0.9), values.flip(0))
    assert abs(float(values[0] - values[1])) > 0.1


class Play:
    """All joint trajectories of a few steps: states by player, actions, rewards."""

    def __init__(self, horizon: int) -> None:
        paths = list(product(product((0, 1), repeat=2), repeat=horizon))
        self.actions = torch.tensor(paths)
        start = torch.zeros(len(paths), 1, 2, dtype=torch.int64)
        own, other = self.actions, self.actions.flip(-1)
        self.states = torch.cat([start, (1 + 2 * own + other)[:, :-1]], 1)
        first, second = self.actions.unbind(-1)
        self.rewards = PRISONERS_DILEMMA[:, first, second]

    def logps(self, first: Tensor, second: Tensor) -> Tensor:
        """(players, trajectories, time)"""
        players = []
        for player, logits in enumerate((first, second)):
            own = logits[self.states[..., player]]
            sign = 1 - 2 * self.actions[..., player]
            players.append(torch.nn.functional.logsigmoid(sign * own))
        return torch.stack(players)


@pytest.mark.parametrize("horizon", [2, 3])
def test_values_of_a_finite_horizon_are_enumerated(horizon: int) -> None:
    play, first, second = Play(horizon), draw(5), draw(5, seed=1)
    law = play.logps(first, second).sum((0, 2)).exp()
    discount = 0.96 ** torch.arange(horizon, dtype=torch.float64)
    values = exact_game_values(
        first.sigmoid(), second.sigmoid(), PRISONERS_DILEMMA, discount=0.96, horizon=horizon
    )
    assert float(law.sum()) == pytest.approx(1, abs=1e-14)
    close((play.rewards * discount).sum(-1) @ law, values)


def test_coupled_magic_boxes_have_exact_mixed_derivatives_and_scores_do_not() -> None:
    """16 joint trajectories of two steps; the log-ratio is the sum over both players."""
    play, strategies = Play(2), torch.stack([draw(5), draw(5, seed=1)])
    law = play.logps(*strategies).sum((0, 2)).exp().detach()
    returns = gae(play.rewards, gamma=0.96)

    def sampled(order: Order) -> Any:
        def expected(strategies: Tensor) -> Tensor:
            logp = play.logps(*strategies).sum(0)
            values = [
                surrogate(logp, returns[player], order=order, gamma=0.96) @ law
                for player in range(2)
            ]
            return torch.stack(values)

        return expected

    def truth(strategies: Tensor) -> Tensor:
        return exact_game_values(*strategies.sigmoid(), PRISONERS_DILEMMA, discount=0.96, horizon=2)

    first = [torch.func.jacrev(function) for function in (sampled(math.inf), truth)]
    close(first[0](strategies), first[1](strategies))
    second = [torch.func.jacrev(function)(strategies) for function in first]
    close(second[0], second[1])
    mixed = second[1][1, 0, :, 1]
    assert mixed.norm() > 0.01
    score = torch.func.jacrev(torch.func.jacrev(sampled("score")))(strategies)
    assert (score[1, 0, :, 1] - mixed).norm() > 0.5 * mixed.norm()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="second must hold five probabilities"):
        exact_game_values(ALL_C, ALL_C[:4], PRISONERS_DILEMMA, discount=0.9)
    with pytest.raises(ValueError, match=r"payoffs must have shape \(2, 2, 2\)"):
        exact_game_values(ALL_C, ALL_C, PRISONERS_DILEMMA[0], discount=0.9)
    with pytest.raises(ValueError, match="below 1 for an infinite horizon; got 1"):
        exact_game_values(ALL_C, ALL_C, PRISONERS_DILEMMA, discount=1)
    with pytest.raises(ValueError, match="horizon must be a positive whole number"):
        exact_game_values(ALL_C, ALL_C, PRISONERS_DILEMMA, discount=0.9, horizon=0)
