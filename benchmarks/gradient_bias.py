"""Bias and variance of sampled gradients and Hessians on random processes.

``python benchmarks/gradient_bias.py [--quick] [--out FOLDER]``: the study of Tang et al. 2021,
section 5.1, against sample size and off-policyness. Ten random processes of ten states and five
actions, trajectories of 20 steps, discount 0.8. The behaviour policy mu is uniform, the target
policy is (1 - epsilon) mu + epsilon times a random deterministic policy, and derivatives are in
the logits of the target. The critic is the exact value of mu with noise. The truth is that of the
same 20 steps, so that nothing but the estimator is measured.

Writes ``ceilings.csv`` (what estimators reach with infinitely many samples), ``estimates.csv``,
``crossover.csv``, ``bias.csv``, a summary and three figures.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gradient_studies.random_processes import (
    HORIZON,
    family_processes,
    legend_below,
    mean_and_error,
    panels,
    reference_process,
    write_csv,
    write_summary,
)
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.doubly_robust import dr_recursion
from agents.estimators.enumeration import taken_log_probabilities
from agents.estimators.metrics import (
    cosine_similarity,
    debiased_squared_bias,
    pearson_correlation,
    relative_error,
    trace_variance,
)
from agents.estimators.surrogate import Order, surrogate
from agents.estimators.tabular_mdp import (
    TabularMDP,
    exact_score_surrogate,
    exact_taypo,
    exact_value,
    finite_horizon_state_values,
)
from agents.estimators.trajectory_sampling import sample_trajectories
from agents.evaluation.plots import COLOURS, save

Function = Callable[[Tensor], Tensor]

SCORE, FIRST, SECOND = "score", "order 1", "order 2"
ROBUST, SAMPLING, V_TRACE = "doubly robust", "importance sampling", "V-trace"
STYLE = dict(zip((FIRST, SECOND, ROBUST, SAMPLING, V_TRACE, SCORE), COLOURS, strict=False))
SEED = 0
CEILINGS = (("20 x 5, 0.001", 20, 0.001), ("10 x 5, 0.001", 10, 0.001), ("10 x 5, 1", 10, 1.0))


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    processes: int = 10
    repetitions: int = 10
    samples: tuple[int, ...] = (20, 50, 100, 200, 500, 1000, 2000, 5000)
    epsilons: tuple[float, ...] = (0.0, 0.2, 0.5, 0.8)
    family: int = 200


QUICK = Sizes(2, 2, (20, 1000), (0.0, 0.5), 2)


@dataclass(frozen=True)
class Case:
    """A process and two policies."""

    mdp: TabularMDP
    logits: Tensor  # (states, actions), of the target policy
    behaviour: Tensor  # (states, actions)

    @property
    def on_policy(self) -> bool:
        """Whether the two policies are one."""
        return torch.equal(self.logits.exp(), self.behaviour)

    def critic(self) -> Tensor:
        """Exact values of the behaviour policy, (HORIZON + 1, states)."""
        return finite_horizon_state_values(self.mdp, self.behaviour, HORIZON)


def make_case(mdp: TabularMDP, epsilon: float, seed: int) -> Case:
    """The deterministic policy depends on the seed and not on epsilon."""
    states, actions = mdp.rewards.shape
    behaviour = torch.full_like(mdp.rewards, 1 / actions)
    best = np.random.default_rng(seed).integers(actions, size=states)
    target = (1 - epsilon) * behaviour + epsilon * torch.eye(actions).double()[best]
    return Case(mdp, target.log(), behaviour)


def estimate(
    name: str, rewards: Tensor, values: Tensor, behaviour_logp: Tensor | None, logp: Tensor
) -> Tensor:
    """What an estimator makes of each trajectory, up to a constant: (trajectories,)."""
    gamma: dict[str, Any] = {"gamma": 0.8, "behaviour_logp": behaviour_logp}
    if name == V_TRACE:
        return dr_recursion(logp, rewards, values, rho_clip=1, c_clip=1, **gamma)[..., 0]
    orders: dict[str, Order] = {SCORE: "score", FIRST: 1, SECOND: 2}
    critic = None if name == SAMPLING else values
    advantages = gae(rewards, critic, gamma=0.8)
    return surrogate(logp, advantages, order=orders.get(name, math.inf), **gamma)


def expected_v_trace(case: Case, logits: Tensor) -> Tensor:
    """Expectation of V-trace with clips of 1 and the exact critic, by recursion over time.

    Under mu a ratio clipped at 1 has the weight min(pi, mu).
    """
    weights = torch.minimum(logits.softmax(-1), case.behaviour)
    critic = case.critic()
    value = critic[-1]
    for here in critic[:-1].flip(0):
        following = case.mdp.rewards + case.mdp.discount * case.mdp.transitions @ value
        value = here + (weights * (following - here[:, None])).sum(-1)
    return case.mdp.initial @ value


def expectation(name: str, case: Case, horizon: float = HORIZON) -> Function:
    """From logits to the expected estimate, without sampling."""

    def expected(logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        if name == SCORE:
            critic = case.critic()[:-1]
            return exact_score_surrogate(case.mdp, policy, case.behaviour, critic, horizon)
        if name == V_TRACE and not case.on_policy:
            return expected_v_trace(case, logits)
        if name in (FIRST, SECOND):
            return exact_taypo(case.mdp, policy, case.behaviour, (FIRST, SECOND).index(name) + 1,
                               horizon)  # fmt: skip
        return exact_value(case.mdp, policy, horizon)

    return expected


def derivatives(function: Function, logits: Tensor) -> dict[str, Tensor]:
    """Gradient and Hessian, flattened."""
    slope = torch.func.jacrev(function)
    return {
        "gradient": slope(logits).flatten(),
        "Hessian": torch.func.jacrev(slope)(logits).flatten(),
    }


def nested_means(
    function: Function, logits: Tensor, entries: Tensor, counts: tuple[int, ...]
) -> dict[str, Tensor]:
    """Gradient and Hessian in the logits of the mean of the first n estimates, for each n.

    Estimates depend on the log probabilities of their own steps only. They are differentiated in
    these, and summed into a table of log probabilities before the chain rule: a tenth of the time
    of differentiating in the logits.

    Args:
        function: From log probabilities (trajectories, time) to estimates (trajectories,).
        logits: (states, actions).
        entries: (trajectories, time), index of state and action in the flattened table.
        counts: Numbers of trajectories, ascending.

    Returns:
        Gradients (counts, size) and Hessians (counts, size * size).
    """
    policy, size = logits.softmax(-1), logits.numel()
    logp = policy.log().flatten()[entries]
    slopes, pull = torch.func.vjp(torch.func.grad(lambda steps: function(steps).sum()), logp)
    units = torch.eye(logp.shape[-1], dtype=logp.dtype)
    curvature = torch.stack([pull(unit.expand_as(logp))[0] for unit in units], 1)
    pairs = entries[:, :, None] * size + entries[:, None, :]
    first, second = logp.new_zeros(size), logp.new_zeros(size * size)
    # d log pi(a|s) / d logit(s, b) = [a = b] - pi(b|s), and what it is differentiated once more.
    of_states = torch.block_diag(*policy[:, None].expand(-1, policy.shape[1], -1))
    chain = torch.eye(size, dtype=logp.dtype) - of_states
    bend = torch.block_diag(*(policy[:, :, None] * policy[:, None] - torch.diag_embed(policy)))
    gradients, hessians, begin = [], [], 0
    for end in counts:
        part = slice(begin, end)
        first = first.index_add(0, entries[part].flatten(), slopes[part].flatten())
        second = second.index_add(0, pairs[part].flatten(), curvature[part].flatten())
        of_rows = first.view_as(policy).sum(-1).repeat_interleave(policy.shape[1])
        hessian = chain.T @ second.view(size, size) @ chain + of_rows[:, None] * bend
        gradients.append(chain.T @ first / end)
        hessians.append(hessian.flatten() / end)
        begin = end
    return {"gradient": torch.stack(gradients), "Hessian": torch.stack(hessians)}


def sampled(
    case: Case, sizes: Sizes, names: list[str], generator: torch.Generator
) -> dict[tuple[str, str], Tensor]:
    """Estimates (repetitions, counts, entries) by estimator and derivative.

    All estimators of a repetition see the same trajectories and the same noisy critic; smaller
    samples are the beginnings of larger ones.
    """
    exact = case.critic()
    scale = exact[0].norm() / len(exact[0])
    repetitions = []
    for _ in range(sizes.repetitions):
        noise = scale * torch.randn(len(exact[0]), generator=generator, dtype=torch.float64)
        critic = torch.cat([exact[:-1] + noise, exact[-1:]])
        trajectories = sample_trajectories(
            case.mdp, case.behaviour, HORIZON, sizes.samples[-1], generator
        )
        values = critic[torch.arange(HORIZON + 1), trajectories.states]
        acted = taken_log_probabilities(trajectories, case.behaviour.log())
        entries = trajectories.states[:, :-1] * case.logits.shape[1] + trajectories.actions
        found = {}
        for name in names:
            function = partial(
                estimate, name, trajectories.rewards, values, None if case.on_policy else acted
            )
            for kind, means in nested_means(function, case.logits, entries, sizes.samples).items():
                found[name, kind] = means
        repetitions.append(found)
    return {key: torch.stack([found[key] for found in repetitions]) for key in repetitions[0]}


def measure(sizes: Sizes) -> list[dict[str, Any]]:
    """One row per process, epsilon, estimator, derivative and sample size."""
    rows = []
    for process in range(sizes.processes):
        mdp = reference_process(process)
        for place, epsilon in enumerate(sizes.epsilons):
            case = make_case(mdp, epsilon, process)
            sequence = np.random.SeedSequence((SEED, process, place))
            generator = torch.Generator().manual_seed(int(sequence.generate_state(1)[0]))
            names = [FIRST, SECOND, ROBUST, SAMPLING]
            names += [SCORE] if epsilon == 0 else [V_TRACE]
            truths = derivatives(expectation(ROBUST, case), case.logits)
            limits = {name: derivatives(expectation(name, case), case.logits) for name in names}
            if epsilon == 0:
                limits[SCORE]["Hessian"].zero_()  # It is 0 with an exact critic, up to rounding.
            for (name, kind), estimates in sampled(case, sizes, names, generator).items():
                truth, limit = truths[kind], limits[name][kind]
                square = truth.square().sum()
                for count, repeated in zip(sizes.samples, estimates.unbind(1), strict=True):
                    figures = {
                        metric.__name__: torch.stack([metric(x, truth) for x in repeated]).mean()
                        for metric in (pearson_correlation, cosine_similarity, relative_error)
                    }
                    figures |= {
                        "limit_pearson_correlation": pearson_correlation(limit, truth),
                        "relative_squared_bias": (limit - truth).square().sum() / square,
                        "sampled_relative_squared_bias":
                            debiased_squared_bias(repeated, truth) / square,
                        "relative_variance": trace_variance(repeated) / square,
                    }  # fmt: skip
                    rows.append(
                        {"process": process, "epsilon": epsilon, "estimator": name,
                         "derivative": kind, "samples": count}
                        | {key: float(value) for key, value in figures.items()}
                    )  # fmt: skip
    return rows


def ceilings(sizes: Sizes) -> list[dict[str, Any]]:
    """On policy, what order 1 and the score without critic reach with endless samples."""
    rows: list[dict[str, Any]] = []
    for title, states, concentration in CEILINGS:
        seeds = range(sizes.processes)
        reference = [reference_process(seed, states, 5, concentration) for seed in seeds]
        family = family_processes(sizes.family, states, 5, concentration)
        for source, processes, horizon in (
            ("reference seeds", reference, math.inf),
            ("reference seeds", reference, HORIZON),
            ("metaenvs/TabularMDP-v0", family, math.inf),
        ):
            figures = []
            for mdp in processes:
                case = make_case(mdp, 0.0, 0)
                score = partial(score_without_critic, case, horizon)
                truth, first, plain = (
                    derivatives(function, case.logits)["Hessian"]
                    for function in (
                        expectation(ROBUST, case, horizon),
                        expectation(FIRST, case, horizon),
                        score,
                    )
                )
                figures.append(
                    (pearson_correlation(first, truth), relative_error(first, truth),
                     pearson_correlation(plain, truth), plain.norm() / truth.norm())
                )  # fmt: skip
            means, errors = mean_and_error(torch.tensor(figures))
            row: dict[str, Any] = {"family": title, "source": source, "processes": len(processes),
                   "horizon": horizon}  # fmt: skip
            names = ("order_1_correlation", "order_1_relative_error", "score_correlation",
                     "score_norm_ratio")  # fmt: skip
            for name, mean, error in zip(names, means, errors, strict=True):
                row |= {name: float(mean), f"{name}_standard_error": float(error)}
            rows.append(row)
    return rows


def score_without_critic(case: Case, horizon: float, logits: Tensor) -> Tensor:
    """Expected score surrogate over plain returns."""
    return exact_score_surrogate(case.mdp, logits.softmax(-1), case.behaviour, horizon=horizon)


def curves(
    rows: list[dict[str, Any]], column: str, *, along: str, **where: Any
) -> tuple[list[Any], Tensor]:
    """Points along one key, and the column's values (points, processes)."""
    chosen = [row for row in rows if all(row[key] == value for key, value in where.items())]
    points = sorted({row[along] for row in chosen})
    return points, torch.tensor(
        [[row[column] for row in chosen if row[along] == point] for point in points]
    )


