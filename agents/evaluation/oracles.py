"""Agents that see the task: what could be reached if there were nothing to find out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from agents.evaluation.protocol import AdaptiveAgent, Transition, Trials
from metaenvs import Tasks
from metaenvs.krazy_world.planner import best_plans
from metaenvs.krazy_world.presets import WorldSettings, preset_settings

__all__ = ["BanditOracle", "KrazyWorldOracle", "find_oracle"]

ABOUT_APPEARANCE = ("image", "cell_pixels", "one_hot", "trial_inputs")
"""Arguments that change how observations look, which would hide the task from an oracle."""

NUM_ACTIONS, NUM_KINDS = 4, 10
DISPLACEMENT_OFFSET = 3


class KrazyWorldOracle:
    """Follows the plan that collects most goals, in every episode alike.

    It reads the world from the end of the observation, where ``task_visible=True`` puts it.

    Args:
        world: Size, energy and length of an episode.
    """

    name = "oracle"

    def __init__(self, world: WorldSettings) -> None:
        self._world = world

    def begin(self, trials: Trials) -> None:
        """Forget the plans of other tasks."""
        self._rollouts = trials.rollouts
        self._plans: npt.NDArray[np.int64] | None = None
        self._step = np.zeros(trials.num_rows, np.int64)

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The plan's next action; any at all once the plan has collected its goals."""
        if self._plans is None:
            plans = best_plans(self._read(observation[:: self._rollouts]), self._world)
            self._plans = np.zeros((len(self._step), self._world.episode_steps), np.int64)
            for row in range(len(self._step)):
                actions = plans[row // self._rollouts].actions
                self._plans[row, : len(actions)] = actions
        return self._plans[np.arange(len(self._step)), self._step]

    def observe(self, transition: Transition) -> None:
        """Keep the place in the plan."""
        self._step = np.where(transition.episode_end, 0, self._step + 1)

    def _read(self, observation: npt.NDArray[Any]) -> Tasks:
        """Worlds of observations (n, codes)."""
        widths = (self._world.size**2, 1, 2 * NUM_ACTIONS, NUM_KINDS)
        tiles, start, displacements, codes = np.split(
            observation[:, -sum(widths) :], np.cumsum(widths)[:-1], axis=1
        )
        moves = displacements.astype(np.int8).reshape(-1, NUM_ACTIONS, 2) - DISPLACEMENT_OFFSET
        return Tasks(
            {
                "tiles": tiles.astype(np.uint8),
                "start": start[:, 0].astype(np.int16),
                "displacements": moves.astype(np.int8),
                "tile_codes": codes.astype(np.uint8),
            }
        )


class BanditOracle:
    """Pulls the arm that it is shown, the last code of the observation."""

    name = "oracle"

    def begin(self, trials: Trials) -> None:
        """Nothing to prepare."""

    def act(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The best arm of each row."""
        return np.asarray(observation[:, -1], np.int64)

    def observe(self, transition: Transition) -> None:
        """Nothing to learn."""


def find_oracle(
    env_id: str, env_arguments: Mapping[str, Any]
) -> tuple[AdaptiveAgent, dict[str, Any]] | None:
    """The family's oracle, and the arguments with which :func:`evaluate` shows it the task.

    None where the family has no oracle, or none for the reward that the arguments ask for.
    """
    spec = gym.spec(env_id.rpartition(":")[2])  # without the module, which has been imported
    arguments = {**spec.kwargs, **env_arguments}
    shown = {key: value for key, value in env_arguments.items() if key not in ABOUT_APPEARANCE}
    shown["task_visible"] = True
    if "metaenvs.krazy_world.env:" in str(spec.entry_point) and not arguments.get("dense_reward"):
        settings = {field.name for field in dataclasses.fields(WorldSettings)}
        changes = {key: value for key, value in arguments.items() if key in settings}
        world = preset_settings(arguments.get("preset", "paper"), changes)
        return KrazyWorldOracle(world), shown
    if "metaenvs.exploration_bandit:" in str(spec.entry_point):
        return BanditOracle(), shown
    return None
