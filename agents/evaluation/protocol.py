"""The adaptation protocol: what an agent must offer to be evaluated, and the loop that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from agents.evaluation.row_seeds import (
    AGENT_STREAM,
    ENVIRONMENT_STREAM,
    check_seed,
    number_rollouts,
    row_seeds,
)
from agents.evaluation.table import EvaluationRow
from metaenvs import Tasks
from metaenvs.task_space import as_tasks

__all__ = ["AdaptiveAgent", "Transition", "Trials", "evaluate", "evaluation_tasks"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Trials:
    """Trials that are about to begin, of tasks unknown: one in each of the parallel rows."""

    num_tasks: int
    rollouts: int
    """Rows of each task; those of one task are neighbours."""
    episodes: int
    """Of each trial."""
    observation_space: gym.Space[Any]
    """Of one row, as the next."""
    action_space: gym.Space[Any]
    seeds: npt.NDArray[np.uint64]
    """One for each row (num_rows,) to draw from, which stays the same whatever rows there are
    beside it; ``numpy.random.default_rng(seeds)`` takes them all at once."""

    @property
    def num_rows(self) -> int:
        """``num_tasks * rollouts``."""
        return self.num_tasks * self.rollouts


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

    def begin(self, trials: Trials) -> None:
        """Forget the tasks of before; ``act`` and ``observe`` will be about these trials."""

    def act(self, observation: Array) -> Array:
        """Actions of all rows."""

    def observe(self, transition: Transition) -> None:
        """See what happened."""


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
        ValueError: More tasks than the split has; a seed below 0 or beyond 64 bits.
    """
    check_seed(seed)
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
    run: str = "",
    record: Sequence[str] = (),
) -> list[EvaluationRow]:
    """Let an agent adapt to tasks and write down each episode.

    A row's episodes are functions of ``seed``, of its task and of its rollout. Rows are laid out
    by task id, so that the order of ``tasks`` changes nothing at all; other tasks or more rollouts
    beside it change nothing in a row either, if the agent treats rows independently.

    Args:
        agent: Anything with the three methods of :class:`AdaptiveAgent`.
        env_id: A family.
        tasks: Tasks of the family, such as :func:`evaluation_tasks` gives. One that is listed
            again has further rollouts.
        split: The split that they are of, for the table.
        rollouts: Parallel rows of each task.
        episodes: Episodes of each row.
        seed: Decides episodes and actions.
        env_arguments: The family's own arguments.
        run: What the table calls this run of the agent: one training seed, usually.
        record: Entries of the family's ``info``, one number per row each, whose values at the
            end of every episode come into the table.

    Returns:
        One row per episode, ordered by task id, rollout and episode.

    Raises:
        ValueError: No task, tasks that are not the family's, fewer than one rollout or episode,
            an entry to record that ``info`` lacks.
    """
    for name, number in (("tasks", len(tasks)), ("rollouts", rollouts), ("episodes", episodes)):
        if number < 1:
            raise ValueError(f"Evaluation needs at least one of {name}, got {number}.")
    num_tasks = len(tasks)
    rows = num_tasks * rollouts
    env = gym.make_vec(
        env_id,
        num_envs=rows,
        episodes_per_trial=episodes,
        autoreset_mode=AutoresetMode.SAME_STEP,
        **(env_arguments or {}),
    )
    family: Any = env.unwrapped
    tasks = as_tasks(tasks, family.task_space)
    tasks = tasks[np.argsort(tasks.ids, kind="stable")]
    repeated = tasks[np.repeat(np.arange(num_tasks), rollouts)]
    task_ids, numbers = repeated.ids, number_rollouts(tasks.ids, rollouts).ravel()
    environment_seeds = row_seeds(seed, ENVIRONMENT_STREAM, task_ids, numbers)
    observation, info = env.reset(seed=environment_seeds.tolist(), options={"task": repeated})
    numbers_in_info = [
        name for name, value in info.items() if np.shape(value) == (rows,) and name[0] != "_"
    ]
    if unknown := sorted(set(record) - set(numbers_in_info)):
        raise ValueError(f"{env_id} can record {numbers_in_info}, not {unknown}.")
    agent_seeds = row_seeds(seed, AGENT_STREAM, task_ids, numbers)
    spaces = env.single_observation_space, env.single_action_space
    agent.begin(Trials(num_tasks, rollouts, episodes, *spaces, agent_seeds))
    active = np.ones(rows, np.bool_)
    returns = np.zeros((rows, episodes))
    lengths = np.zeros((rows, episodes), np.int64)
    outcomes = {
        name: np.full((rows, episodes), np.nan)
        for name in dict.fromkeys([*record, *(["success"] if "success" in info else [])])
    }
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
        done = np.flatnonzero(active & ended)
        for name, values in outcomes.items():
            values[done, episode[done]] = np.where(over, final[name], info[name])[done]
        agent.observe(
            Transition(
                observation, actions, reward, next_observation, ended, by_rules, active.copy()
            )
        )
        active &= ~over
        observation = next_observation
    env.close()
    before = np.cumsum(lengths, axis=1) - lengths
    success = outcomes.get("success", np.full((rows, episodes), np.nan))
    return [
        EvaluationRow(
            agent=agent.name,
            family=env_id,
            split=split,
            task_id=int(task_ids[row]),
            rollout=int(numbers[row]),
            episode=episode,
            episode_return=float(returns[row, episode]),
            length=int(lengths[row, episode]),
            env_steps_before=int(before[row, episode]),
            success=float(success[row, episode]),
            run=run,
            info={name: float(outcomes[name][row, episode]) for name in record},
        )
        for row in range(rows)
        for episode in range(episodes)
    ]
