"""The two sources of bias of MAML's and LIRPG's meta-gradients, and what they depend on.

``python benchmarks/meta_gradient_bias.py [--quick] [--out FOLDER]``: after Liu et al. 2022,
sections 4 and 5.1. Meta-objective: expected-update. The compositional bias comes of inner steps
along sampled gradients, the other of Jacobians from a surrogate with a wrong Hessian. Values and
Jacobians of steps have samples of their own, but where it is said, and the outer gradient is exact.

- ``enumerated.csv``: processes of two states, two actions and two steps, every sequence of inner
  batches with its probability, no sampling error; beside lemma 4.4 and the limit in 1/n.
- ``sampled.csv``: processes of ten states, five actions and 20 steps as in the paper. A squared
  bias is free of variance (debiased), and most of the variance is taken off first: what is linear
  in the noise of the inner gradients has expectation 0. ``limits.csv``: n times the bias, in the
  limit.
- ``intrinsic_rewards.csv``: LIRPG, whose meta-parameters are not the policy's; exact.
- ``reference.csv``: correlation with the truth where only Jacobians are wrong; exact.
- ``slopes.csv``: exponents of n in the biases.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gradient_studies.composed_meta_gradient import JACOBIANS
from gradient_studies.enumerated_biases import SHARED, enumerated_row
from gradient_studies.intrinsic_rewards import intrinsic_rows
from gradient_studies.meta_gradient_figures import draw_enumerated, draw_intrinsic, draw_sampled
from gradient_studies.random_processes import write_csv, write_summary
from gradient_studies.sampled_biases import limit_rows, reference_rows, sampled_rows

SEED = 0
Row = dict[str, Any]
Setting = tuple[str, int, float, int]
"""Name of the sweep, trajectories per batch, inner learning rate, inner steps."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    enumerated_processes: int
    enumerated: tuple[Setting, ...]
    processes: int
    sampled: tuple[Setting, ...]
    adaptations: int
    draws: int


FULL = Sizes(
    enumerated_processes=5,
    enumerated=(
        *(("samples, 1 step", n, 2.0, 1) for n in (1, 2, 3, 4, 6, 8, 12, 16)),
        *(("samples, 2 steps", n, 2.0, 2) for n in (1, 2, 3, 4)),
        *(("rate", 4, rate, 1) for rate in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)),
        *(("steps", 1, 1.0, steps) for steps in (1, 2, 3, 4, 5)),
    ),
    processes=10,
    sampled=(
        *(("samples", n, 3.0, 2) for n in (2, 4, 8, 16, 32, 64, 128, 256)),
        *(("rate", 32, float(rate), 2) for rate in (1, 3, 5, 7, 9, 11, 13)),
        *(("steps", 32, 3.0, steps) for steps in (1, 2, 3, 4, 5, 6)),
    ),
    adaptations=500,
    draws=1000,
)
QUICK = Sizes(
    enumerated_processes=1,
    enumerated=(
        *(("samples, 1 step", n, 2.0, 1) for n in (1, 2, 4, 8)),
        *(("samples, 2 steps", n, 2.0, 2) for n in (1, 2)),
        *(("rate", 2, rate, 1) for rate in (0.5, 2.0)),
        *(("steps", 1, 1.0, steps) for steps in (1, 2)),
    ),
    processes=1,
    sampled=(
        *(("samples", n, 3.0, 2) for n in (16, 64)),
        ("rate", 32, 1.0, 2),
        ("steps", 32, 3.0, 1),
    ),
    adaptations=100,
    draws=50,
)


def slope(points: list[tuple[int, float]]) -> float:
    """Exponent of n in biases (n, bias), by least squares of logarithms."""
    samples, biases = np.log(np.array(points)).T
    return float(np.polyfit(samples, biases, 1)[0])


