"""Does credit for exploration help? E-MAML and inner estimators of all orders beside MAML.

``python benchmarks/exploration_maml.py RUNS [--only STUDY ...] [--most N]``: trains, one after
another, what the folder RUNS lacks (each run is one file there, written when it has ended, and
named by all that decides it), at most N runs, and writes data, tables and figures of the studies
that lack none to ``benchmarks/results/exploration-maml``. A run takes a minute of one core, on the
grid a third of one.

Arms of a study differ in what their names say only, and have the same seeds: the same
initialisation, tasks and number of environment steps. Every iteration's tasks are fresh.
"""

import argparse
import csv
import hashlib
import io
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch

from agents import maml
from agents.allocator import keep_freed_memory
from agents.evaluation.curves import learning_curve
from agents.evaluation.plots import learning_figure, save
from agents.evaluation.statistics import bootstrap_interval, mean, probability_of_improvement
from agents.whole_file import write_whole

RESULTS = Path(__file__).parent / "results" / "exploration-maml"
SEEDS = 10
LAST_SHARE = 0.25
"""Of the environment steps: what the tables are means over."""
BINS = 20

SCORE = {}
E_MAML = {
    f"E-MAML ({scale})": {"correction_weight": 1.0, "correction_scale": scale}
    for scale in ("sum", "mean")
}
ORDERS = {
    "order 1": {"inner_estimator": "lvc"},
    "order 2": {"inner_estimator": "taypo", "taypo_order": 2},
    "order infinity": {"inner_estimator": "dr"},
}
# One policy-gradient step of Adam is the outer step of all.
COMMON = {"outer": "ppo", "epochs": 1, "learning_rate": 1e-3}
POINT = {
    "env_id": "metaenvs/PointCorners-v0", "num_tasks": 12, "rollouts_per_task": 10,
    "inner_steps": 3, "hidden_sizes": (32, 32), "total_env_steps": 600 * 48_000,
}  # fmt: skip
STUDIES = {
    "point-corners": (
        {**POINT, "inner_rate": 0.1},
        {"MAML (score)": SCORE, **E_MAML, **ORDERS},
    ),
    # Nothing is paid but in the goal's corner: there is no other way to a return.
    "grid-corners": (
        {
            "env_id": "metaenvs/GridCorners-v0", "num_tasks": 20, "rollouts_per_task": 20,
            "inner_steps": 1, "inner_rate": 1.0, "hidden_sizes": (64, 64),
            "total_env_steps": 8_000_000,
        },
        {"MAML (score)": SCORE, **E_MAML, **ORDERS},
    ),
    "krazy-world": (
        {
            "env_id": "metaenvs/KrazyWorldEasy-v0", "env_arguments": {"dynamics": "simple"},
            "num_tasks": 20, "rollouts_per_task": 20, "inner_steps": 1, "inner_rate": 1.0,
            "hidden_sizes": (64, 64), "total_env_steps": 6_000_000,
        },
        {"MAML (score)": SCORE, **E_MAML},
    ),
}  # fmt: skip
COLUMNS = {
    "return_before": "return before adaptation",
    "return_after": "return after adaptation",
    "seen_before": "kinds seen before adaptation, by all episodes",
    "seen_in_episode": "kinds seen before adaptation, by one episode",
    "at_goal": "adapted episodes that end in the goal's corner",
}


class Watch(gym.vector.VectorWrapper):
    """Notes what the first episode of each row after a reset has seen.

    That is: in how many kinds of place a step of it ended, corners or tiles.
    """

    def __init__(self, env, num_tasks):
        super().__init__(env)
        corners = "Corners" in env.spec.id
        self.field, self.kinds = ("corner", 4) if corners else ("tile_type_entered", 10)
        self.num_tasks = num_tasks
        self.phases = []

    def reset(self, **arguments):
        """Begin to watch."""
        self.seen = np.zeros((self.num_envs, self.kinds), np.bool_)
        self.going = np.ones(self.num_envs, np.bool_)
        self.last = np.full(self.num_envs, -1)
        return self.env.reset(**arguments)

    def step(self, actions):
        """Watch a step."""
        answer = self.env.step(actions)
        info, over = answer[4], answer[2] | answer[3]
        place = info[self.field]
        if over.any():
            place = np.where(over, info["final_info"][self.field], place)
        rows = np.flatnonzero(self.going & (place >= 0))
        self.seen[rows, place[rows]] = True
        self.last = np.where(self.going, place, self.last)
        if self.going.any() and not (self.going & ~over).any():
            self.phases.append(self._told())
        self.going &= ~over
        return answer

    def _told(self):
        told = {
            "seen": self.seen.reshape(self.num_tasks, -1, self.kinds).any(1).sum(1).mean(),
            "seen_in_episode": self.seen.sum(1).mean(),
        }
        if self.field == "corner":
            told["at_goal"] = (self.last == self.unwrapped.get_task()["corner"]).mean()
        return told


def config_of(study, arm, seed):
    """What decides a run."""
    shared, arms = STUDIES[study]
    return maml.MAMLConfig(**{**COMMON, **shared, **arms[arm]}, seed=seed)


