"""Reference scores of every locomotion id and split: acting at random, and standing still.

``python benchmarks/locomotion_reference_scores.py [--episodes N] [NAME ...]`` measures all ids, or
those named (without namespace and version), and writes ``results/locomotion-reference-scores.csv``,
from which the manual's pages are made; lines of other ids stay as they are. N (32) episodes at
least: as many of each of a split's tasks, or one of each of its first N where it has more.
"""

import argparse
import contextlib
import csv
import io
from importlib.metadata import version
from pathlib import Path

import gymnasium as gym
import numpy as np

from agents.evaluation.protocol import evaluate, evaluation_tasks
from agents.evaluation.reference_agents import RandomAgent, StillAgent
from agents.whole_file import write_whole
from metaenvs.registration import LOCOMOTION_SETTINGS

FILE = Path(__file__).parent / "results" / "locomotion-reference-scores.csv"
NUM_EPISODES, SEED = 32, 0
COLUMNS = (
    "id", "split", "agent", "episodes", "mean_return", "deviation", "mean_length", "mujoco",
)  # fmt: skip


def episodes_of(agent, env_id, split, num_episodes=NUM_EPISODES, seed=SEED):
    """Returns and lengths of an agent's episodes, (n,) each with n at least ``num_episodes``."""
    tasks = tasks_of(env_id, split, num_episodes, seed)
    rows = evaluate(
        agent, env_id, tasks, split=split, rollouts=-(-num_episodes // len(tasks)), episodes=1,
        seed=seed,
    )  # fmt: skip
    return np.array([row.episode_return for row in rows]), np.array([row.length for row in rows])


def tasks_of(env_id, split, most, seed):
    """All tasks of a split, or the first ``most``."""
    with contextlib.suppress(ValueError):  # A stream has no pool.
        most = min(most, len(gym.make(env_id, split=split).unwrapped.pool))
    return evaluation_tasks(env_id, split=split, num_tasks=most, seed=seed)


def measured(setting, num_episodes):
    """Lines of one id."""
    env_id = f"metaenvs/{setting}-v0"
    for split in gym.make(env_id).unwrapped.splits:
        for agent in (RandomAgent(), StillAgent()):
            returns, lengths = episodes_of(agent, env_id, split, num_episodes)
            yield {
                "id": env_id,
                "split": split,
                "agent": agent.name,
                "episodes": len(returns),
                "mean_return": f"{returns.mean():.2f}",
                "deviation": f"{returns.std(ddof=1):.2f}",
                "mean_length": f"{lengths.mean():.1f}",
                "mujoco": version("mujoco"),
            }


def write(new):
    """Put lines of one id in the place of those that the file has of it."""
    lines = []
    if FILE.exists():
        with FILE.open(newline="") as file:
            lines = [line for line in csv.DictReader(file) if line["id"] != new[0]["id"]]
    order = {f"metaenvs/{setting}-v0": place for place, setting in enumerate(LOCOMOTION_SETTINGS)}
    lines = [line for line in [*lines, *new] if line["id"] in order]
    lines.sort(key=lambda line: order[line["id"]])
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_whole(FILE, text.getvalue())


def main():
    """Measure the ids that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of ids; all if none is named")
    parser.add_argument("--episodes", type=int, default=NUM_EPISODES, help="at least so many")
    arguments = parser.parse_args()
    for setting in arguments.names or LOCOMOTION_SETTINGS:
        lines = list(measured(setting, arguments.episodes))
        write(lines)
        print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