def crossovers(rows: list[dict[str, Any]], sizes: Sizes) -> list[dict[str, Any]]:
    """Where the mean correlation of order 2 passes that of order 1, by sample size."""
    found: list[dict[str, Any]] = []
    for kind in ("gradient", "Hessian"):
        for epsilon in sizes.epsilons:
            if kind == "gradient" and epsilon == 0:
                continue  # The two gradients are the same.
            lead = 0.0
            for name, sign in ((SECOND, 1), (FIRST, -1)):
                points, values = curves(
                    rows, "pearson_correlation", along="samples",
                    epsilon=epsilon, derivative=kind, estimator=name,
                )  # fmt: skip
                lead = lead + sign * values
            means, errors = mean_and_error(lead.T)
            # Of the mean, between neighbouring sizes, linear in the logarithm.
            passing = [i for i in range(len(points) - 1) if means[i] < 0 <= means[i + 1]]
            crossing = math.nan
            if len(passing) == 1:
                i = passing[0]
                share = float(means[i] / (means[i] - means[i + 1]))
                crossing = math.exp(
                    (1 - share) * math.log(points[i]) + share * math.log(points[i + 1])
                )
            found.append(
                {"derivative": kind, "epsilon": epsilon, "samples_at_crossing": crossing}
                | {f"lead_at_{points[i]}": float(means[i]) for i in (0, -1)}
                | {f"standard_error_at_{points[i]}": float(errors[i]) for i in (0, -1)}
                | {f"processes_led_at_{points[i]}": int((lead[i] > 0).sum()) for i in (0, -1)}
            )
    return found


