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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gradient_studies.gradient_estimates import (
    FIRST,
    NAMES,
    ROBUST,
    SAMPLING,
    SCORE,
    SECOND,
    V_TRACE,
    derivatives,
    expectation,
    make_case,
    sampled_estimates,
    score_without_critic,
)
from gradient_studies.gradient_figures import curves, draw_study
from gradient_studies.random_processes import (
    HORIZON,
    family_processes,
    mean_and_error,
    reference_process,
    write_csv,
    write_summary,
)

from agents.estimators.metrics import (
    cosine_similarity,
    debiased_squared_bias,
    pearson_correlation,
    relative_error,
    trace_variance,
)

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
            for (name, kind), estimates in sampled_estimates(
                case, names, sizes.samples, sizes.repetitions, generator
            ).items():
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
            for name in NAMES:
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
    draw_study(rows, sizes.epsilons, arguments.out)
    write_summary(arguments.out, "gradient_bias.py", time.process_time() - begun,
                  {name: tables[name] for name in ("ceilings", "crossover", "bias")})  # fmt: skip


if __name__ == "__main__":
    main()
