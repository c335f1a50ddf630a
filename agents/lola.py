"""LOLA-DiCE: two players of an iterated game who expect one another to learn.

A player that only ascends its own return (*naive* learning, ``lookahead_steps=0``) takes the other
for a part of the world; in the iterated prisoner's dilemma both come to defect. A player with
opponent-learning awareness (LOLA, Foerster et al. 2018a) imagines that the other takes some
gradient steps first, and ascends what it would earn then. That gradient runs through the other's
steps, ``theta_2 + alpha * grad J_2(theta_1, theta_2)``, in which its own strategy has a part, and
leads to reciprocity.

Sampled games estimate the other's gradient, and its derivative by the own strategy, with one
surrogate, DiCE (Foerster et al. 2018b): the product of both players' ratios carries how an action
changes what the other does later. The meta-objective is *expected-update*
(:mod:`agents.estimators`). Settings follow the released code of Liu et al. 2022, who add the
correction for games of earlier strategies (``replayed_batches``).

Both players learn at once, each from games of its own. All players of many independent pairs are
one program of :func:`torch.vmap`.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from agents.estimators.inner_updates import inner_update
from agents.estimators.memory_one_games import exact_game_values
from agents.estimators.surrogate import Order, magic_box_baseline, surrogate
from agents.lola_config import LOLAConfig
from agents.lola_games import (
    Games,
    by_learner,
    describe,
    look_up,
    mean_returns,
    play,
    step_log_probabilities,
    viewpoints,
)
from agents.training_state import TrainingState
from metaenvs.matrix_games.games import NUM_CODES, payoffs_of
from metaenvs.matrix_games.iterated_game import IteratedGameVectorEnv

__all__ = [
    "LOLAConfig",
    "Players",
    "exact_scores",
    "exact_value",
    "lookahead_returns",
    "new_players",
    "sampled_value",
    "start",
    "train",
    "train_exactly",
]


class Players(nn.Module):
    """Strategies of pairs of players, their critics, and the games that they remember.

    Args:
        payoffs: (2, 2, 2): player, first player's action, second player's action.
        episode_steps: Steps of a game.
        config: How they learn.
        num_pairs: Independent pairs.
    """

    values: Tensor
    kept_events: Tensor
    kept_logits: Tensor

    def __init__(
        self, payoffs: Tensor, episode_steps: int, config: LOLAConfig, num_pairs: int
    ) -> None:
        super().__init__()
        self.config, self.episode_steps, self.num_pairs = config, episode_steps, num_pairs
        self.payoffs = payoffs.double()
        shape = (num_pairs, 2, NUM_CODES)
        self.logits = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("values", torch.zeros(shape, dtype=torch.float64))
        if kept := config.replayed_batches:
            events = (2 * num_pairs, kept, config.inner_games, episode_steps)
            strategies = (2 * num_pairs, kept, 2, NUM_CODES)
            self.register_buffer("kept_events", torch.zeros(events, dtype=torch.uint8))
            self.register_buffer("kept_logits", torch.zeros(strategies, dtype=torch.float64))

    def meet(
        self, own: Tensor, other: Tensor, num_games: int, generators: Sequence[torch.Generator]
    ) -> Games:
        """New games of all learners, by logits (learners, 5)."""
        events = play(own, other, num_games, self.episode_steps, generators)
        table = step_log_probabilities(own, other)
        return self._describe(events, table[:, None].expand(-1, num_games, -1))

    def meet_and_remember(
        self, own: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Games:
        """New games and the remembered ones, of which the oldest give way to the new."""
        events = play(own, other, self.config.inner_games, self.episode_steps, generators)
        all_events = torch.cat([events[:, None], self.kept_events], 1)
        logits = torch.cat([torch.stack([own, other], 1)[:, None], self.kept_logits], 1)
        self.kept_events, self.kept_logits = all_events[:, :-1], logits[:, :-1]
        tables = step_log_probabilities(*logits.unbind(2))
        return self._describe(
            all_events.flatten(1, 2), tables.repeat_interleave(self.config.inner_games, 1)
        )

    def _describe(self, events: Tensor, behaviour: Tensor) -> Games:
        values = torch.stack(by_learner(self.values), 1)
        seen = viewpoints(self.payoffs, self.num_pairs)
        return describe(events, behaviour, seen, values, self.config.discount)


def sampled_value(
    player: int, own: Tensor, other: Tensor, games: Games, config: LOLAConfig, order: Order
) -> Tensor:
    """What stands for a player's expected return under differentiation.

    Args:
        player: 0 for the learner itself, 1 for the other.
        own: (5,), the learner's logits.
        other: (5,), the other's.
        games: Of this learner, without the first dimension.
        config: Its discount and critic.
        order: Of the surrogate.

    Returns:
        A tensor without dimensions.
    """
    taken = look_up(step_log_probabilities(own, other), games.events)
    gamma, returns, values = config.discount, games.returns[player], games.values[player]
    behaviour = None if order == "score" else games.behaviour
    advantages = returns - values if config.critic == "doubly-robust" else returns
    total = surrogate(taken, advantages, behaviour_logp=behaviour, order=order, gamma=gamma)
    if config.critic == "magic-box":
        total = total + magic_box_baseline(taken, values, behaviour_logp=behaviour, gamma=gamma)
    return total.mean()


def exact_value(
    player: int, own: Tensor, other: Tensor, payoffs: Tensor, config: LOLAConfig
) -> Tensor:
    """A player's expected return in the endless game, its payoffs by viewpoint (2, 2, 2)."""
    strategies = own.sigmoid(), other.sigmoid()
    return exact_game_values(*strategies, payoffs, discount=config.discount)[player]


