"""Biases of MAML's meta-gradients on random processes of the paper's size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.estimators.metrics import (
    debiased_squared_bias,
    pearson_correlation,
    trace_variance,
)
from agents.estimators.tabular_mdp import TabularMDP
from gradient_studies.composed_meta_gradient import JACOBIANS, composed, noise_limit
from gradient_studies.inner_noise import Noises, sampled_noises
from gradient_studies.lemma import lemma_4_4
from gradient_studies.random_processes import HORIZON, reference_process

__all__ = ["limit_rows", "reference_rows", "sampled_rows"]

MOST_POLICIES = 50
"""Adaptations whose policies give the constants of lemma 4.4."""


def sampled_rows(
    process: int,
    sweep: str,
    batch_size: int,
    step_size: float,
    num_steps: int,
    *,
    adaptations: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Squared biases of one setting on one process, relative to the truth's square.

    ``released_measure`` is what the authors' code records in expectation: the squared error of
    the mean of ten estimates, a tenth of the variance included.
    """
    mdp = reference_process(process)
    noises = sampled_noises(
        mdp, torch.zeros_like(mdp.rewards), horizon=HORIZON, batch_size=batch_size,
        num_steps=num_steps, step_size=step_size, count=adaptations,
        generator=_generator(seed, process, batch_size, step_size, num_steps),
    )  # fmt: skip
    few = Noises(
        noises.terms[:MOST_POLICIES], noises.weights, noises.tables[:MOST_POLICIES], noises.variance
    )
    bound = lemma_4_4(mdp, few, horizon=HORIZON, batch_size=batch_size, step_size=step_size)
    functions = _meta_gradients(mdp, step_size)
    still = torch.zeros_like(noises.terms[0])
    truth = functions[JACOBIANS[0]](still)
    square = float(truth.square().sum())
    rows = []
    for name, function in functions.items():
        without = function(still)
        raw = torch.vmap(function)(noises.terms)
        # What is linear in the noise has expectation 0, whatever the earlier steps were.
        linear = torch.func.jacrev(function)(still)
        rest = raw - torch.einsum("ijkab,mkab->mij", linear, noises.terms)
        total = debiased_squared_bias(rest, truth)
        figures = {
            "compositional": debiased_squared_bias(rest, without),
            "noise_of_mean": trace_variance(rest) / len(rest),
            "hessian": (without - truth).square().sum(),
            "total": total,
            "variance": trace_variance(raw),
            "released_measure": total + trace_variance(raw) / 10,
        }
        rows.append(
            {"process": process, "sweep": sweep, "samples": batch_size, "rate": step_size,
             "steps": num_steps, "jacobian": name, "truth_norm": square**0.5}
            | {key: float(value) / square for key, value in figures.items()}
            | {"lemma_4_4": bound**2 / square,
               "correlation_without_noise": float(pearson_correlation(without, truth))}
        )  # fmt: skip
    return rows


def limit_rows(
    process: int, step_size: float, num_steps: int, *, draws: int, seed: int
) -> list[dict[str, Any]]:
    """Limit of n times the relative compositional bias, with its standard error."""
    mdp = reference_process(process)
    # Sums of 64 have 8 times the deviation of one trajectory's noise, and far lighter tails.
    noises = sampled_noises(
        mdp, torch.zeros_like(mdp.rewards), horizon=HORIZON, batch_size=64, num_steps=num_steps,
        step_size=step_size, count=draws, moved=False,
        generator=_generator(seed, process, 0, step_size, num_steps),
    )  # fmt: skip
    functions = _meta_gradients(mdp, step_size)
    truth = functions[JACOBIANS[0]](torch.zeros_like(noises.terms[0]))
    rows = []
    for name, function in functions.items():
        terms = noise_limit(function, 8 * noises.terms).sum(1)
        direction = terms.mean(0) / terms.mean(0).norm()
        along = (terms * direction).sum((-1, -2)) / truth.norm()
        squared = debiased_squared_bias(terms, torch.zeros_like(truth)) / truth.square().sum()
        rows.append(
            {"process": process, "rate": step_size, "steps": num_steps, "jacobian": name,
             "limit": float(squared.clamp(min=0).sqrt()),
             "standard_error": float(along.std() / draws**0.5)}
        )  # fmt: skip
    return rows


def reference_rows(processes: int) -> list[dict[str, Any]]:
    """Correlation with the exact meta-gradient where steps are exact, over the endless horizon.

    Twenty states, as in the authors' code.
    """
    rows = []
    for step_size, num_steps in ((1.0, 1), (3.0, 1), (3.0, 5), (10.0, 1), (10.0, 3), (10.0, 5)):
        found: dict[str, list[float]] = {name: [] for name in JACOBIANS[1:]}
        for seed in range(processes):
            mdp = reference_process(seed, 20)
            still = mdp.rewards.new_zeros(num_steps, *mdp.rewards.shape)
            functions = _meta_gradients(mdp, step_size, horizon=float("inf"))
            truth = functions[JACOBIANS[0]](still)
            for name, values in found.items():
                values.append(float(pearson_correlation(functions[name](still), truth)))
        for name, values in found.items():
            rows.append(
                {"rate": step_size, "steps": num_steps, "jacobian": name,
                 "mean": float(np.mean(values)), "median": float(np.median(values)),
                 "least": min(values), "most": max(values)}
            )  # fmt: skip
    return rows


def _meta_gradients(
    mdp: TabularMDP, step_size: float, horizon: float = HORIZON
) -> dict[str, Callable[[Tensor], Tensor]]:
    """From noise to the meta-gradient, by Jacobian; the exact one first."""
    start = torch.zeros_like(mdp.rewards)

    def of_noise(name: str, noise: Tensor) -> Tensor:
        return composed(mdp, start, noise, step_size=step_size, jacobian=name, horizon=horizon)

    return {name: partial(of_noise, name) for name in JACOBIANS}


def _generator(seed: int, *setting: float) -> torch.Generator:
    """One stream per setting, whatever else is measured."""
    sequence = np.random.SeedSequence([seed, *(round(1000 * number) for number in setting)])
    return torch.Generator().manual_seed(int(sequence.generate_state(1)[0]))
