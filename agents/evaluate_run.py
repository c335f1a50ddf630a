"""Evaluating a trained run: its table beside agents for reference, and pictures of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.evaluation import plots
from agents.evaluation.curves import adaptation_curve
from agents.evaluation.oracles import find_oracle
from agents.evaluation.protocol import AdaptiveAgent, evaluate, evaluation_tasks
from agents.evaluation.reference_agents import RandomAgent
from agents.evaluation.scores import AgentReturns, returns_of_agents
from agents.evaluation.table import write_table
from agents.metrics_file import METRICS
from agents.pictures import film_trial, plot_learning, save_film, save_strip
from agents.registry import find_agent
from agents.runs import load_parameters, read_config
from metaenvs import Tasks

__all__ = ["evaluate_run"]


def evaluate_run(
    folder: Path,
    *,
    split: str | None = None,
    num_tasks: int = 64,
    rollouts: int = 4,
    episodes: int | None = None,
    seed: int = 0,
    record: Sequence[str] = (),
) -> None:
    """Let a run's agent adapt to tasks it never met, and write and print how it did.

    Beside it go the random agent and, where the family has one, the oracle. The folder gets the
    evaluation table and pictures of it; a family that draws itself, a trial of the median task too.

    Args:
        folder: Of a finished run.
        split: None is "test", or the family's first where it has no such split.
        num_tasks: Tasks of the split.
        rollouts: Parallel tries of each task.
        episodes: Of a trial; None is as in training.
        seed: Decides tasks that are drawn, episodes and actions.
        record: Entries of the family's ``info`` that come into the table.

    Raises:
        ValueError: The folder holds no finished run; arguments out of range; a split or entries
            that the family does not have.
        OSError: The folder may not be written, or the disk is full.
    """
    agent_name, fields = read_config(folder)
    entry = find_agent(agent_name)
    module = entry.restore(fields)
    load_parameters(folder, module)
    env_id, env_arguments = fields["env_id"], fields["env_arguments"]
    single: Any = gym.make(env_id, **env_arguments).unwrapped
    if split is None:
        split = "test" if "test" in single.splits else single.splits[0]
    elif split not in single.splits:
        raise ValueError(f"--split must be one of {single.splits}, got {split!r}.")
    episodes = episodes or fields["episodes_per_trial"]
    tasks = evaluation_tasks(
        env_id, split=split, num_tasks=num_tasks, seed=seed, env_arguments=env_arguments
    )
    # The run of an agent for reference is its seed: beside every trained run it is the same one.
    reference = f"seed {seed}"
    contenders: list[tuple[Any, dict[str, Any], str]] = [
        (entry.adaptive(module, agent_name), env_arguments, str(folder)),
        (RandomAgent(), env_arguments, reference),
    ]
    if oracle := find_oracle(env_id, env_arguments):
        contenders.append((*oracle, reference))
    rows = [
        row
        for agent, arguments, run in contenders
        for row in evaluate(
            agent, env_id, tasks, split=split, rollouts=rollouts, episodes=episodes, seed=seed,
            env_arguments=arguments, run=run, record=record,
        )
    ]  # fmt: skip
    table = folder / f"evaluation-{split}.csv"
    write_table(table, rows)
    returns = returns_of_agents(rows)
    curves = {
        name: adaptation_curve(mine, np.random.default_rng(seed)) for name, mine in returns.items()
    }
    print(f"Mean return by episode on {num_tasks} tasks of split {split!r}:")
    for name, curve in curves.items():
        print(f"  {name:10s}" + " ".join(f"{value:7.3f}" for value in curve.y))

    pictures = [folder / "adaptation.png"]
    title = f"{agent_name} on {env_id.split('/')[-1]}, {num_tasks} tasks of split {split!r}"
    plots.save(plots.adaptation_figure(curves, title), pictures[0])
    if (folder / METRICS).exists():
        pictures.append(folder / "learning.png")
        plot_learning(folder / METRICS, pictures[-1], f"{agent_name} while training")
    if "rgb_array" in single.metadata["render_modes"]:
        task = _median_task(tasks, returns[agent_name])
        pictures += _picture_trial(
            folder, entry.adaptive(module, agent_name), env_id, task, episodes, seed, env_arguments
        )
    print("Table:", table)
    print("Pictures:", *pictures, sep="\n  ")


def _median_task(tasks: Tasks, returns: AgentReturns) -> dict[str, Any]:
    """The task whose last episode is the median one: neither the best nor the worst."""
    order = np.argsort(returns.scores()[0], kind="stable")
    typical = returns.task_ids[order[len(order) // 2]]
    return tasks[int(np.flatnonzero(tasks.ids == typical)[0])]


def _picture_trial(
    folder: Path,
    agent: AdaptiveAgent,
    env_id: str,
    task: dict[str, Any],
    episodes: int,
    seed: int,
    env_arguments: dict[str, Any],
) -> list[Path]:
    """A trial as a strip of episodes and as a film."""
    film, returns = film_trial(
        agent, env_id, task=task, episodes=episodes, seed=seed, env_arguments=env_arguments
    )
    strip, moving = folder / "trial.png", folder / "trial.gif"
    captions = [f"episode {k + 1}: return {returns[k]:g}" for k in range(episodes)]
    save_strip(film, strip, f"{agent.name} on a task it never met", captions)
    save_film(film, moving)
    return [strip, moving]