def slope_rows(enumerated: list[Row], sampled: list[Row], sizes: Sizes) -> list[Row]:
    """Exponents of n over processes.

    Between neighbouring batches where enumerated, from n = 16 on where sampled.
    """
    rows = []
    columns = (
        "outer_gradient_bias",
        "compositional_bias",
        *(f"total_bias: {name}" for name in JACOBIANS[1:]),
    )
    shared = tuple(f"total_bias, shared samples: {name}" for name in SHARED)
    for sweep, names in (("samples, 1 step", columns + shared), ("samples, 2 steps", columns)):
        batches = [setting[1] for setting in sizes.enumerated if setting[0] == sweep]
        for first, second in pairwise(batches):
            for column in names:
                found = []
                for process in range(sizes.enumerated_processes):
                    points = [
                        (row["samples"], row[column]) for row in enumerated
                        if row["sweep"] == sweep and row["process"] == process
                        and row["samples"] in (first, second)
                    ]  # fmt: skip
                    found.append(slope(points))
                rows.append(_spread(f"enumerated {sweep}", f"{first} to {second}", column, found))
    for name in JACOBIANS:
        for column in ("compositional", "total", "released_measure"):
            found = []
            for process in range(sizes.processes):
                points = [
                    (row["samples"], row[column] ** 0.5) for row in sampled
                    if row["sweep"] == "samples" and row["samples"] >= 16
                    and row["process"] == process and row["jacobian"] == name and row[column] > 0
                ]  # fmt: skip
                found.append(slope(points))
            rows.append(_spread("sampled", "16 on", f"{column}: {name}", found))
    return rows


def _spread(study: str, samples: str, bias: str, found: list[float]) -> Row:
    return {"study": study, "samples": samples, "bias": bias, "processes": len(found),
            "median": float(np.median(found)), "least": min(found), "most": max(found)}  # fmt: skip


def bound_rows(enumerated: list[Row], sampled: list[Row]) -> list[Row]:
    """Largest share of lemma 4.4 that the outer gradient's bias comes to, by sweep."""
    rows: list[Row] = []
    first_order = [row for row in sampled if row["jacobian"] == "first-order"]
    for study, table, share in (
        ("enumerated", enumerated, lambda row: row["outer_gradient_bias"] / row["lemma_4_4"]),
        ("sampled", first_order,
         lambda row: (max(row["compositional"], 0) / row["lemma_4_4"]) ** 0.5),
    ):  # fmt: skip
        for sweep in dict.fromkeys(row["sweep"] for row in table):
            shares = [share(row) for row in table if row["sweep"] == sweep]
            rows.append(
                {"study": study, "sweep": sweep, "settings": len(shares),
                 "largest_share_of_the_bound": max(shares), "median": float(np.median(shares))}
            )  # fmt: skip
    return rows


def main() -> None:
    """Measure, and write data, figures and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few processes and settings")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/meta-gradient-bias"))
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else FULL
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    begun = time.process_time()
    enumerated = [
        enumerated_row(process, *setting)
        for process in range(sizes.enumerated_processes)
        for setting in sizes.enumerated
    ]
    sampled = [
        row
        for process in range(sizes.processes)
        for setting in sizes.sampled
        for row in sampled_rows(process, *setting, adaptations=sizes.adaptations, seed=SEED)
    ]
    limits = [
        row
        for process in range(sizes.processes)
        for row in limit_rows(process, 3.0, 2, draws=sizes.draws, seed=SEED)
    ]
    tables = {
        "enumerated": enumerated,
        "sampled": sampled,
        "limits": limits,
        "intrinsic_rewards": intrinsic_rows(sizes.processes),
        "reference": reference_rows(sizes.processes),
        "bounds": bound_rows(enumerated, sampled),
        "slopes": slope_rows(enumerated, sampled, sizes),
    }
    for name, table in tables.items():
        write_csv(arguments.out / f"{name}.csv", table)
    draw_enumerated(enumerated, arguments.out)
    draw_sampled(sampled, limits, arguments.out)
    draw_intrinsic(tables["intrinsic_rewards"], arguments.out)
    shown = {name: tables[name] for name in ("bounds", "slopes", "limits", "reference")}
    seconds = time.process_time() - begun
    write_summary(arguments.out, "meta_gradient_bias.py", seconds, shown)


if __name__ == "__main__":
    main()
