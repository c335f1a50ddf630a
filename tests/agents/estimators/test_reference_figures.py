"""Statistics of the estimators on random processes, against figures computed by other programs.

The processes are those of Tang et al. 2021, section 5.1: transitions Dirichlet(0.001), rewards
uniform, discount 0.8, the first state always the same.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.inner_updates import inner_update
from agents.estimators.memory_one_games import PRISONERS_DILEMMA, exact_game_values
from agents.estimators.metrics import pearson_correlation, relative_error
from agents.estimators.surrogate import Order, magic_box_baseline, surrogate
from agents.estimators.tabular_mdp import (
    TabularMDP,
    action_values,
    exact_hessian,
    exact_taypo,
    state_values,
)

HORIZON = 20


def random_process(seed: int, states: int, actions: int, concentration: float) -> TabularMDP:
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(concentration * np.ones(states), size=(states, actions))
    rewards = rng.uniform(size=(states, actions))
    return TabularMDP(
        torch.tensor(transitions), torch.tensor(rewards), torch.eye(states).double()[0], 0.8
    )


def hessian(function: object, at: Tensor) -> Tensor:
    return torch.func.jacrev(torch.func.jacrev(function))(at)  # type: ignore[arg-type]


def score_hessian(mdp: TabularMDP, logits: Tensor, values: Tensor) -> Tensor:
    """Expected Hessian of the score surrogate, its advantages being action values as given."""
    policy = logits.softmax(-1)
    moves = torch.einsum("ia,iaj->ij", policy, mdp.transitions)
    visits = torch.linalg.solve(
        torch.eye(len(moves)).double() - mdp.discount * moves.T, mdp.initial
    )
    weights = visits[:, None] * policy * values
    return hessian(lambda table: (weights * table.log_softmax(-1)).sum(), logits)


@pytest.mark.parametrize(
    ("states", "concentration", "order_one", "error", "score", "ratio"),
    [
        (20, 0.001, 0.842, 0.533, 0.009, 9.1),
        (10, 0.001, 0.870, 0.491, -0.024, 8.8),
        (10, 1.0, 0.986, 0.168, -0.011, 10.5),
    ],
)
def test_ceilings_of_expected_hessians(
    states: int, concentration: float, order_one: float, error: float, score: float, ratio: float
) -> None:
    """What order 1 and the score reach on policy with infinitely many samples."""
    figures = []
    for seed in range(10):
        mdp = random_process(seed, states, 5, concentration)
        logits = torch.zeros(states, 5, dtype=torch.float64)
        policy = logits.softmax(-1)
        truth = exact_hessian(mdp, logits)
        first = hessian(
            lambda table, mdp=mdp, policy=policy: exact_taypo(mdp, table.softmax(-1), policy, 1),
            logits,
        )
        returns = action_values(mdp, policy)
        plain = score_hessian(mdp, logits, returns)
        with_critic = score_hessian(mdp, logits, returns - state_values(mdp, policy)[:, None])
        assert with_critic.abs().max() < 1e-12
        figures.append(
            (
                pearson_correlation(first, truth),
                relative_error(first, truth),
                pearson_correlation(plain, truth),
                plain.norm() / truth.norm(),
            )
        )
    means = torch.tensor(figures).mean(0).tolist()
    assert means[:3] == pytest.approx([order_one, error, score], abs=1e-3)
    assert means[3] == pytest.approx(ratio, abs=0.1)


def sample(mdp: TabularMDP, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """States (count, HORIZON + 1) and actions (count, HORIZON) of the uniform policy."""
    cumulative = mdp.transitions.cumsum(-1).numpy()
    states = np.zeros((count, HORIZON + 1), np.int64)
    actions = rng.integers(mdp.rewards.shape[1], size=(count, HORIZON))
    for time in range(HORIZON):
        law = cumulative[states[:, time], actions[:, time]]
        drawn = (rng.random((count, 1)) > law).sum(-1)
        states[:, time + 1] = np.minimum(drawn, len(cumulative) - 1)
    return torch.tensor(states), torch.tensor(actions)


def mean_surrogate(
    states: Tensor, actions: Tensor, advantages: Tensor, order: Order, logits: Tensor
) -> Tensor:
    logp = logits.log_softmax(-1)[states[:, :-1], actions]
    return surrogate(logp, advantages, order=order, gamma=0.8).mean()


def test_order_one_wins_with_few_samples_and_order_two_with_many() -> None:
    """Correlation of sampled Hessians with the truth, mean of ten repetitions, noisy critic."""
    mdp = random_process(0, 10, 5, 0.001)
    logits = torch.zeros(10, 5, dtype=torch.float64)
    truth = exact_hessian(mdp, logits)
    exact = state_values(mdp, logits.softmax(-1))
    rng = np.random.default_rng(1)

    def correlations(count: int) -> list[float]:
        results = []
        for _ in range(10):
            states, actions = sample(mdp, count, rng)
            critic = exact + torch.tensor(rng.standard_normal(10)) * exact.norm() / 10
            rewards = mdp.rewards[states[:, :-1], actions]
            advantages = gae(rewards, critic[states], gamma=0.8)

            objectives = [
                partial(mean_surrogate, states, actions, advantages, order)
                for order in ("score", 1, 2)
            ]
            results.append([pearson_correlation(hessian(f, logits), truth) for f in objectives])
        return torch.tensor(results).mean(0).tolist()

    few, many = correlations(20), correlations(1000)
    assert few[1] > few[2] + 0.1
    assert many[2] > many[1] + 0.03
    assert many[2] > 0.9
    assert abs(few[0]) < 0.2 and abs(many[0]) < 0.2


def play(
    strategies: Tensor, batch: int, horizon: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """States (players, batch, time) and actions, of two strategies (logits of cooperation)."""
    chances = strategies.detach().sigmoid()
    state = torch.zeros(2, batch, dtype=torch.int64)
    dice = torch.rand(horizon, 2, batch, generator=generator, dtype=chances.dtype)
    states, actions = [], []
    for time in range(horizon):
        action = (dice[time] >= chances.gather(1, state)).long()
        states.append(state)
        actions.append(action)
        state = 1 + 2 * action + action.flip(0)
    return torch.stack(states, -1), torch.stack(actions, -1)


def sampled_return(
    strategies: Tensor, player: int, states: Tensor, actions: Tensor, gamma: float
) -> Tensor:
    """DiCE over both players, with a baseline of the batch's mean return at each step."""
    logits = torch.stack([strategies[i][states[i]] for i in range(2)])
    logp = torch.nn.functional.logsigmoid((1 - 2 * actions) * logits).sum(0)
    rewards = PRISONERS_DILEMMA.to(strategies)[player, actions[0], actions[1]]
    returns = gae(rewards, gamma=gamma)
    baseline = returns.mean(0).expand_as(returns)
    terms = surrogate(logp, returns, gamma=gamma)
    return (terms + magic_box_baseline(logp, baseline, gamma=gamma)).mean()


