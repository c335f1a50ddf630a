"""Where the error of LOLA-DiCE's gradient comes from, on the iterated prisoner's dilemma.

One look-ahead step has two slots: the value of the other's step, and its derivative by the own
strategy. Each is exact or estimated from sampled games, independent ones unless said otherwise;
the outer gradient is exact, and so is the truth, of games of the same length. Both slots have the
same critic in all rows. Points lie on the path of two players who learn by exact gradients.
"""

import functools
import math
from dataclasses import dataclass, replace

import torch

from agents.estimators.inner_updates import meta_gradient
from agents.estimators.memory_one_games import exact_game_values
from agents.estimators.metrics import debiased_squared_bias, trace_variance
from agents.lola import LOLAConfig, Players, ascend_exactly, new_players, sampled_value
from agents.lola_games import look_up, mean_returns, step_log_probabilities

__all__ = ["GAMES", "POINTS", "Row", "decomposition", "off_policy"]

CONFIG = LOLAConfig()
POINTS = (10, 30)
"""Updates of the exact path: while they learn to reciprocate, and when they nearly do."""
GAMES = (8, 32, 128, 512)
"""Games of an estimate."""
BUDGET = 2**15
"""Games of all estimates in a row."""
CHUNK = 2**13
"""Games that are differentiated together."""
OLDER = 7
"""Batches of 128 replayed games beside the fresh one: 1,024 in all (Liu et al. 2022)."""


@dataclass(frozen=True)
class Row:
    """Error of an estimator of the meta-gradient, all in units of the truth's norm."""

    update: int
    value: str
    derivative: str
    games: int
    estimates: int
    bias: float
    """Debiased; 0 where the noise hides it."""
    noise: float
    """Standard error of the mean estimate: what of the bias could be noise."""
    deviation: float
    """Of one estimate."""
    cosine: float
    """Between one estimate and the truth, the mean over estimates."""
    effective_share: float
    """Effective share of the games under the ratios of whole games; 1 on-policy."""


def shared_path(last):
    """Logits (last + 1, 5) of each of two players who learn by exact gradients from fair coins."""
    players = new_players(CONFIG)
    optimiser = torch.optim.Adam([players.logits], lr=CONFIG.learning_rate)
    path = [players.logits.detach()[0, 0].clone()]
    for _ in range(last):
        ascend_exactly(players)
        optimiser.step()
        path.append(players.logits.detach()[0, 0].clone())
    return torch.stack(path)


def learners_at(logits, estimates, config=CONFIG):
    """Pairs at one point, with critics fitted to other games: one learner for each estimate."""
    model = new_players(config)
    payoffs, steps = model.payoffs, model.episode_steps
    players = Players(payoffs, steps, config, estimates // 2)
    scouts = Players(payoffs, steps, config, 1)
    both = logits.expand(2, 5)
    scouted = scouts.meet(both, both, 2000, [torch.Generator().manual_seed(99)])
    values = mean_returns(scouted, torch.zeros_like(both)).mean(0)
    players.values = values.expand(estimates // 2, 2, 5)
    return players


def exact(player, own, other, payoffs, steps):
    """Discounted return of a game of so many steps."""
    return exact_game_values(
        own.sigmoid(), other.sigmoid(), payoffs, discount=CONFIG.discount, horizon=steps
    )[player]


def gradients(players, logits, value, derivative, value_games, derivative_games):
    """Estimates (learners, 5) of the meta-gradient; a slot of order None is exact."""
    truth = functools.partial(exact, payoffs=players.payoffs, steps=players.episode_steps)

    def slot(order, games):
        if order is None:
            return lambda own, other: truth(1, own, other)
        return lambda own, other: sampled_value(1, own, other, games, CONFIG, order)

    def estimate(value_games, derivative_games):
        return meta_gradient(
            logits,
            [(slot(value, value_games), slot(derivative, derivative_games))],
            lambda own, other: truth(0, own, other),
            step_size=CONFIG.inner_rate,
            initial=lambda own: logits,
        )

    chunk = max(1, CHUNK // value_games.events.shape[1])
    return torch.vmap(estimate, chunk_size=chunk)(value_games, derivative_games)


def row(update, names, estimates, truth, games, share=1.0):
    """The errors of estimates (n, 5)."""
    norm, number = truth.norm(), len(estimates)
    bias = debiased_squared_bias(estimates, truth).clamp(min=0).sqrt() / norm
    deviation = trace_variance(estimates).sqrt() / norm
    cosine = torch.cosine_similarity(estimates, truth[None], 1).mean()
    told = (float(part) for part in (bias, deviation / number**0.5, deviation, cosine))
    return Row(update, *names, games, number, *told, share)


def exact_gradient(players, logits):
    """The truth."""
    games = players.meet(*[logits.expand(2, 5)] * 2, 1, [torch.Generator().manual_seed(0)])
    return gradients(players, logits, None, None, games, games)[0]


def decomposition(update):
    """Each slot exact or estimated, at one point, for growing numbers of games."""
    logits = shared_path(update)[-1]
    truth = exact_gradient(learners_at(logits, 2), logits)
    rows = []
    for games in GAMES:
        number = BUDGET // games
        players = learners_at(logits, number)
        at = logits.expand(number, 5)
        first, second = (
            players.meet(at, at, games, [torch.Generator().manual_seed(seed)]) for seed in (1, 2)
        )
        dice = f"{games} games"
        for names, orders, samples in (
            ((dice, "exact"), (math.inf, None), (first, second)),
            (("exact", dice), (None, math.inf), (first, second)),
            (("exact", f"{dice}, LVC"), (None, 1), (first, second)),
            ((dice, dice), (math.inf, math.inf), (first, second)),
            ((dice, "the same games"), (math.inf, math.inf), (first, first)),
        ):
            estimates = gradients(players, logits, *orders, *samples)
            rows.append(row(update, names, estimates, truth, games))
    return rows


def replayed_games(path, number):
    """Fresh games at the end of a path beside those of the points before it."""
    players = learners_at(path[-1], number, replace(CONFIG, replayed_batches=OLDER))
    generators = [torch.Generator().manual_seed(3)]
    for logits in path[-1 - OLDER :]:
        at = logits.expand(number, 5)
        games = players.meet_and_remember(at, at, generators)
    return players, games


def effective_share(logits, games):
    """(sum of ratios)^2 / (n sum of squares), of whole games, the mean over estimates."""
    taken = look_up(step_log_probabilities(logits, logits), games.events)
    ratios = (taken - games.behaviour).sum(-1).exp()
    shares = ratios.sum(1).square() / (ratios.shape[1] * ratios.square().sum(1))
    return float(shares.mean())


def off_policy(update):
    """The correction for replayed games against fresh ones, both slots on the same games."""
    path = shared_path(update)
    logits, number = path[-1], 64
    truth = exact_gradient(learners_at(logits, 2), logits)
    players = learners_at(logits, number)
    at = logits.expand(number, 5)
    rows = []
    for games in (128, 128 * (1 + OLDER)):
        fresh = players.meet(at, at, games, [torch.Generator().manual_seed(4)])
        estimates = gradients(players, logits, math.inf, math.inf, fresh, fresh)
        rows.append(row(update, ("fresh", "the same games"), estimates, truth, games))
    players, games = replayed_games(path, number)
    share = effective_share(logits, games)
    for name, order in (("replayed", math.inf), ("replayed, TayPO-2", 2), ("replayed, LVC", 1)):
        estimates = gradients(players, logits, order, order, games, games)
        names = (name, "the same games")
        rows.append(row(update, names, estimates, truth, games.events.shape[1], share))
    return rows