def lookahead_returns(
    own: Tensor,
    other: Tensor,
    inner: Sequence[Callable[[Tensor, Tensor], Any]],
    inner_value: Callable[..., Tensor],
    outer: Callable[[Tensor, Tensor], Any],
    outer_value: Callable[..., Tensor],
    *,
    inner_rate: float,
) -> Tensor:
    """What each learner would earn after the other's steps, to be differentiated by ``own``.

    Args:
        own: (learners, 5), logits.
        other: (learners, 5), logits from which the other's steps begin.
        inner: One for each step: from both strategies, detached, to tensors with the learner
            first that the step's objective is made of.
        inner_value: ``(player, own, other, what inner gave)`` of one learner.
        outer: As one of ``inner``, for what comes after the steps.
        outer_value: As ``inner_value``.
        inner_rate: Size of the steps.

    Returns:
        (learners,).
    """

    def ascend(own: Tensor, other: Tensor, seen: Any) -> Tensor:
        return inner_update(
            other, lambda moved: inner_value(1, own, moved, seen), step_size=inner_rate
        )

    for observe in inner:
        other = torch.vmap(ascend)(own, other, observe(own.detach(), other.detach()))
    seen = outer(own.detach(), other.detach())
    returns: Tensor = torch.vmap(functools.partial(outer_value, 0))(own, other, seen)
    return returns


def ascend_exactly(players: Players) -> None:
    """Set the players' gradients to those of exact returns."""
    config, (own, other) = players.config, by_learner(players.logits.detach())
    own = own.clone().requires_grad_()
    seen = viewpoints(players.payoffs, players.num_pairs)
    value = functools.partial(exact_value, config=config)
    returns = lookahead_returns(
        own, other, [lambda own, other: seen] * config.lookahead_steps, value,
        lambda own, other: seen, value, inner_rate=config.inner_rate,
    )  # fmt: skip
    (gradient,) = torch.autograd.grad(returns.sum(), own)
    players.logits.grad = -gradient.view_as(players.logits)


def ascend_sampled(players: Players, generators: Sequence[torch.Generator]) -> list[Games]:
    """Set the players' gradients to estimates, fit their critics, and answer the games."""
    config, (own, other) = players.config, by_learner(players.logits.detach())
    own = own.clone().requires_grad_()
    played: list[Games] = []

    def inner(own: Tensor, other: Tensor) -> Games:
        if config.replayed_batches:
            played.append(players.meet_and_remember(own, other, generators))
        else:
            played.append(players.meet(own, other, config.inner_games, generators))
        return played[-1]

    def outer(own: Tensor, other: Tensor) -> Games:
        played.append(players.meet(own, other, config.outer_games, generators))
        return played[-1]

    value = functools.partial(sampled_value, config=config)
    returns = lookahead_returns(
        own, other,
        [inner] * config.lookahead_steps, functools.partial(value, order=config.inner_order),
        outer, functools.partial(value, order=math.inf), inner_rate=config.inner_rate,
    )  # fmt: skip
    (gradient,) = torch.autograd.grad(returns.sum(), own)
    players.logits.grad = -gradient.view_as(players.logits)
    # After the gradient: a critic fitted to the games that it is compared with would bias it.
    values = mean_returns(played[-1], by_learner(players.values)[0])
    players.values = values.view_as(players.values)
    return played


@torch.no_grad()
def exact_scores(players: Players) -> Tensor:
    """Expected discounted return times ``1 - discount``, (pairs, 2): a step's mean payoff."""
    seen, config = viewpoints(players.payoffs, players.num_pairs), players.config
    value = functools.partial(exact_value, 0, config=config)
    returns: Tensor = torch.vmap(value)(*by_learner(players.logits), seen)
    return (1 - config.discount) * returns.view(-1, 2)


