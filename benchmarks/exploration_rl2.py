"""E-RL² against RL² on a small Krazy World: ten paired seeds, equal env steps.

``python benchmarks/exploration_rl2.py RUNS [--processes N]`` trains both agents, lets them adapt to
the 64 test worlds beside the random agent and the planner that knows the world, and writes scores,
a summary and figures into ``results/exploration-rl2``. RUNS is the folder of the training runs;
called again, it goes on with what was cut off. ``--quick`` makes everything tiny and writes into
RUNS itself.
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents import cli
from agents.evaluation import plots
from agents.evaluation.curves import adaptation_curve, learning_curve, read_metric
from agents.evaluation.scores import returns_of_agents
from agents.evaluation.statistics import bootstrap_interval, mean
from agents.evaluation.table import read_table
from agents.many_runs import runs_of
from agents.metrics_file import METRICS as METRICS_FILE

ENV_ID = "metaenvs/KrazyWorldEasy-v0"
ENV_ARGUMENTS = {"dynamics": "simple", "energy_start": 10}
EXPLORE_EPISODES = 3
METRICS = {
    "tile_types_visited": "share of tile types visited so far",
    "trial_deaths": "deaths on deadly tiles so far",
    "trial_goals": "goals reached so far",
}


class Size(NamedTuple):
    """How large the study is."""

    seeds: int = 10
    num_tasks: int = 64
    settings: tuple[str, ...] = (
        "--num-envs", "256", "--total-env-steps", "5000000", "--learning-rate", "3e-3",
    )  # fmt: skip


QUICK = Size(2, 4, ("--num-envs", "8", "--total-env-steps", "2000"))


def run(*words):
    """A command of ``metaenvs``, which has said what is wrong where it fails."""
    if status := cli.main([str(word) for word in words]):
        sys.exit(status)


def train(folder, agent, size, processes):
    """The runs of one agent, from where they are."""
    if (folder / "manifest.json").exists():
        run("train", "--resume", folder)
    else:
        run(
            "train", agent, ENV_ID, "--out", folder, "--env-arguments", json.dumps(ENV_ARGUMENTS),
            "--seeds", size.seeds, "--processes", processes, *size.settings,
        )  # fmt: skip
    run("evaluate", folder, "--num-tasks", size.num_tasks, "--record", *METRICS)
    return runs_of(folder)


def rows_of(runs):
    """The rows of all tables, trained agents first, and those for reference once."""
    rows = {}
    for one in runs:
        for row in read_table(one / "evaluation-test.csv"):
            rows[row.agent, row.run, row.task_id, row.rollout, row.episode] = row
    names = ["rl2", "e-rl2"]
    return sorted(rows.values(), key=lambda row: row.agent not in names)


def write_scores(path, agents_by_quantity):
    """Means over worlds of every quantity: one line for each agent, run and episode."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["agent", "run", "episode", *agents_by_quantity])
        for name, agent in agents_by_quantity["episode_return"].items():
            for number, one in enumerate(agent.runs):
                for episode in range(agent.returns.shape[2]):
                    means = [
                        by_agent[name].returns[number, :, episode].mean()
                        for by_agent in agents_by_quantity.values()
                    ]
                    cells = [f"{value:.5f}" for value in means]
                    writer.writerow([name, Path(one).name, episode + 1, *cells])


def told(interval):
    """An estimate with its interval."""
    return f"{interval.estimate:.3f} ({interval.low:.3f}, {interval.high:.3f})"


def end_of_training(runs, episode):
    """Mean return of an episode in the last tenth of each training (runs,)."""
    means = []
    for one in runs:
        steps, values = read_metric(one / METRICS_FILE, f"train/return_episode_{episode}")
        means.append(values[steps > 0.9 * steps[-1]].mean())
    return np.array(means)


