"""LOLA-DiCE on the iterated prisoner's dilemma: exact and sampled learning, and its errors.

``python benchmarks/lola_ipd.py [--processes 2] [--quick] [--out FOLDER]`` writes, into
``results/lola-ipd``, the scores of two players after every update (``exact.csv``, and
``sampled.csv`` of ten seeds for each setting), where the error of the sampled gradient comes from
(``errors.csv``, ``lola_bias.py``), a summary and figures. A score is (1 - discount) times the exact
return of the strategies that have been learned, mean of both players: -1 for mutual cooperation,
-2 for mutual defection.
"""

import argparse
import csv
import dataclasses
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from lola_bias import GAMES, POINTS, Row, decomposition, off_policy
from matplotlib.figure import Figure

from agents.bench.machine import machine_facts
from agents.evaluation.plots import COLOURS, save
from agents.evaluation.statistics import bootstrap_interval, mean
from agents.lola import LOLAConfig, exact_scores, start, train, train_exactly

UPDATES, SEEDS, LAST = 200, 10, 10
LEGEND = {"frameon": False, "fontsize": 8}
LOOKAHEAD = (0, 1, 2, 3)
REFERENCE = {1: (-1.065, -1.010, -1.005), 2: (-1.161, -1.017, -1.005), 3: (-1.307, -1.026, -1.007)}
"""Exact scores after 50, 100 and 200 updates, by another program."""
SETTINGS = {
    "K = 0 (naive)": {"lookahead_steps": 0},
    "K = 1": {},
    "K = 2": {"lookahead_steps": 2},
    "K = 3": {"lookahead_steps": 3},
    "K = 1, constant rate": {"decay_learning_rate": False},
    "K = 1, MagicBox baseline": {"critic": "magic-box"},
    "K = 1, as released": {"decay_learning_rate": False, "critic": "magic-box"},
    "K = 1, no critic": {"critic": "none"},
    "K = 1, LVC": {"inner_estimator": "lvc"},
    "K = 1, replayed": {"replayed_batches": 7},
    "K = 1, replayed, TayPO-2": {"replayed_batches": 7, "inner_estimator": "taypo"},
}


def learn_exactly(lookahead_steps):
    """Scores (updates,)."""
    torch.set_num_threads(1)
    return train_exactly(LOLAConfig(lookahead_steps=lookahead_steps), UPDATES).mean(1).numpy()


def learn(name, updates, seeds):
    """Scores (updates, seeds), and the strategies at the end, (seeds, 2, 5) probabilities."""
    torch.set_num_threads(1)
    config = LOLAConfig(**SETTINGS[name])
    games = 2 * (config.lookahead_steps * config.inner_games + config.outer_games)
    state = start(config, range(seeds))
    steps = updates * games * state.module.episode_steps
    scores = []
    players = train(
        dataclasses.replace(config, total_env_steps=steps),
        state=state,
        keep=lambda state: scores.append(exact_scores(state.module).mean(1)),
    )
    return torch.stack(scores).numpy(), players.logits.detach().sigmoid().numpy()


def errors(study, update):
    """Rows of one study of errors."""
    torch.set_num_threads(1)
    return study(update)


def told(scores, rng):
    """Mean over seeds with its interval."""
    part = bootstrap_interval([scores[:, None]], mean, rng=rng)
    return f"{part.estimate:.3f} ({part.low:.3f}, {part.high:.3f})"


