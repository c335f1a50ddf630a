"""The two sources of bias of MAML's and LIRPG's meta-gradients, and what they depend on.

``python benchmarks/meta_gradient_bias.py [--quick] [--out FOLDER]``: after Liu et al. 2022,
sections 4 and 5.1. Meta-objective: expected-update. The compositional bias comes of inner steps
along sampled gradients, the other of Jacobians from a surrogate with a wrong Hessian. Values and
Jacobians of steps have samples of their own and the outer gradient is exact.

- ``enumerated.csv``: processes of two states, two actions and two steps, every sequence of inner
  batches with its probability, no sampling error; beside lemma 4.4 and the limit in 1/n.
- ``sampled.csv``: processes of ten states, five actions and 20 steps as in the paper. A squared
  bias is free of variance (debiased), and most of the variance is taken off first: the part of
  the meta-gradient that is linear in the noise of the inner gradients has expectation 0.
- ``intrinsic_rewards.csv``: LIRPG, whose meta-parameters are not the policy's; exact.
- ``reference.csv``: correlation with the truth where only Jacobians are wrong; exact.
- ``slopes.csv``: exponents of n in the biases.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from composed_meta_gradient import (
    EXACT,
    FIRST_ORDER,
    JACOBIANS,
    ORDER_ONE,
    SCORE,
    composed,
    noise_limit,
)
from inner_noise import Noises, distinct_trajectories, enumerated_noises, sampled_noises
from random_processes import HORIZON, reference_process, write_csv, write_summary
from torch import Tensor

from agents.estimators.advantages import gae
from agents.estimators.bias_bounds import compositional_bias_bound
from agents.estimators.enumeration import taken_log_probabilities, trajectory_probabilities
from agents.estimators.inner_updates import meta_gradient
from agents.estimators.meta_oracles import expected_meta_gradient
from agents.estimators.metrics import (
    debiased_squared_bias,
    pearson_correlation,
    relative_error,
    trace_variance,
)
from agents.estimators.surrogate import Order, surrogate
from agents.estimators.tabular_mdp import (
    TabularMDP,
    exact_gradient,
    exact_score_surrogate,
    exact_taypo,
    exact_value,
    state_values,
)
from agents.evaluation.plots import COLOURS

Row = dict[str, Any]

SEED = 0
SMALL_HORIZON = 2
STYLE = dict(zip((EXACT, ORDER_ONE, SCORE, FIRST_ORDER), COLOURS, strict=False))
LABELS = {
    EXACT: "exact: order ≥ 2, DiCE, DR",
    ORDER_ONE: "order 1 (LVC)",
    SCORE: "score without critic",
    FIRST_ORDER: "score, exact critic; FOMAML",
}


@dataclass(frozen=True)
class Sizes:
    """How much of everything; a setting is (sweep, samples, rate, steps)."""

    enumerated_processes: int
    enumerated: tuple[tuple[str, int, float, int], ...]
    processes: int
    sampled: tuple[tuple[str, int, float, int], ...]
    adaptations: int
    reference_processes: int


FULL = Sizes(
    enumerated_processes=5,
    enumerated=(
        *(("samples, 1 step", n, 2.0, 1) for n in (1, 2, 3, 4, 6, 8, 12, 16)),
        *(("samples, 2 steps", n, 2.0, 2) for n in (1, 2, 3, 4)),
        *(("rate", 4, rate, 1) for rate in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)),
        *(("steps", 2, 1.0, steps) for steps in (1, 2, 3)),
        *(("steps, 1 trajectory", 1, 1.0, steps) for steps in (1, 2, 3, 4, 5)),
    ),
    processes=10,
    sampled=(
        *(("samples", n, 3.0, 2) for n in (2, 4, 8, 16, 32, 64, 128, 256)),
        *(("rate", 32, float(rate), 2) for rate in (1, 3, 5, 7, 9, 11, 13)),
        *(("steps", 32, 3.0, steps) for steps in (1, 2, 3, 4, 5, 6)),
    ),
    adaptations=1000,
    reference_processes=10,
)
QUICK = Sizes(
    enumerated_processes=1,
    enumerated=(
        *(("samples, 1 step", n, 2.0, 1) for n in (1, 2, 4, 8)),
        *(("samples, 2 steps", n, 2.0, 2) for n in (1, 2)),
        *(("rate", 2, rate, 1) for rate in (0.5, 2.0)),
        *(("steps", 1, 2.0, steps) for steps in (1, 2)),
    ),
    processes=1,
    sampled=(
        *(("samples", n, 3.0, 2) for n in (16, 32, 64)),
        *(("rate", 32, rate, 2) for rate in (1.0, 3.0)),
        *(("steps", 32, 3.0, steps) for steps in (1, 2)),
    ),
    adaptations=200,
    reference_processes=2,
)


def small_process(seed: int) -> tuple[TabularMDP, Tensor]:
    """A process small enough to be enumerated, and logits."""
    rng = np.random.default_rng(seed)
    # Far from uniform, so that what an action leads to matters.
    laws = rng.uniform(size=(2, 2, 2)) ** 4 + 0.01
    rewards = rng.uniform(size=(2, 2)) * 2 - 0.5
    mdp = TabularMDP(
        torch.tensor(laws / laws.sum(-1, keepdims=True)),
        torch.tensor(rewards),
        torch.tensor([1.0, 0.0], dtype=torch.float64),
        0.8,
    )
    return mdp, torch.tensor(rng.standard_normal((2, 2)))


def largest_curvature(mdp: TabularMDP, tables: Tensor, horizon: int) -> float:
    """Greatest spectral norm of the value's Hessian at any of the tables.

    The Lipschitz constant of the gradient is not less, and lemma 4.4 not lower, than with this.
    """
    slope = torch.func.jacrev(lambda at: exact_gradient(mdp, at, horizon))
    size = tables[0].numel()
    hessians = torch.vmap(slope)(tables).view(-1, size, size)
    return float(torch.linalg.matrix_norm(hessians, ord=2).max())


def lemma(mdp: TabularMDP, noises: Noises, horizon: int, batch: int, rate: float) -> float:
    """Lemma 4.4 for the outer gradient at the adapted policy."""
    tables = noises.tables.flatten(0, 1)
    reached = noises.tables[:, -1] + rate * (
        torch.vmap(lambda at: exact_gradient(mdp, at, horizon))(noises.tables[:, -1])
        + noises.terms[:, -1]
    )
    curvature = largest_curvature(mdp, torch.cat([tables, reached]), horizon)
    return compositional_bias_bound(
        lipschitz=curvature,
        smoothness=curvature,
        gradient_deviation=noises.variance**0.5,
        step_size=rate,
        num_steps=noises.terms.shape[1],
        batch_size=batch,
    )


def enumerated_row(seed: int, setting: tuple[str, int, float, int]) -> Row:
    """All biases of one setting on one small process, exactly."""
    sweep, batch, rate, steps = setting
    mdp, logits = small_process(seed)
    arguments: Row = {"horizon": SMALL_HORIZON, "step_size": rate}
    noises = enumerated_noises(mdp, logits, batch_size=batch, num_steps=steps, **arguments)
    still = torch.zeros_like(noises.terms[0])
    functions = {
        name: lambda noise, name=name: composed(mdp, logits, noise, jacobian=name, **arguments)
        for name in JACOBIANS
    }
    means = {
        name: sum(
            torch.einsum("p,pij->ij", weights, torch.vmap(function)(terms))
            for weights, terms in zip(
                noises.weights.split(50_000), noises.terms.split(50_000), strict=True
            )
        )
        for name, function in functions.items()
    }
    without = {name: function(still) for name, function in functions.items()}
    truth = without[EXACT]
    one = enumerated_noises(mdp, logits, batch_size=1, num_steps=1, **arguments)
    path = [logits]
    draws = []
    for _ in range(steps):
        one = enumerated_noises(mdp, path[-1], batch_size=1, num_steps=1, **arguments)
        draws.append((one.terms[:, 0], one.weights))
        path.append(path[-1] + rate * exact_gradient(mdp, path[-1], SMALL_HORIZON))
    limits = {}
    for name in (EXACT, FIRST_ORDER):
        per_step = noise_limit(functions[name], torch.stack([terms for terms, _ in draws], 1))
        weights = torch.stack([law for _, law in draws], 1)
        limits[name] = torch.einsum("rk,rkij->ij", weights, per_step).norm() / batch
    row: Row = {"process": seed, "sweep": sweep, "samples": batch, "rate": rate, "steps": steps,
                "truth_norm": truth.norm(),
                "outer_gradient_bias": (means[FIRST_ORDER] - without[FIRST_ORDER]).norm(),
                "lemma_4_4": lemma(mdp, noises, SMALL_HORIZON, batch, rate),
                "outer_gradient_limit_over_n": limits[FIRST_ORDER],
                "compositional_limit_over_n": limits[EXACT]}  # fmt: skip
    for name in JACOBIANS:
        row[f"bias, {name}"] = (means[name] - truth).norm()
    shared: dict[str, Order] = {"order 2 and more": 2, ORDER_ONE: 1, SCORE: "score"}
    for name, order in shared.items():
        row[f"bias, {name}, shared"] = float("nan")
        if steps == 1:
            estimate = shared_meta_gradient(mdp, logits, order, batch, rate)
            row[f"bias, {name}, shared"] = (estimate - truth).norm()
    return {key: float(value) if isinstance(value, Tensor) else value for key, value in row.items()}


def shared_meta_gradient(
    mdp: TabularMDP, logits: Tensor, order: Order, batch: int, rate: float
) -> Tensor:
    """Expected meta-gradient where one batch serves a step and its Jacobian."""
    trajectories = distinct_trajectories(mdp, SMALL_HORIZON)
    returns = gae(trajectories.rewards, gamma=mdp.discount)
    return expected_meta_gradient(
        logits,
        trajectory_probabilities(trajectories, logits.softmax(-1)),
        lambda at: surrogate(
            taken_log_probabilities(trajectories, at), returns, order=order, gamma=mdp.discount
        ),
        lambda at: exact_gradient(mdp, at, SMALL_HORIZON),
        batch_size=batch,
        step_size=rate,
        share_samples=True,
    )


def sampled_rows(process: int, place: int, sizes: Sizes) -> list[Row]:
    """Squared biases of one setting on one process, relative to the truth's square."""
    sweep, batch, rate, steps = sizes.sampled[place]
    mdp = reference_process(process)
    logits = torch.zeros_like(mdp.rewards)
    sequence = np.random.SeedSequence((SEED, process, place))
    generator = torch.Generator().manual_seed(int(sequence.generate_state(1)[0]))
    arguments: Row = {
        "horizon": HORIZON, "num_steps": steps, "step_size": rate, "generator": generator,
    }  # fmt: skip
    noises = sampled_noises(mdp, logits, batch_size=batch, count=sizes.adaptations, **arguments)
    some = replace(noises, terms=noises.terms[:50], tables=noises.tables[:50])
    bound = lemma(mdp, some, HORIZON, batch, rate)
    # Sums of 64 have 8 times the deviation and far lighter tails than one trajectory's noise.
    single = sampled_noises(mdp, logits, batch_size=64, count=200, moved=False, **arguments)
    still = torch.zeros_like(noises.terms[0])
    rows = []
    truth = None
    for name in JACOBIANS:

        def function(noise: Tensor, name: str = name) -> Tensor:
            return composed(mdp, logits, noise, jacobian=name, horizon=HORIZON, step_size=rate)

        without = function(still)
        truth = without if truth is None else truth
        raw = torch.vmap(function)(noises.terms)
        linear = torch.func.jacrev(function)(still).flatten(2).flatten(0, 1)
        rest = raw - (noises.terms.flatten(1) @ linear.flatten(1).T).view_as(raw)
        square = float(truth.square().sum())
        total = debiased_squared_bias(rest, truth)
        limits = noise_limit(function, 8 * single.terms).sum(1)
        figures = {
            "compositional": debiased_squared_bias(rest, without),
            "compositional_standard_error_of_mean": trace_variance(rest) / len(rest),
            "compositional_limit_over_n": debiased_squared_bias(limits, torch.zeros_like(truth))
            / batch**2,
            "hessian": (without - truth).square().sum(),
            "total": total,
            "variance": trace_variance(raw),
            "released_measure": total + trace_variance(raw) / 10,
        }
        rows.append(
            {"process": process, "sweep": sweep, "samples": batch, "rate": rate, "steps": steps,
             "jacobian": name, "truth_norm": square**0.5}
            | {key: float(value) / square for key, value in figures.items()}
            | {"lemma_4_4_squared": bound**2 / square,
               "correlation_without_noise": float(pearson_correlation(without, truth))}
        )  # fmt: skip
    return rows


