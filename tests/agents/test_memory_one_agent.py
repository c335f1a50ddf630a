"""A learned strategy, played against the family's opponents."""

from __future__ import annotations

import numpy as np
import torch

from agents.estimators.memory_one_games import PRISONERS_DILEMMA, exact_game_values
from agents.evaluation.protocol import evaluate, evaluation_tasks
from agents.lola import LOLAConfig, new_players
from agents.memory_one_agent import MemoryOneAgent

CONFIG = LOLAConfig(env_arguments={"opponents": "any"})


def test_its_returns_are_the_exact_ones_of_the_first_players_strategy() -> None:
    players = new_players(CONFIG)
    with torch.no_grad():
        players.logits.copy_(torch.tensor([[[2.0, 1.0, -1.0, 0.5, -2.0], [9, 9, 9, 9, 9]]]))
    agent = MemoryOneAgent(players, "lola")
    tasks = evaluation_tasks(
        CONFIG.env_id, split="test", num_tasks=3, seed=0, env_arguments=CONFIG.env_arguments
    )
    rows = evaluate(
        agent, CONFIG.env_id, tasks, split="test", rollouts=400, episodes=1, seed=0,
        env_arguments=CONFIG.env_arguments,
    )  # fmt: skip
    assert len(rows) == 3 * 400
    for task_id, opponent in zip(tasks.ids, tasks["opponent"], strict=True):
        returns = np.array([row.episode_return for row in rows if row.task_id == task_id])
        expected = exact_game_values(
            players.logits.detach()[0, 0].sigmoid(), torch.tensor(opponent), PRISONERS_DILEMMA,
            discount=1, horizon=100,
        )[0]  # fmt: skip
        error = returns.std() / 20
        assert abs(returns.mean() - float(expected)) < 5 * error
