"""Games between learners: what is looked up is what was played."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.estimators.memory_one_games import exact_game_values
from agents.lola_games import (
    Games,
    by_learner,
    describe,
    mean_returns,
    play,
    step_log_probabilities,
    viewpoints,
)
from metaenvs.matrix_games.self_play import SelfPlayBatch

# Nothing in it is the same from both sides.
PAYOFFS = torch.tensor([[[-1.0, -3.0], [0.5, -2.0]], [[-1.5, 1.0], [-4.0, -2.5]]]).double()
STEPS = 30


def strategies(num_pairs: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(num_pairs, 2, 5, generator=generator, dtype=torch.float64)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def games_of(logits: Tensor, num_games: int, seeds: tuple[int, ...]) -> Games:
    own, other = by_learner(logits)
    events = play(own, other, num_games, STEPS, generators(*seeds))
    table = step_log_probabilities(own, other)[:, None].expand(-1, num_games, -1)
    values = torch.stack([own, other], 1)  # any numbers by player and code
    return describe(events, table, viewpoints(PAYOFFS, len(logits)), values, 0.9)


def test_a_batch_of_the_same_actions_pays_and_remembers_the_same() -> None:
    games = games_of(strategies(2), 3, (0, 1))
    for learner in range(4):
        actions = torch.stack([games.events[learner] // 2 % 2, games.events[learner] % 2], -1)
        batch = SelfPlayBatch(3, game=PAYOFFS.numpy(), episode_steps=STEPS)
        codes, second = batch.reset(), learner % 2  # a pair's second player sees itself first
        for step in range(STEPS):
            first_first = actions[:, step].numpy()[:, :: -1 if second else 1]
            assert (games.events[learner, :, step].numpy() // 4 == codes[:, second]).all()
            codes, rewards, _ = batch.step(first_first)
            seen = games.rewards[learner, :, :, step].T.numpy()
            np.testing.assert_array_equal(seen, rewards[:, :: -1 if second else 1])


def test_behaviour_and_values_are_those_of_each_players_own_code() -> None:
    logits = strategies(1)
    games = games_of(logits, 2, (0,))
    mirror = [0, 1, 3, 2, 4]
    for learner in range(2):
        own, other = logits[0, learner], logits[0, 1 - learner]
        for game in range(2):
            for step in range(STEPS):
                code, rest = divmod(int(games.events[learner, game, step]), 4)
                mine, theirs = divmod(rest, 2)
                p, q = own[code].sigmoid(), other[mirror[code]].sigmoid()
                probability = (1 - p if mine else p) * (1 - q if theirs else q)
                taken = games.behaviour[learner, game, step].exp()
                torch.testing.assert_close(taken, probability)
                assert games.values[learner, 0, game, step] == own[code]
                assert games.values[learner, 1, game, step] == other[mirror[code]]


def test_mean_returns_are_the_exact_ones() -> None:
    logits, num_games = strategies(1), 20_000
    games = games_of(logits, num_games, (0,))
    own, other = logits[0].sigmoid()
    exact = exact_game_values(own, other, PAYOFFS, discount=0.9, horizon=STEPS)
    for learner, expected in enumerate([exact, exact.flip(0)]):
        first = games.returns[learner, :, :, 0]
        error = first.std(-1) / num_games**0.5
        assert ((first.mean(-1) - expected).abs() < 5 * error).all()


def test_a_pair_does_not_depend_on_the_pairs_beside_it() -> None:
    logits = strategies(3)
    together = games_of(logits, 4, (5, 6, 7))
    alone = games_of(logits[1:2], 4, (6,))
    assert torch.equal(together.events[2:4], alone.events)


@pytest.mark.parametrize("seed", [0, 1])
def test_critics_are_the_means_of_what_followed_each_code(seed: int) -> None:
    games = games_of(strategies(1), 2, (seed,))
    unvisited = torch.full((2, 5), 7.0, dtype=torch.float64)
    # Code 4 is made to be missing.
    events = torch.where(games.events // 4 == 4, 0, games.events)
    fitted = mean_returns(games._replace(events=events), unvisited)
    for learner in range(2):
        codes, returns = events[learner] // 4, games.returns[learner, 0]
        for code in range(4):
            torch.testing.assert_close(fitted[learner, code], returns[codes == code].mean())
        assert fitted[learner, 4] == 7