def biases(rows: list[dict[str, Any]], sizes: Sizes) -> list[dict[str, Any]]:
    """Mean over processes of exact and sampled squared bias and of variance, largest samples."""
    found = []
    columns = ("relative_squared_bias", "sampled_relative_squared_bias", "relative_variance")
    for kind in ("gradient", "Hessian"):
        for epsilon in sizes.epsilons:
            for name in STYLE:
                row: dict[str, Any] = {
                    "derivative": kind,
                    "epsilon": epsilon,
                    "estimator": name,
                    "samples": sizes.samples[-1],
                }
                where = {key: row[key] for key in ("derivative", "epsilon", "estimator")}
                for column in columns:
                    points, values = curves(rows, column, along="samples", **where)
                    if points:
                        mean, error = mean_and_error(values[-1])
                        row |= {column: float(mean), f"{column}_standard_error": float(error)}
                if points:
                    found.append(row)
    return found


def draw(axes: Any, rows: list[dict[str, Any]], column: str, name: str, **where: Any) -> None:
    """One line with its standard error over processes."""
    points, values = curves(rows, column, estimator=name, **where)
    if not points:
        return
    means, errors = mean_and_error(values.T)
    means[means.abs() < 1e-12] = math.nan  # No bias but rounding, which a log axis cannot show.
    colour = STYLE[name]
    # On policy it coincides with order 2.
    line = "--" if name == ROBUST else "-"
    axes.plot(points, means, line, marker="o", markersize=3.5, color=colour, label=name)
    axes.fill_between(points, means - errors, means + errors, color=colour, alpha=0.15, linewidth=0)


