"""Measurement of learning: do RL² and E-RL² each reach their own optimum on the bandit?"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from agents import rl2
from agents.bench.rows import Row, measured_row
from agents.bench.timing import Effort
from agents.evaluation.protocol import evaluate
from agents.evaluation.table import returns_by_episode
from agents.recurrent_agent import RecurrentAgent
from metaenvs import Tasks
from metaenvs.exploration_bandit_optimum import best_values

__all__ = ["bandit", "share_of_optimum"]

BANDIT = "metaenvs/ExplorationBandit-v0"
EPISODES = 5
NUM_ARMS = 7
BEST_ARMS = np.arange(1, NUM_ARMS, dtype=np.int16)
"""All of its tasks."""
ROLLOUTS = 200
"""Parallel tries of each task when a policy is evaluated."""


@dataclass(frozen=True)
class _Learner:
    """What is trained, and what its own objective is worth at best."""

    name: str
    config: rl2.RL2Config
    objective: str

    @property
    def optimum(self) -> float:
        """The best that its objective can be."""
        return best_values(NUM_ARMS, EPISODES, self.config.explore_episodes).objective


LEARNERS = (
    # Playing safe is soon found: RL²'s defaults, for a fifteenth of their usual steps.
    _Learner(
        "RL²",
        rl2.RL2Config(env_id=BANDIT, total_env_steps=200_000),
        "return of the whole trial",
    ),
    # The safe arm tempts before exploring has paid: what keeps all arms in play until it has is
    # a large entropy bonus in units of reward (hence no standardising), and 512 trials in each
    # iteration to tell the gain of exploring from noise; three times the learning rate spares a
    # third of the steps.
    _Learner(
        "E-RL²",
        rl2.RL2Config(
            env_id=BANDIT,
            explore_episodes=3,
            num_envs=512,
            total_env_steps=1_000_000,
            learning_rate=3e-3,
            entropy_weight=0.4,
            standardise_advantages=False,
        ),
        "return of the last two episodes",
    ),
)


def bandit(effort: Effort) -> list[Row]:
    """Train both from several seeds, and let them adapt to every task."""
    name = "bandit"
    rows = []
    for learner in LEARNERS:
        shares, seconds = [], []
        num_steps = max(1, round(learner.config.total_env_steps * effort.training_share))
        for seed in range(effort.num_seeds):
            config = dataclasses.replace(learner.config, seed=seed, total_env_steps=num_steps)
            with _one_thread():
                begun = time.perf_counter()
                policy = rl2.train(config)
                seconds.append(time.perf_counter() - begun)
                shares.append(share_of_optimum(policy, config, learner.optimum))
        seeds = f"seeds 0 to {effort.num_seeds - 1}"
        note = f"{learner.objective} over its optimum {learner.optimum}; {seeds}"
        rows.append(measured_row(name, f"{learner.name}: share", "of the optimum", shares, note))
        note = f"{num_steps:,} env steps, one thread; {seeds}"
        rows.append(measured_row(name, f"{learner.name}: training", "s", seconds, note))
    return rows


def share_of_optimum(policy: rl2.RL2Policy, config: rl2.RL2Config, optimum: float) -> float:
    """Mean return of the episodes that count, over all tasks alike, as a share of its optimum."""
    table = evaluate(
        RecurrentAgent(policy, "bench"),
        BANDIT,
        Tasks({"best_arm": BEST_ARMS}),
        split="all",
        rollouts=ROLLOUTS,
        episodes=EPISODES,
        seed=config.seed,
    )
    counted = returns_by_episode(table)[:, config.explore_episodes :]
    return float(counted.sum(1).mean() / optimum)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small lose more by waking threads than they gain.

    Where other processes want the cores as well, threads that wait for each other lose several
    times as much.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