def train(study, arm, seed):
    """Lines of one run: a dictionary for each iteration."""
    config = config_of(study, arm, seed)
    state = maml.start(config)
    watch = state.env = Watch(state.env, config.num_tasks)
    lines = []

    def report(metrics):
        first, last = watch.phases[0], watch.phases[-1]
        watch.phases = []
        lines.append(
            {
                "env_steps": metrics["env_steps"],
                "return_before": metrics["train/return_episode_1"],
                "return_after": metrics["train/return"],
                "seen_before": first["seen"],
                "seen_in_episode": first["seen_in_episode"],
                **({"at_goal": last["at_goal"]} if "at_goal" in last else {}),
            }
        )

    maml.train(config, report, state=state)
    return lines


def path_of(folder, study, arm, seed):
    """Where a run is written to."""
    name = arm.replace(" ", "-").replace("(", "").replace(")", "")
    digest = hashlib.sha256(repr(config_of(study, arm, seed)).encode()).hexdigest()
    return folder / study / f"{name}-{seed}-{digest[:8]}.csv"


def to_csv(lines):
    """Text of dictionaries with the same names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def missing(folder, study):
    """Arms and seeds whose runs lack."""
    return [
        (arm, seed)
        for seed in range(SEEDS)
        for arm in STUDIES[study][1]
        if not path_of(folder, study, arm, seed).exists()
    ]


def read_runs(folder, study):
    """Arm to its runs, by seed: columns (lines,) by name."""
    runs = {}
    for arm in STUDIES[study][1]:
        runs[arm] = []
        for seed in range(SEEDS):
            with open(path_of(folder, study, arm, seed), newline="") as file:
                lines = list(csv.DictReader(file))
            runs[arm].append(
                {name: np.array([float(line[name]) for line in lines]) for name in lines[0]}
            )
    return runs


def last_mean(run, name):
    """Mean of a column over the last share of the environment steps."""
    late = run["env_steps"] > (1 - LAST_SHARE) * run["env_steps"][-1]
    return run[name][late].mean()


def cell(interval):
    """Estimate and interval as text."""
    return f"{interval.estimate:.3f} ({interval.low:.3f}, {interval.high:.3f})"


def tables(study, runs):
    """Lines of Markdown: what each arm comes to, and how it differs from the first."""
    rng = np.random.default_rng(0)
    names = [name for name in COLUMNS if name in next(iter(runs.values()))[0]]
    first = next(iter(runs))
    number, steps = len(runs[first]), runs[first][0]["env_steps"][-1]
    lines = [
        f"# {study}: MAML, E-MAML and inner estimators",
        "",
        f"{number} paired seeds, {steps:,.0f} environment steps each; means over the last "
        f"{LAST_SHARE:.0%} of them, with 95 % intervals of other seeds.",
        "",
    ]
    scores = {
        arm: {name: np.array([[last_mean(run, name)] for run in own]) for name in names}
        for arm, own in runs.items()
    }
    for name in names:
        lines += [f"{COLUMNS[name].capitalize()}:", ""]
        lines.append(f"| arm | value | minus {first} | runs that beat runs of {first} |")
        lines.append("|---" * 4 + "|")
        for arm in runs:
            own, other = scores[arm][name], scores[first][name]
            cells = [cell(bootstrap_interval([own], mean, rng=rng)), "", ""]
            if arm != first:
                cells[1] = cell(bootstrap_interval([own - other], mean, rng=rng))
                better = bootstrap_interval([own, other], probability_of_improvement, rng=rng)
                cells[2] = cell(better)
            lines.append(f"| {arm} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def write_results(study, runs):
    """Data, tables and figures of a study."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, title in COLUMNS.items():
        if name not in next(iter(runs.values()))[0]:
            continue
        curves = {}
        for arm, own in runs.items():
            rng = np.random.default_rng(0)
            series = [(run["env_steps"], run[name]) for run in own]
            curves[arm] = learning_curve(series, rng, num_points=BINS)
            lines += [
                {
                    "metric": name, "arm": arm, "env_steps": round(x), "mean": f"{y:.4f}",
                    "low": f"{low:.4f}", "high": f"{high:.4f}",
                }
                for x, y, low, high in zip(
                    curves[arm].x, curves[arm].y, curves[arm].low, curves[arm].high,
                    strict=True,
                )
            ]  # fmt: skip
        if name != "seen_in_episode":
            figure = learning_figure(curves, study, up=title)
            save(figure, RESULTS / f"{study}-{name.replace('_', '-')}.png")
    write_whole(RESULTS / f"{study}-curves.csv", to_csv(lines))
    finals = [
        {"arm": arm, "seed": seed}
        | {name: f"{last_mean(run, name):.4f}" for name in run if name != "env_steps"}
        for arm, own in runs.items()
        for seed, run in enumerate(own)
    ]
    write_whole(RESULTS / f"{study}-runs.csv", to_csv(finals))
    write_whole(RESULTS / f"{study}-tables.md", "\n".join(tables(study, runs)))


def main():
    """Train what lacks, and write what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--most", type=int, default=10**9, help="runs trained at most")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    to_do = [(study, *run) for study in arguments.only for run in missing(arguments.runs, study)]
    for study, arm, seed in to_do[: arguments.most]:
        print(f"{study}, {arm}, seed {seed}", flush=True)
        path = path_of(arguments.runs, study, arm, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_csv(train(study, arm, seed)))
    for study in arguments.only:
        lacking = len(missing(arguments.runs, study))
        if lacking:
            print(f"{study}: {lacking} runs lack, its results are left as they are")
        else:
            write_results(study, read_runs(arguments.runs, study))


if __name__ == "__main__":
    main()
