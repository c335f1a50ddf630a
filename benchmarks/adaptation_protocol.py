"""Agents that need no training, under the whole adaptation protocol, and the seconds it takes.

``python benchmarks/adaptation_protocol.py [RUNS]``: 64 test worlds of Krazy World, 5 episodes,
RUNS (100) runs of the random agent and of ``retracer.py``, and the oracle; the table is written,
read back, and all statistics are made from it.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from retracer import Retracer

from agents.evaluation.curves import adaptation_curve
from agents.evaluation.oracles import find_oracle
from agents.evaluation.protocol import evaluate, evaluation_tasks
from agents.evaluation.reference_agents import RandomAgent
from agents.evaluation.scores import returns_of_agents
from agents.evaluation.statistics import (
    bootstrap_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from agents.evaluation.table import read_table, write_table

ENV_ID, EPISODES = "metaenvs/KrazyWorld-v0", 5


def table_of(agent, tasks, runs, env_arguments=None):
    """Rows of as many runs as there are seeds."""
    return [
        row
        for seed in range(runs)
        for row in evaluate(
            agent, ENV_ID, tasks, split="test", rollouts=1, episodes=EPISODES, seed=seed,
            env_arguments=env_arguments, run=f"seed {seed}",
        )
    ]  # fmt: skip


def statistics_of(rows):
    """Every statistic of the table, through the disk."""
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder) / "table.csv", rows)
        agents = returns_of_agents(read_table(Path(folder) / "table.csv"))
    rng = np.random.default_rng(0)
    lines = []
    for name, agent in agents.items():
        curve = adaptation_curve(agent, rng)
        middle = bootstrap_interval([agent.scores()], interquartile_mean, rng=rng)
        better = bootstrap_interval(
            [agent.scores(), agents["random"].scores()], probability_of_improvement, rng=rng
        )
        performance_profile(agent.scores(), np.linspace(0, 3, 50))
        cells = [(curve.y[k], curve.low[k], curve.high[k]) for k in range(EPISODES)]
        cells += [(part.estimate, part.low, part.high) for part in (middle, better)]
        lines.append((name, len(agent.runs), cells))
    return lines


def main():
    """Measure, and print the documentation's table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=int, nargs="?", default=100, help="of each agent (100)")
    runs = parser.parse_args().runs
    tasks = evaluation_tasks(ENV_ID, split="test", num_tasks=64, seed=0)
    table_of(RandomAgent(), tasks[:1], 1)  # compiles
    begun = time.perf_counter()
    rows = table_of(RandomAgent(), tasks, runs)
    statistics_of(rows)
    seconds = time.perf_counter() - begun
    oracle, shown = find_oracle(ENV_ID, {})
    rows += table_of(Retracer(), tasks, runs) + table_of(oracle, tasks, 1, shown)
    heads = [*(f"episode {k + 1}" for k in range(EPISODES)), "IQM, episode 5", "beats random"]
    print("| agent | runs | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 2) + "|")
    for name, count, cells in statistics_of(rows):
        told = " | ".join(f"{value:.3f} ({low:.3f}, {high:.3f})" for value, low, high in cells)
        print(f"| {name} | {count} | {told} |")
    print(f"\nRandom agent, {runs} runs, the whole protocol: {seconds:.1f} s")


if __name__ == "__main__":
    main()
