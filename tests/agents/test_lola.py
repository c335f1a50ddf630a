"""LOLA-DiCE against exact returns, enumerated play, and what it must leave unchanged."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.cli import main
from agents.estimators.memory_one_games import exact_game_values
from agents.lola import (
    LOLAConfig,
    ascend_exactly,
    ascend_sampled,
    lookahead_returns,
    new_players,
    sampled_value,
    start,
    train,
    train_exactly,
)
from agents.lola_games import Games, by_learner, describe, step_log_probabilities, viewpoints
from agents.training_state import read_state, write_state
from metaenvs.matrix_games.games import code_after

DILEMMA = "metaenvs/IteratedPrisonersDilemma-v0"
# Nothing in it is the same from both sides.
PAYOFFS = torch.tensor([[[-1.0, -3.0], [0.5, -2.0]], [[-1.5, 1.0], [-4.0, -2.5]]]).double()
HORIZON = 3
QUICK = LOLAConfig(
    env_arguments={"episode_steps": 10}, inner_games=4, outer_games=5, total_env_steps=360
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def all_games(behaviour: Tensor, discount: float) -> tuple[Games, Tensor]:
    """All games of three steps for one pair, and how probable each is for each learner.

    Args:
        behaviour: Logits of the pair's players, (2, 5).
        discount: Gamma.
    """
    joint = torch.cartesian_prod(*[torch.arange(4)] * HORIZON)
    own, other = joint // 2, joint % 2
    codes = torch.cat([torch.zeros_like(own[:, :1]), code_after(own, other)[:, :-1]], 1)
    events = (4 * codes + joint).expand(2, -1, -1)
    table = step_log_probabilities(*by_learner(behaviour[None]))[:, None].expand(-1, 4**HORIZON, -1)
    values = torch.stack(by_learner(10 * draw(1, 2, 5, seed=9)), 1)
    games = describe(events, table, viewpoints(PAYOFFS, 1), values, discount)
    return games, games.behaviour.sum(-1).exp()


def exact(player: int, own: Tensor, other: Tensor, payoffs: Tensor) -> Tensor:
    return exact_game_values(
        own.sigmoid(), other.sigmoid(), payoffs, discount=0.96, horizon=HORIZON
    )[player]


@pytest.mark.parametrize("critic", ["doubly-robust", "magic-box", "none"])
@pytest.mark.parametrize("on_policy", [True, False])
@pytest.mark.parametrize("learner", [0, 1])
def test_the_surrogates_derivatives_are_exact_in_expectation(
    learner: int, on_policy: bool, critic: Any
) -> None:
    config = LOLAConfig(critic=critic)
    strategies = draw(2, 5)
    games, law = all_games(strategies if on_policy else draw(2, 5, seed=3), config.discount)
    own, other = strategies[learner], strategies[1 - learner]
    mine, payoffs = Games(*(part[learner] for part in games)), viewpoints(PAYOFFS, 1)[learner]

    for player in (0, 1):

        def expected(own: Tensor, other: Tensor, player: int = player) -> Tensor:
            def of_game(events: Tensor, returns: Tensor, values: Tensor, taken: Tensor) -> Tensor:
                game = Games(events[None], returns, returns[:, None], values[:, None], taken[None])
                return sampled_value(player, own, other, game, config, math.inf)

            each = torch.vmap(of_game, in_dims=(0, 1, 1, 0))(
                mine.events, mine.returns, mine.values, mine.behaviour
            )
            return each @ law[learner]

        truth = functools.partial(exact, player, payoffs=payoffs)
        first = [torch.func.jacrev(function, (0, 1)) for function in (expected, truth)]
        second = [torch.func.jacrev(function, (0, 1)) for function in first]
        for estimate, wanted in (first, second):
            torch.testing.assert_close(estimate(own, other), wanted(own, other), rtol=0, atol=1e-10)


@pytest.mark.parametrize("num_steps", [0, 1, 2, 3])
@pytest.mark.parametrize("estimator", ["dice", "lvc"])
def test_the_gradient_through_the_others_steps_is_exact_on_all_games(
    num_steps: int, estimator: Any
) -> None:
    """All games are equally probable while both are fair coins: their mean is the expectation.

    The steps leave that point, so that from the second on, and in the outer estimate, the games
    are off-policy.
    """
    config = LOLAConfig(inner_estimator=estimator, lookahead_steps=num_steps)
    games, law = all_games(torch.zeros(2, 5).double(), config.discount)
    torch.testing.assert_close(law, torch.full_like(law, 4.0**-HORIZON))
    own = torch.zeros(2, 5).double().requires_grad_()
    other, seen = torch.zeros(2, 5).double(), viewpoints(PAYOFFS, 1)

    def gradient(inner: Any, inner_value: Any, outer: Any, outer_value: Any) -> Tensor:
        returns = lookahead_returns(
            own, other, [lambda own, other: inner] * num_steps, inner_value,
            lambda own, other: outer, outer_value, inner_rate=0.7,
        )  # fmt: skip
        return torch.autograd.grad(returns.sum(), own)[0]

    value = functools.partial(sampled_value, config=config)
    estimate = gradient(
        games, functools.partial(value, order=config.inner_order),
        games, functools.partial(value, order=math.inf),
    )  # fmt: skip
    truth = gradient(seen, exact, seen, exact)
    error = float((estimate - truth).norm() / truth.norm())
    if estimator == "dice" or num_steps == 0:
        assert error < 1e-10
    else:
        assert error > 0.01


@pytest.mark.parametrize(
    ("num_steps", "learning_rate", "expected"),
    [
        (1, 0.1, (-1.065, -1.010, -1.005)),
        (2, 0.1, (-1.161, -1.017, -1.005)),
        (3, 0.1, (-1.307, -1.026, -1.007)),
        (1, 0.2, (-1.005, -1.002, -1.002)),
    ],
)
def test_exact_curves_are_those_of_another_program(
    num_steps: int, learning_rate: float, expected: tuple[float, ...]
) -> None:
    """After 50, 100 and 200 updates."""
    config = LOLAConfig(lookahead_steps=num_steps, learning_rate=learning_rate)
    scores = train_exactly(config, 200)
    assert scores[[49, 99, 199], 0].tolist() == pytest.approx(expected, abs=1e-3)
    torch.testing.assert_close(scores[:, 0], scores[:, 1], rtol=0, atol=1e-9)


def test_exact_naive_learning_ends_in_defection() -> None:
    """The reference has two digits here."""
    scores = train_exactly(LOLAConfig(lookahead_steps=0), 200)[[49, 99, 199], 0]
    assert scores.tolist() == pytest.approx((-1.98, -1.99, -2.0), abs=5e-3)


@pytest.mark.parametrize("critic", ["doubly-robust", "magic-box"])
def test_without_look_ahead_it_is_naive_learning(critic: Any) -> None:
    config = dataclasses.replace(QUICK, lookahead_steps=0, outer_games=200, critic=critic)
    state = start(config)
    players = state.module
    with torch.no_grad():
        players.logits.copy_(draw(1, 2, 5))
        players.values.copy_(-draw(1, 2, 5, seed=1).abs())
    ascend_exactly(players)
    (own, other), payoffs = players.logits.detach()[0], players.payoffs

    def value(own: Tensor, other: Tensor, player: int) -> Tensor:
        return exact_game_values(own.sigmoid(), other.sigmoid(), payoffs, discount=0.96)[player]

    naive = [torch.func.grad(value, player)(own, other, player) for player in (0, 1)]
    assert players.logits.grad is not None
    torch.testing.assert_close(-players.logits.grad[0], torch.stack(naive))

    values = players.values.clone()
    (games,) = ascend_sampled(players, list(state.generators.values()))
    for player in (0, 1):  # REINFORCE with the critic as baseline
        codes = games.events[player] // 4
        cooperates = (games.events[player] // 2 % 2 == 0).double()
        score = cooperates - players.logits.detach()[0, player].sigmoid()[codes]
        advantage = games.returns[player, 0] - values[0, player][codes]
        weight = 0.96 ** torch.arange(10) * advantage * score / len(codes)
        gradient = torch.zeros(5).double().scatter_add_(0, codes.flatten(), weight.flatten())
        torch.testing.assert_close(-players.logits.grad[0, player], gradient)


def test_games_that_are_remembered_are_the_latest_with_their_strategies() -> None:
    config = dataclasses.replace(QUICK, replayed_batches=2)
    state = start(config)
    players, generators = state.module, list(state.generators.values())
    seen = []
    for number in range(4):
        own, other = by_learner(draw(1, 2, 5, seed=number))
        games = players.meet_and_remember(own, other, generators)
        assert games.events.shape == (2, 3 * 4, 10)
        table = step_log_probabilities(own, other)
        fresh = games.events[:, :4]
        seen.insert(0, (fresh, table.gather(1, fresh.flatten(1)).view(fresh.shape)))
    torch.testing.assert_close(games.events, torch.cat([events for events, _ in seen[:3]], 1))
    torch.testing.assert_close(games.behaviour, torch.cat([taken for _, taken in seen[:3]], 1))


@pytest.mark.parametrize("lookahead_steps", [0, 2])
def test_a_pair_learns_as_it_would_alone(lookahead_steps: int) -> None:
    config = dataclasses.replace(QUICK, lookahead_steps=lookahead_steps, replayed_batches=1)
    together = train(config, state=start(config, [3, 4, 5]))
    alone = train(dataclasses.replace(config, seed=4))
    torch.testing.assert_close(together.logits[1:2], alone.logits, rtol=0, atol=1e-12)
    assert not torch.equal(together.logits[0], together.logits[1])


def test_the_rate_falls_to_nothing_over_the_training() -> None:
    rates: dict[bool, list[float]] = {}
    for decay in (False, True):
        config = dataclasses.replace(QUICK, decay_learning_rate=decay, total_env_steps=720)
        told: list[float] = []
        train(config, keep=lambda state: told.append(state.optimiser.param_groups[0]["lr"]))  # noqa: B023
        rates[decay] = told
    assert rates[False] == [0.1] * 4
    assert rates[True] == pytest.approx([0.1, 0.075, 0.05, 0.025])


@pytest.mark.parametrize("replayed_batches", [0, 2])
def test_it_goes_on_from_a_kept_state_bit_for_bit(replayed_batches: int) -> None:
    config = dataclasses.replace(QUICK, total_env_steps=900, replayed_batches=replayed_batches)
    kept: list[Any] = []
    whole = train(config, keep=lambda state: kept.append(read_state(state)))
    assert len(kept) == 5
    again = start(config)
    write_state(again, *kept[1])
    lines: list[dict[str, float]] = []
    resumed = train(config, lines.append, state=again)
    assert [line["iteration"] for line in lines] == [3, 4, 5]
    assert torch.equal(whole.logits, resumed.logits)
    assert torch.equal(whole.values, resumed.values)


def test_commands_train_and_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    options = ["--total-env-steps", "8000", "--inner-games", "8", "--outer-games", "8"]
    assert main(["train", "lola", DILEMMA, "--out", str(folder), *options]) == 0
    assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + 3
    assert main(["evaluate", str(folder), "--split", "all", "--num-tasks", "6"]) == 0
    assert "lola" in capsys.readouterr().out
    assert (folder / "learning.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lookahead_steps": -1}, "lookahead_steps must be at least 0, got -1"),
        ({"discount": 1.0}, "discount must be at least 0 and below 1, got 1.0"),
        ({"inner_games": 0}, "inner_games must be at least 1"),
        ({"inner_estimator": "score", "replayed_batches": 7}, "no correction for games of earlier"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LOLAConfig(**options)


@pytest.mark.parametrize(
    ("env_id", "env_arguments", "message"),
    [
        ("metaenvs/ExplorationBandit-v0", {}, "LOLA needs an iterated game"),
        (DILEMMA, {"task_visible": True}, "reads the code of the last actions and nothing else"),
    ],
)
def test_other_families_are_refused(
    env_id: str, env_arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        new_players(LOLAConfig(env_id=env_id, env_arguments=env_arguments))


def test_a_strategy_that_is_not_finite_ends_the_training() -> None:
    state = start(QUICK)
    state.module.logits.data[0, 0, 2] = math.nan
    with pytest.raises(FloatingPointError, match="not finite after 180 env steps"):
        train(QUICK, state=state)
