"""The adaptation protocol: what an agent must offer to be evaluated, and the loop that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from agents.evaluation.table import EvaluationRow
from metaenvs import Tasks

__all__ = ["AdaptiveAgent", "RandomAgent", "Transition", "evaluate", "evaluation_tasks"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Transition:
    """One step of all rows; arrays have the row on the first axis."""

    observation: Array
    """What the agent acted on."""
    action: Array
    reward: npt.NDArray[np.float64]
    next_observation: Array
    """What it observes next: at an episode's end, the start of the next episode."""
    episode_end: npt.NDArray[np.bool_]
    terminated: npt.NDArray[np.bool_]
    """Whether the episode ended by the environment's rules rather than by time."""
    active: npt.NDArray[np.bool_]
    """Whether the row's trial was still going on; other rows' entries mean nothing."""


class AdaptiveAgent(Protocol):
    """An agent that is given unknown tasks, acts, sees what happens, and may change itself."""

    name: str

    def begin(
        self,
        num_tasks: int,
        rollouts: int,
        episodes: int,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        seed: int,
        device: str,
    ) -> None:
        """Meet ``num_tasks`` unknown tasks for ``episodes`` episodes.

        There are ``num_tasks * rollouts`` parallel rows; those of one task are neighbours.
        """

    def act(self, observation: Array) -> Array:
        """Actions of all rows."""

    def observe(self, transition: Transition) -> None:
        """See what happened."""


class RandomAgent:
    """Acts uniformly at random: the lower reference."""

    name = "random"

    def begin(
        self,
        num_tasks: int,
        rollouts: int,
        episodes: int,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        seed: int,
        device: str,
    ) -> None:
        """Prepare as many samples as there are rows."""
        self._space = gym.vector.utils.batch_space(action_space, num_tasks * rollouts)
        self._space.seed(seed)

    def act(self, observation: Array) -> Array:
        """A sample of the action space for each row."""
        return np.asarray(self._space.sample())

    def observe(self, transition: Transition) -> None:
        """Learn nothing."""


def evaluation_tasks(
    env_id: str,
    *,
    split: str,
    num_tasks: int,
    seed: int,
    env_arguments: Mapping[str, Any] | None = None,
) -> Tasks:
    """Tasks of a split: its first ``num_tasks`` where it is a finite list, else drawn by ``seed``.

    Raises:
        ValueError: More tasks than the split has.
    """
    env: Any = gym.make(env_id, split=split, **(env_arguments or {})).unwrapped
    env.reset(seed=seed)
    try:
        pool: Tasks = env.pool
    except ValueError:
        drawn: Tasks = env.sample_tasks(num_tasks)
        return drawn
    if len(pool) < num_tasks:
        raise ValueError(f"Split {split!r} has {len(pool)} tasks, {num_tasks} were asked for.")
    return pool[:num_tasks]


def evaluate(
    agent: AdaptiveAgent,
    env_id: str,
    tasks: Tasks,
    *,
    split: str,
    rollouts: int,
    episodes: int,
    seed: int,
    env_arguments: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> list[EvaluationRow]:
    """Let an agent adapt to tasks and write down each episode.

    Args:
        agent: Anything with the three methods of :class:`AdaptiveAgent`.
        env_id: A family.
        tasks: Tasks of the family, such as :func:`evaluation_tasks` gives.
        split: The split that they are of, for the table.
        rollouts: Parallel rows of each task.
        episodes: Episodes of each row.
        seed: Decides episodes and actions.
        env_arguments: The family's own arguments.
        device: Where the agent computes.

    Returns:
        One row per episode, ordered by task, rollout and episode.

    Raises:
        ValueError: Tasks that are not the family's.
    """
    num_tasks = len(tasks)
    rows = num_tasks * rollouts
    env = gym.make_vec(
        env_id,
        num_envs=rows,
        episodes_per_trial=episodes,
        autoreset_mode=AutoresetMode.SAME_STEP,
        **(env_arguments or {}),
    )
    env_seed, agent_seed = np.random.SeedSequence(seed).spawn(2)
    row_seeds = env_seed.generate_state(rows, np.uint64).tolist()
    repeated = tasks[np.repeat(np.arange(num_tasks), rollouts)]
    observation, info = env.reset(seed=row_seeds, options={"task": repeated})
    task_ids = info["task_id"].copy()
    agent.begin(
        num_tasks, rollouts, episodes, env.single_observation_space, env.single_action_space,
        int(agent_seed.generate_state(1)[0]), device,
    )  # fmt: skip
    active = np.ones(rows, np.bool_)
    returns = np.zeros((rows, episodes))
    lengths = np.zeros((rows, episodes), np.int64)
    success = np.full((rows, episodes), np.nan)
    while active.any():
        actions = agent.act(observation)
        next_observation, reward, terminated, truncated, info = env.step(actions)
        over = terminated | truncated
        final: Mapping[str, Any] = info.get("final_info", info)
        episode = np.where(over, final["episode_index"], info["episode_index"])
        ended = np.where(over, True, info["episode_end"])
        by_rules = np.where(over, final["episode_terminated"], info["episode_terminated"])
        going = np.flatnonzero(active)
        returns[going, episode[going]] += reward[going]
        lengths[going, episode[going]] += 1
        if "success" in info:
            outcome = np.where(over, final["success"], info["success"])
            done = np.flatnonzero(active & ended)
            success[done, episode[done]] = outcome[done]
        agent.observe(
            Transition(
                observation, actions, reward, next_observation, ended, by_rules, active.copy()
            )
        )
        active &= ~over
        observation = next_observation
    env.close()
    before = np.cumsum(lengths, axis=1) - lengths
    return [
        EvaluationRow(
            agent=agent.name,
            family=env_id,
            split=split,
            task_id=int(task_ids[row]),
            rollout=row % rollouts,
            episode=episode,
            episode_return=float(returns[row, episode]),
            length=int(lengths[row, episode]),
            env_steps_before=int(before[row, episode]),
            success=float(success[row, episode]),
        )
        for row in range(rows)
        for episode in range(episodes)
    ]