def reference_rows(sizes: Sizes) -> list[Row]:
    """Correlation with the exact meta-gradient where steps are exact, over the endless horizon."""
    rows = []
    for rate, steps in ((1.0, 1), (3.0, 1), (3.0, 5), (10.0, 1), (10.0, 3), (10.0, 5)):
        found: dict[str, list[float]] = {name: [] for name in JACOBIANS[1:]}
        for seed in range(sizes.reference_processes):
            mdp = reference_process(seed, 20)
            still = mdp.rewards.new_zeros(steps, *mdp.rewards.shape)
            exact, *others = (
                composed(mdp, still[0], still, step_size=rate, jacobian=name, horizon=float("inf"))
                for name in JACOBIANS
            )
            for name, other in zip(found, others, strict=True):
                found[name].append(float(pearson_correlation(other, exact)))
        for name, values in found.items():
            rows.append(
                {"rate": rate, "steps": steps, "jacobian": name, "mean": float(np.mean(values)),
                 "median": float(np.median(values)), "least": min(values), "most": max(values)}
            )  # fmt: skip
    return rows


def intrinsic_gradients(mdp: TabularMDP, rate: float, steps: int) -> dict[str, Tensor]:
    """LIRPG's meta-gradients in intrinsic rewards of 0, with exact steps, by their Jacobians."""

    def within(phi: Tensor) -> TabularMDP:
        return replace(mdp, rewards=mdp.rewards + phi)

    def inner(phi: Tensor, logits: Tensor) -> Tensor:
        return exact_value(within(phi), logits.softmax(-1))

    def order_one(phi: Tensor, logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        return exact_taypo(within(phi), policy, policy.detach(), 1)

    def score(phi: Tensor, logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        critic = state_values(within(phi), policy.detach())
        return exact_score_surrogate(within(phi), policy, policy.detach(), critic)

    start = torch.zeros_like(mdp.rewards)
    return {
        name: meta_gradient(
            start,
            [(inner, objective)] * steps,
            lambda _, logits: exact_value(mdp, logits.softmax(-1)),
            step_size=rate,
            initial=lambda _: start,
        )
        for name, objective in ((EXACT, inner), (ORDER_ONE, order_one), (FIRST_ORDER, score))
    }


def intrinsic_rows(sizes: Sizes) -> list[Row]:
    """LIRPG against inner steps and rates."""
    rows = []
    for seed in range(sizes.reference_processes):
        for rate in (3.0, 10.0):
            for steps in (1, 2, 3, 4, 5):
                gradients = intrinsic_gradients(reference_process(seed, 20), rate, steps)
                for name in (ORDER_ONE, FIRST_ORDER):
                    pair = gradients[name], gradients[EXACT]
                    rows.append(
                        {"process": seed, "rate": rate, "steps": steps, "jacobian": name,
                         "correlation": float(pearson_correlation(*pair)),
                         "relative_bias": float(relative_error(*pair))}
                    )  # fmt: skip
    return rows


def slope(samples: list[int], biases: list[float]) -> float:
    """Exponent of n by least squares of logarithms."""
    return float(np.polyfit(np.log(samples), np.log(biases), 1)[0])


def slope_rows(enumerated: list[Row], sampled: list[Row], sizes: Sizes) -> list[Row]:
    """Exponents of n: between the largest two batches where enumerated, from 16 on where sampled.

    A Hessian's bias adds to the compositional one as a vector: what does not fall has exponent 0.
    """
    rows = []
    for sweep in ("samples, 1 step", "samples, 2 steps"):
        chosen = [[row for row in enumerated if row["sweep"] == sweep and row["process"] == seed]
                  for seed in range(sizes.enumerated_processes)]  # fmt: skip
        for column in ("outer_gradient_bias", *(f"bias, {name}" for name in JACOBIANS)):
            found = [
                slope([row["samples"] for row in last], [row[column] for row in last])
                for last in (of_process[-2:] for of_process in chosen)
            ]
            rows.append(_spread(f"enumerated {sweep}", column, found))
    for name in JACOBIANS:
        for column in ("compositional", "total", "released_measure"):
            found = []
            for process in range(sizes.processes):
                last = [row for row in sampled
                        if row["sweep"] == "samples" and row["samples"] >= 16
                        and row["process"] == process and row["jacobian"] == name
                        and row[column] > 0]  # fmt: skip
                points = [row["samples"] for row in last]
                found.append(slope(points, [row[column] ** 0.5 for row in last]))
            rows.append(_spread("sampled", f"{column}, {name}", found))
    return rows


def _spread(study: str, bias: str, found: list[float]) -> Row:
    return {"study": study, "bias": bias, "processes": len(found),
            "median": float(np.median(found)), "least": min(found), "most": max(found)}  # fmt: skip


def figures(tables: dict[str, list[Row]], out: Path) -> None:
    """Enumerated, sampled, and intrinsic rewards."""


def main() -> None:
    """Measure, and write data, figures and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one process, few settings")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/meta-gradient-bias"))
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else FULL
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    begun = time.process_time()
    tables = {
        "enumerated": [
            enumerated_row(seed, setting)
            for seed in range(sizes.enumerated_processes)
            for setting in sizes.enumerated
        ],
        "sampled": [
            row
            for process in range(sizes.processes)
            for place in range(len(sizes.sampled))
            for row in sampled_rows(process, place, sizes)
        ],
        "intrinsic_rewards": intrinsic_rows(sizes),
        "reference": reference_rows(sizes),
    }
    tables["slopes"] = slope_rows(tables["enumerated"], tables["sampled"], sizes)
    for name, table in tables.items():
        write_csv(arguments.out / f"{name}.csv", table)
    figures(tables, arguments.out)
    write_summary(arguments.out, "meta_gradient_bias.py", time.process_time() - begun,
                  {name: tables[name] for name in ("slopes", "reference")})  # fmt: skip


if __name__ == "__main__":
    main()