def figures(rows: list[dict[str, Any]], sizes: Sizes, out: Path) -> None:
    """The three figures."""
    middle = sizes.epsilons[len(sizes.epsilons) // 2]
    shown = [("Hessian", 0.0), ("gradient", middle), ("Hessian", middle)]
    figure, axes = panels(
        [f"{kind}, ε = {epsilon:g}" for kind, epsilon in shown],
        ["trajectories"] * 3,
        "correlation with the truth",
    )
    for place, (kind, epsilon) in zip(axes, shown, strict=True):
        where: dict[str, Any] = {"derivative": kind, "epsilon": epsilon, "along": "samples"}
        for name in STYLE:
            draw(place, rows, "pearson_correlation", name, **where)
        for name in (FIRST, SECOND):
            _, limit = curves(rows, "limit_pearson_correlation", estimator=name, **where)
            place.axhline(float(limit.mean()), color=STYLE[name], linestyle=":", linewidth=1)
        place.set_xscale("log")
        place.set_ylim(-0.1, 1.02)
    legend_below(figure, axes, 6)
    save(figure, out / "correlation-by-samples.png")

    count = 1000
    kinds = ("gradient", "Hessian")
    figure, axes = panels(kinds, ["off-policyness ε"] * 2, "correlation with the truth", columns=2)
    for place, kind in zip(axes, kinds, strict=True):
        for name in STYLE:
            where = {"derivative": kind, "samples": count, "along": "epsilon"}
            draw(place, rows, "pearson_correlation", name, **where)
        place.set_ylim(-0.1, 1.02)
    legend_below(figure, axes, 3)
    save(figure, out / "correlation-by-off-policyness.png")

    shown_columns = [
        (kind, column)
        for column in ("relative_squared_bias", "relative_variance")
        for kind in kinds
    ]
    figure, axes = panels(
        [f"{kind}: {column.removeprefix('relative_').replace('_', ' ')}"
         for kind, column in shown_columns],
        ["off-policyness ε"] * 4, "relative to the truth's square", columns=2,
    )  # fmt: skip
    for place, (kind, column) in zip(axes, shown_columns, strict=True):
        for name in STYLE:
            where = {"derivative": kind, "samples": count, "along": "epsilon"}
            draw(place, rows, column, name, **where)
        place.set_yscale("log")
        place.set_xlim(-0.04, sizes.epsilons[-1] + 0.04)
        place.set_ylim(1e-4, 1e4)
    legend_below(figure, axes, 3)
    save(figure, out / "bias-and-variance.png")


def main() -> None:
    """Measure, and write data, figures and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two processes, few samples")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gradient-bias"))
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    begun = time.process_time()
    tables = {"ceilings": ceilings(sizes)}
    tables["estimates"] = rows = measure(sizes)
    tables["crossover"] = crossovers(rows, sizes)
    tables["bias"] = biases(rows, sizes)
    for name, table in tables.items():
        write_csv(arguments.out / f"{name}.csv", table)
    figures(rows, sizes, arguments.out)
    write_summary(arguments.out, "gradient_bias.py", time.process_time() - begun,
                  {name: tables[name] for name in ("ceilings", "crossover", "bias")})  # fmt: skip


if __name__ == "__main__":
    main()
