"""Payoffs and codes of the games."""

from __future__ import annotations

import numpy as np
import pytest

from metaenvs.matrix_games.games import GAMES, STRATEGIES, code_after, mirrored, payoffs_of


def test_codes_are_those_of_both_players() -> None:
    seen = []
    for own in range(2):
        for other in range(2):
            assert mirrored(code_after(own, other)) == code_after(other, own)
            seen.append(code_after(own, other))
    assert seen == [1, 2, 3, 4]
    assert mirrored(0) == 0


@pytest.mark.parametrize("game", ["prisoners_dilemma", "stag_hunt", "chicken"])
def test_symmetric_games_look_alike_to_both_players(game: str) -> None:
    first, second = payoffs_of(game)
    np.testing.assert_array_equal(second, first.T)


def test_each_game_has_the_order_of_outcomes_that_makes_it() -> None:
    def outcomes(game: str) -> list[float]:
        (both, exploited), (exploits, neither) = payoffs_of(game)[0]
        return [exploited, neither, both, exploits]

    exploited, neither, both, exploits = outcomes("prisoners_dilemma")
    assert exploited < neither < both < exploits
    exploited, neither, both, exploits = outcomes("stag_hunt")
    assert exploited < neither < exploits < both
    exploited, neither, both, exploits = outcomes("chicken")
    assert neither < exploited < both < exploits
    np.testing.assert_array_equal(payoffs_of("matching_pennies").sum(0), 0)


def test_strategies_do_what_their_names_say() -> None:
    """Against every sequence of four actions of the other player."""

    def play(strategy: str, others: list[int]) -> list[int]:
        code, actions = 0, []
        for other in others:
            own = 0 if STRATEGIES[strategy][code] == 1 else 1
            actions.append(own)
            code = code_after(own, other)
        return actions

    for number in range(16):
        others = [number >> bit & 1 for bit in range(4)]
        assert play("tit-for-tat", others) == [0, *others[:3]]
        assert play("grim", others) == [int(1 in others[:step]) for step in range(4)]
        stays = [0]
        for other in others[:3]:
            stays.append(stays[-1] if other == 0 else 1 - stays[-1])
        assert play("win-stay-lose-shift", others) == stays
        assert play("all-C", others) == [0] * 4 and play("all-D", others) == [1] * 4


def test_own_payoffs() -> None:
    given = np.arange(8.0).reshape(2, 2, 2)
    np.testing.assert_array_equal(payoffs_of(given.tolist()), given)
    assert set(GAMES) == {"prisoners_dilemma", "stag_hunt", "chicken", "matching_pennies"}


@pytest.mark.parametrize(
    ("game", "message"),
    [
        ("poker", "game must be one of"),
        ([[1, 2], [3, 4]], "Payoffs must be finite numbers of shape"),
        (np.full((2, 2, 2), np.nan), "Payoffs must be finite numbers of shape"),
        ([["a", "b"]], "Payoffs must be numbers of shape"),
        (None, "Payoffs must be finite numbers of shape"),
    ],
)
def test_bad_games(game: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        payoffs_of(game)  # type: ignore[arg-type]