def make_env(config: LOLAConfig) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The family that names the game.

    Raises:
        ValueError: It is no iterated game, or its observation is not the code alone.
    """
    env = gym.make_vec(config.env_id, num_envs=1, **config.env_arguments)
    if not isinstance(env.unwrapped, IteratedGameVectorEnv):
        raise ValueError(
            "LOLA needs an iterated game, such as metaenvs/IteratedPrisonersDilemma-v0; "
            f"got {config.env_id}."
        )
    if not isinstance(env.single_observation_space, gym.spaces.MultiDiscrete):
        raise ValueError(
            "A memory-one strategy reads the code of the last actions and nothing else: leave "
            f"out task_visible and trial_inputs; got {config.env_arguments}."
        )
    return env


def new_players(config: LOLAConfig, num_pairs: int = 1) -> Players:
    """Players who have not learned; ValueError as :func:`make_env`."""
    env: Any = make_env(config).unwrapped
    payoffs = torch.from_numpy(payoffs_of(env.spec.kwargs["game"]))
    return Players(payoffs, env.episode_steps, config, num_pairs)


def start(config: LOLAConfig, seeds: Sequence[int] | None = None) -> TrainingState[Players]:
    """A training before its first update.

    Args:
        config: How the players learn.
        seeds: One for each of several pairs, in the place of the configuration's; each pair learns
            as it would alone.
    """
    seeds = [config.seed] if seeds is None else seeds
    players = new_players(config, len(seeds))
    generators = {
        f"games of seed {seed}": torch.Generator().manual_seed(
            int(np.random.SeedSequence(seed).generate_state(1)[0])
        )
        for seed in seeds
    }
    for _ in range(config.replayed_batches):
        own, other = by_learner(players.logits.detach())
        players.meet_and_remember(own, other, list(generators.values()))
    return TrainingState(
        module=players,
        optimiser=torch.optim.Adam([players.logits], lr=config.learning_rate),
        generators=generators,
        env=make_env(config),
    )


def train(
    config: LOLAConfig,
    report: Callable[[dict[str, float]], None] = lambda metrics: None,
    state: TrainingState[Players] | None = None,
    keep: Callable[[TrainingState[Players]], None] = lambda state: None,
) -> Players:
    """Train on sampled games until ``config.total_env_steps``, of each pair.

    Args:
        config: How to learn, which game, for how long.
        report: Called after each update with its metrics.
        state: What to go on from; None begins. It is brought forward in place.
        keep: Called with the state after each update, when it is whole.

    Returns:
        The trained players.

    Raises:
        FloatingPointError: A strategy that is not finite; the message says at which step.
    """
    state = state or start(config)
    players, generators = state.module, list(state.generators.values())
    games = 2 * (config.lookahead_steps * config.inner_games + config.outer_games)
    started = time.perf_counter() - state.seconds

    while state.env_steps < config.total_env_steps:
        if config.decay_learning_rate:
            remaining = 1 - state.env_steps / config.total_env_steps
            state.optimiser.param_groups[0]["lr"] = config.learning_rate * remaining
        played = ascend_sampled(players, generators)
        state.optimiser.step()
        state.env_steps += games * players.episode_steps
        state.iteration += 1
        state.seconds = time.perf_counter() - started
        if not players.logits.isfinite().all():
            raise FloatingPointError(
                f"A strategy is not finite after {state.env_steps} env steps. A smaller "
                "inner_rate or learning_rate, or fewer replayed_batches, usually mends it."
            )
        # Remembered games come after the new ones.
        sizes = [config.inner_games] * config.lookahead_steps + [config.outer_games]
        returns = [
            float(games.rewards[:, 0, :size].sum(-1).mean())
            for games, size in zip(played, sizes, strict=True)
        ]
        met = played[0].events[:, : sizes[0]]
        report(
            {
                "iteration": state.iteration,
                "env_steps": state.env_steps,
                "train/return": returns[0],
                **{f"train/return_episode_{k + 1}": value for k, value in enumerate(returns)},
                "train/cooperation": float((met % 4 < 2).double().mean()),
                "train/exact_score": float(exact_scores(players).mean()),
                "time/env_steps_per_second": state.env_steps / state.seconds,
                "time/elapsed": state.seconds,
            }
        )
        keep(state)
    state.env.close()
    return players


def train_exactly(config: LOLAConfig, num_updates: int) -> Tensor:
    """Learn from exact returns, at a constant rate; what is about samples does not count.

    Returns:
        (num_updates, 2), each player's :func:`exact_scores` after each update.
    """
    players = new_players(config)
    optimiser = torch.optim.Adam([players.logits], lr=config.learning_rate)
    scores = []
    for _ in range(num_updates):
        ascend_exactly(players)
        optimiser.step()
        scores.append(exact_scores(players)[0])
    return torch.stack(scores)
