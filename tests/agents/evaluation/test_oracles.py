"""Oracles reach what the planner and the closed form promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.evaluation.oracles import find_oracle
from agents.evaluation.protocol import evaluate, evaluation_tasks
from agents.evaluation.scores import returns_of_agents
from metaenvs.krazy_world.planner import best_plans
from metaenvs.krazy_world.presets import preset_settings


@pytest.mark.parametrize(
    ("env_id", "preset", "arguments"),
    [
        ("metaenvs/KrazyWorldMedium-v0", "medium", {}),
        ("metaenvs/KrazyWorld-v0", "paper", {"view": "global", "observe_energy": True}),
        (
            "metaenvs/KrazyWorldEasy-v0",
            "easy",
            {"dynamics": "simple", "energy_start": 10, "one_hot": True, "episode_steps": 7},
        ),
        ("metaenvs/KrazyWorldEasy-v0", "easy", {"image": True, "cell_pixels": 2}),
    ],
)
def test_krazy_world_oracle_collects_what_the_planner_promises(
    env_id: str, preset: str, arguments: dict[str, Any]
) -> None:
    found = find_oracle(env_id, arguments)
    assert found is not None
    oracle, shown = found
    tasks = evaluation_tasks(env_id, split="test", num_tasks=12, seed=0, env_arguments=arguments)
    rows = evaluate(
        oracle, env_id, tasks, split="test", rollouts=2, episodes=3, seed=0, env_arguments=shown
    )
    looks = ("view", "observe_energy", "one_hot", "image", "cell_pixels")
    world = preset_settings(
        preset, {name: value for name, value in arguments.items() if name not in looks}
    )
    plans = best_plans(tasks, world)
    promised = {int(task): plan.goals for task, plan in zip(tasks.ids, plans, strict=True)}
    assert sum(promised.values()) >= 12
    assert all(row.episode_return == promised[row.task_id] for row in rows)


def test_bandit_oracle_pulls_the_best_arm() -> None:
    env_id, arguments = "metaenvs/ExplorationBandit-v0", {"num_arms": 9, "trial_inputs": "dict"}
    found = find_oracle(env_id, arguments)
    assert found is not None
    oracle, shown = found
    assert shown == {"num_arms": 9, "task_visible": True}
    tasks = evaluation_tasks(
        env_id, split="all", num_tasks=20, seed=0, env_arguments={"num_arms": 9}
    )
    rows = evaluate(
        oracle, env_id, tasks, split="all", rollouts=1, episodes=4, seed=0, env_arguments=shown
    )
    assert (returns_of_agents(rows)["oracle"].returns == np.ones((1, len(tasks.unique()), 4))).all()


def test_there_is_none_for_other_rewards() -> None:
    assert find_oracle("metaenvs/KrazyWorld-v0", {"dense_reward": True}) is None