def summary(agents_by_quantity, runs, size, rng):
    """What the study shows, as Markdown."""
    returns = agents_by_quantity["episode_return"]
    episodes = next(iter(returns.values())).returns.shape[2]
    lines = [
        f"`{ENV_ID}` with `{json.dumps(ENV_ARGUMENTS)}`, {size.seeds} paired seeds, settings of "
        f"both agents: `{' '.join(size.settings)}`; E-RL² explores for {EXPLORE_EPISODES} "
        f"of {episodes} episodes. Means over the test worlds, with 95 % intervals over runs and "
        "worlds.",
        "",
        "| agent | " + " | ".join(f"episode {k + 1}" for k in range(episodes)) + " | exploit |",
        "|---" * (episodes + 2) + "|",
    ]
    for name, agent in returns.items():
        curve = adaptation_curve(agent, rng)
        cells = [f"{value:.3f}" for value in curve.y]
        exploit = bootstrap_interval([agent.scores(EXPLORE_EPISODES + 1)], mean, rng=rng)
        lines.append(f"| {name} | {' | '.join(cells)} | {told(exploit)} |")
    lines += ["", "| agent | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for name in returns:
        intervals = [
            bootstrap_interval([agents_by_quantity[metric][name].scores()], mean, rng=rng)
            for metric in METRICS
        ]
        lines.append(f"| {name} | {' | '.join(map(told, intervals))} |")
    quantities = {
        "return of the exploit episodes": ("episode_return", EXPLORE_EPISODES + 1),
        "return of the whole trial, per episode": ("episode_return", 1),
        **{metric: (metric, None) for metric in METRICS},
    }
    lines += ["", "E-RL² less RL², seed by seed:", "", "| | difference | seeds above 0 |"]
    lines += ["|---|---|---|"]
    for title, (quantity, first) in quantities.items():
        agents = agents_by_quantity[quantity]
        differences = agents["e-rl2"].scores(first) - agents["rl2"].scores(first)
        above = int((differences.mean(1) > 0).sum())
        interval = bootstrap_interval([differences], mean, rng=rng)
        lines.append(f"| {title} | {told(interval)} | {above} of {len(differences)} |")
    ends = [end_of_training(runs[name], episodes) for name in ("e-rl2", "rl2")]
    differences = (ends[0] - ends[1])[:, None]
    interval = bootstrap_interval([differences], mean, rng=rng)
    title = "training worlds, last tenth of training: return of the last episode"
    above = int((differences > 0).sum())
    lines.append(f"| {title} | {told(interval)} | {above} of {len(differences)} |")
    return "\n".join(lines) + "\n"


def main():
    """Train, evaluate, and write the results."""
    parser = argparse.ArgumentParser(description="E-RL² against RL² on a small Krazy World.")
    parser.add_argument("runs", type=Path, help="folder of the training runs")
    parser.add_argument("--processes", type=int, default=1, help="runs trained at the same time")
    parser.add_argument("--quick", action="store_true", help="tiny, with the results in RUNS")
    given = parser.parse_args()
    size = QUICK if given.quick else Size()
    out = given.runs if given.quick else Path(__file__).parent / "results" / "exploration-rl2"
    out.mkdir(parents=True, exist_ok=True)
    runs = {
        name: train(given.runs / name, name, size, given.processes) for name in ("rl2", "e-rl2")
    }
    rows = rows_of([one for mine in runs.values() for one in mine])
    quantities = ["episode_return", *METRICS]
    agents_by_quantity = {name: returns_of_agents(rows, name) for name in quantities}
    rng = np.random.default_rng(0)
    write_scores(out / "scores.csv", agents_by_quantity)
    (out / "summary.md").write_text(summary(agents_by_quantity, runs, size, rng))
    title = "Krazy World, worlds never met"
    labels = {"episode_return": "return of the episode", **METRICS}
    for quantity, agents in agents_by_quantity.items():
        curves = {name: adaptation_curve(agent, rng) for name, agent in agents.items()}
        figure = plots.adaptation_figure(curves, title)
        figure.axes[0].set_ylabel(labels[quantity])
        plots.save(figure, out / f"{quantity}.png")
    last = f"train/return_episode_{agents_by_quantity['episode_return']['rl2'].returns.shape[2]}"
    curves = {
        name: learning_curve([read_metric(one / METRICS_FILE, last) for one in mine], rng)
        for name, mine in runs.items()
    }
    plots.save(plots.learning_figure(curves, "Krazy World, training worlds"), out / "learning.png")
    print((out / "summary.md").read_text())


if __name__ == "__main__":
    main()
