"""A game against a memory-one opponent as a decision process: published and exact values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metaenvs.matrix_games.as_mdp import as_mdp
from metaenvs.matrix_games.games import STRATEGIES, payoffs_of
from metaenvs.tabular.values import policy_iteration, state_values

PAYOFFS = payoffs_of("prisoners_dilemma")


def value(first: np.ndarray, second: np.ndarray, payoffs: np.ndarray, horizon: float) -> float:
    policy = np.stack([first, 1 - first], -1)
    process = as_mdp(second[None], payoffs)
    return float(state_values(process, policy, discount=0.96, horizon=horizon)[0, 0])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("random", "random", -37.5), ("all-C", "all-C", -25), ("all-D", "all-D", -50),
        ("tit-for-tat", "tit-for-tat", -25), ("tit-for-tat", "all-D", -51),
        ("all-D", "tit-for-tat", -48),
    ],
)  # fmt: skip
def test_values_known_by_hand(first: str, second: str, expected: float) -> None:
    strategies = np.array([STRATEGIES[first], STRATEGIES[second]])
    assert value(*strategies, PAYOFFS, math.inf) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("horizon", [9, math.inf])
def test_values_equal_the_estimators_oracle(horizon: float) -> None:
    torch = pytest.importorskip("torch")
    from agents.estimators.memory_one_games import exact_game_values

    rng = np.random.default_rng(0)
    for _ in range(5):
        first, second = rng.uniform(size=(2, 5))
        payoffs = rng.normal(size=(2, 2, 2))
        expected = exact_game_values(
            torch.as_tensor(first), torch.as_tensor(second), torch.as_tensor(payoffs),
            discount=0.96, horizon=horizon,
        )  # fmt: skip
        assert value(first, second, payoffs, horizon) == pytest.approx(float(expected[0]))
        as_second = payoffs[::-1].transpose(0, 2, 1)
        assert value(second, first, as_second, horizon) == pytest.approx(float(expected[1]))


def test_best_responses_in_the_prisoners_dilemma() -> None:
    named = list(STRATEGIES)
    values, actions = policy_iteration(as_mdp(list(STRATEGIES.values()), PAYOFFS), discount=0.96)
    assert actions[named.index("all-C")].tolist() == [1] * 5
    assert actions[named.index("all-D")].tolist() == [1] * 5
    assert values[named.index("tit-for-tat"), 0] == pytest.approx(-25)
    assert actions[named.index("tit-for-tat"), :2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("opponents", "message"),
    [
        (np.zeros(5), "opponents must have shape"),
        (np.zeros((2, 4)), "opponents must have shape"),
        (np.full((2, 5), 1.5), "opponents must hold probabilities"),
    ],
)
def test_bad_opponents(opponents: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_mdp(opponents, PAYOFFS)