def summary(exact, sampled, rows, seconds):
    """What the study shows, as Markdown."""
    rng = np.random.default_rng(0)
    lines = ["Exact gradients, score after so many updates:", ""]
    lines += ["| | 50 | 100 | 200 | reference |", "|---|---|---|---|---|"]
    for steps, scores in exact.items():
        cells = " | ".join(f"{scores[after - 1]:.4f}" for after in (50, 100, 200))
        reference = " / ".join(f"{score:.3f}" for score in REFERENCE.get(steps, ())) or "-"
        lines.append(f"| K = {steps} | {cells} | {reference} |")
    updates, seeds = next(iter(sampled.values()))[0].shape
    lines += ["", f"Sampled games, {updates} updates, {seeds} seeds, mean of the last {LAST}:", ""]
    lines += ["| | score | worst seed | best seed | seeds above -1.4 | seeds below -1.9 |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, (scores, _) in sampled.items():
        final = scores[-LAST:].mean(0)
        above, below = (final > -1.4).sum(), (final < -1.9).sum()
        lines.append(
            f"| {name} | {told(final, rng)} | {final.min():.3f} | {final.max():.3f} "
            f"| {above} | {below} |"
        )
    lines += ["", "Probability of cooperation at the end, mean over players and seeds:", ""]
    lines += ["| | start | CC | CD | DC | DD |", "|---|---|---|---|---|---|"]
    for name, (_, strategies) in sampled.items():
        cells = " | ".join(f"{value:.2f}" for value in strategies.mean((0, 1)))
        lines.append(f"| {name} | {cells} |")
    lines += ["", "Errors of the gradient, K = 1, in units of its norm:", ""]
    heads = [field.name.replace("_", " ") for field in dataclasses.fields(Row)]
    lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [
            f"{part:.4f}" if isinstance(part, float) else str(part)
            for part in dataclasses.astuple(row)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    facts = machine_facts("python benchmarks/lola_ipd.py") | {"seconds": f"{seconds:.0f}"}
    lines += ["", "| machine | |", "|---|---|"]
    kept = ("command", "date", "processor", "cores", "load at start", "python", "torch", "seconds")
    lines += [f"| {name} | {facts[name]} |" for name in kept]
    return "\n".join(lines) + "\n"


def write_csv(path, heads, lines):
    """A table, lines of numbers and names."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        for line in lines:
            writer.writerow([f"{cell:.5g}" if isinstance(cell, float) else cell for cell in line])


def styled(figure, columns, titles, across, up):
    """Axes beside one another."""
    parts = figure.subplots(1, columns, sharey=True)
    for axes, title in zip(parts, titles, strict=True):
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(across)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
    parts[0].set_ylabel(up)
    return parts


def curves_figure(exact, sampled):
    """Scores against updates."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    titles = ("exact gradients", "sampled games; thin: each seed", "sampled games, K = 1")
    parts = styled(figure, 3, titles, "update", "score")
    for steps, scores in exact.items():
        updates = np.arange(1, len(scores) + 1)
        parts[0].plot(updates, scores, color=COLOURS[steps], label=f"K = {steps}")
    for place, (name, (scores, _)) in enumerate(sampled.items()):
        axes = parts[1] if place < len(LOOKAHEAD) else parts[2]
        colour = COLOURS[place if place < len(LOOKAHEAD) else place - len(LOOKAHEAD)]
        updates = np.arange(1, len(scores) + 1)
        label = name.removeprefix("K = 1, ")
        if place < len(LOOKAHEAD):
            axes.plot(updates, scores, color=colour, linewidth=0.5, alpha=0.35)
        axes.plot(updates, scores.mean(1), color=colour, label=label, linewidth=1.8)
    scores = sampled["K = 1"][0].mean(1)
    parts[2].plot(np.arange(1, len(scores) + 1), scores, "--", color="k", label="default")
    for axes in parts:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, **LEGEND)
    return figure


def errors_figure(rows):
    """Bias and deviation of both slots against the number of games."""
    figure = Figure(figsize=(8.5, 3.8), layout="constrained")
    titles = [f"after {update} exact updates" for update in POINTS]
    up = "error over the gradient's norm"
    parts = styled(figure, len(POINTS), titles, "games of the look-ahead step", up)
    kinds = {
        "value sampled, derivative exact": lambda row: row.derivative == "exact",
        "value exact, derivative DiCE": lambda row: (
            row.value == "exact" and "LVC" not in row.derivative
        ),
        "value exact, derivative LVC": lambda row: "LVC" in row.derivative,
    }
    for axes, update in zip(parts, POINTS, strict=True):
        for colour, (label, fits) in zip(COLOURS, kinds.items(), strict=False):
            mine = [row for row in rows if row.update == update and fits(row)]
            games = [row.games for row in mine]
            deviations = [row.deviation for row in mine]
            axes.plot(games, deviations, color=colour, label=label if axes is parts[0] else None)
            seen = [row for row in mine if row.bias > 2 * row.noise]
            hidden = [row for row in mine if row not in seen]
            axes.plot([row.games for row in seen], [row.bias for row in seen], "o", color=colour)
            axes.plot(
                [row.games for row in hidden], [2 * row.noise for row in hidden], "v",
                color=colour, markerfacecolor="none",
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xticks=GAMES, xticklabels=GAMES)
        axes.minorticks_off()
    parts[0].plot([], [], "-", color="k", label="standard deviation")
    parts[0].plot([], [], "o", color="k", label="bias")
    parts[0].plot(
        [], [], "v", color="k", markerfacecolor="none", label="bias hidden by noise: below"
    )
    figure.legend(loc="outside lower center", ncols=2, **LEGEND)
    return figure


def main():
    """Learn, measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="10 updates of 2 seeds, no errors")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "lola-ipd")
    given = parser.parse_args()
    updates, seeds = (10, 2) if given.quick else (UPDATES, SEEDS)
    begun = time.perf_counter()
    with ProcessPoolExecutor(given.processes, multiprocessing.get_context("spawn")) as pool:
        # What takes longest comes first, so that no process waits for another at the end.
        dearest_first = list(SETTINGS)[::-1]
        learning = {name: pool.submit(learn, name, updates, seeds) for name in dearest_first}
        studies = [
            pool.submit(errors, study, update)
            for update in (() if given.quick else POINTS)
            for study in (decomposition, off_policy)
        ]
        exactly = {steps: pool.submit(learn_exactly, steps) for steps in LOOKAHEAD}
        exact = {steps: future.result() for steps, future in exactly.items()}
        sampled = {name: learning[name].result() for name in SETTINGS}
        rows = [row for study in studies for row in study.result()]
    seconds = time.perf_counter() - begun
    given.out.mkdir(parents=True, exist_ok=True)
    write_csv(
        given.out / "exact.csv",
        ["update", *(f"K={steps}" for steps in LOOKAHEAD)],
        [(k + 1, *line) for k, line in enumerate(np.stack(list(exact.values()), 1).tolist())],
    )
    write_csv(
        given.out / "sampled.csv",
        ["setting", "update", *(f"seed {seed}" for seed in range(seeds))],
        [
            (name, k + 1, *line)
            for name, (scores, _) in sampled.items()
            for k, line in enumerate(scores.tolist())
        ],
    )
    write_csv(
        given.out / "errors.csv",
        [field.name for field in dataclasses.fields(Row)],
        [dataclasses.astuple(row) for row in rows],
    )
    (given.out / "summary.md").write_text(summary(exact, sampled, rows, seconds))
    save(curves_figure(exact, sampled), given.out / "curves.png")
    if rows:
        save(errors_figure(rows), given.out / "errors.png")
    print((given.out / "summary.md").read_text())


if __name__ == "__main__":
    main()