def shaped_gradient(
    strategies: Tensor, player: int, generator: torch.Generator, gamma: float, shaping: bool
) -> Tensor:
    """Of a player's return in its own strategy, after one imagined step of the opponent."""
    own = strategies[player].clone().requires_grad_()
    opponent = strategies[1 - player]

    def arrange(own: Tensor, opponent: Tensor) -> Tensor:
        return torch.stack([own, opponent] if player == 0 else [opponent, own])

    if shaping:
        batch = play(strategies, 64, 150, generator)

        def imagined(opponent: Tensor) -> Tensor:
            return sampled_return(arrange(own, opponent), 1 - player, *batch, gamma)

        opponent = inner_update(opponent, imagined, step_size=0.3)
    both = arrange(own, opponent)
    value = sampled_return(both, player, *play(both, 64, 150, generator), gamma)
    return torch.autograd.grad(value, own)[0]


def final_score(shaping: bool, seed: int) -> float:
    """Normalised exact return of both players, mean of the last 10 of 100 updates."""
    generator = torch.Generator().manual_seed(seed)
    strategies, scores = torch.zeros(2, 5), []
    for _ in range(100):
        strategies = strategies + 0.2 * torch.stack(
            [shaped_gradient(strategies, i, generator, 0.96, shaping) for i in range(2)]
        )
        values = exact_game_values(*strategies.sigmoid(), PRISONERS_DILEMMA, discount=0.96)
        scores.append(0.04 * float(values.mean()))
    return sum(scores[-10:]) / 10


def test_sampled_opponent_shaping_escapes_defection_and_naive_learning_does_not() -> None:
    """LOLA-DiCE with one inner step and the step size, batch and length of its authors' code.

    Single runs vary; the median of three is what the bound is put on.
    """
    assert np.median([final_score(True, seed) for seed in range(3)]) > -1.4
    assert final_score(False, 0) < -1.9
