"""The study of gradients and Hessians: its pieces against autodiff, and its quick size."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_nested_means_are_what_autodiff_makes_of_the_logits(
    load: Callable[[str], ModuleType], epsilon: float
) -> None:
    study, processes = (
        load("gradient_studies.gradient_estimates"),
        load("gradient_studies.random_processes"),
    )
    case = study.make_case(processes.reference_process(0, 4, 3), epsilon, 0)
    trajectories = study.sample_trajectories(
        case.mdp, case.behaviour, 5, 30, torch.Generator().manual_seed(0)
    )
    values = torch.randn(30, 6, generator=torch.Generator().manual_seed(1)).double()
    acted = None if case.on_policy else trajectories.actions.double() * 0 - math.log(3)
    assert case.on_policy == (epsilon == 0)
    names = [study.FIRST, study.SECOND, study.ROBUST, study.SAMPLING, study.V_TRACE]
    for name in names + [study.SCORE] * case.on_policy:
        function = partial(study.estimate, name, trajectories.rewards, values, acted)
        entries = trajectories.states[:, :-1] * 3 + trajectories.actions
        found = study.nested_means(function, case.logits, entries, (10, 30))

        def mean(logits: torch.Tensor, function: Any = function) -> torch.Tensor:
            logp = study.taken_log_probabilities(trajectories, logits)
            return function(logp)[:10].mean()

        for kind, expected in study.derivatives(mean, case.logits).items():
            torch.testing.assert_close(found[kind][0], expected, rtol=0, atol=1e-12)
            assert (found[kind][1] - expected).norm() > 1e-3


def test_expected_v_trace_is_the_mean_of_samples(load: Callable[[str], ModuleType]) -> None:
    study, processes = (
        load("gradient_studies.gradient_estimates"),
        load("gradient_studies.random_processes"),
    )
    case = study.make_case(processes.reference_process(0, 4, 3, 1.0), 0.5, 0)
    trajectories = study.sample_trajectories(
        case.mdp, case.behaviour, study.HORIZON, 20_000, torch.Generator().manual_seed(0)
    )
    critic = case.critic()
    values = critic[torch.arange(study.HORIZON + 1), trajectories.states]
    logp = study.taken_log_probabilities(trajectories, case.logits)
    acted = study.taken_log_probabilities(trajectories, case.behaviour.log())
    found = study.estimate(study.V_TRACE, trajectories.rewards, values, acted, logp)
    expected = study.expected_v_trace(case, case.logits)
    error = float(found.std()) / 20_000**0.5
    assert float(found.mean()) == pytest.approx(float(expected), abs=4 * error)
    truth = study.expectation(study.ROBUST, case)(case.logits)
    assert abs(float(expected - truth)) > 20 * error


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_quick_size_shows_what_the_full_one_does(run: Callable[[str], Path]) -> None:
    out = run("gradient_bias")
    assert len(list(out.glob("*.png"))) == 3
    found = {
        (row["derivative"], row["epsilon"], row["estimator"]): row for row in read(out / "bias.csv")
    }
    assert len(found) == 2 * 2 * 5
    for (_, _, name), row in found.items():
        exact, sampled, variance = (
            float(row[column])
            for column in (
                "relative_squared_bias", "sampled_relative_squared_bias", "relative_variance"
            )
        )  # fmt: skip
        # One critic's noise stays in V-trace's mean, and importance sampling has heavy tails.
        if name in ("order 1", "order 2"):
            assert sampled == pytest.approx(exact, abs=2 * variance + 0.01)
    assert float(found["Hessian", "0", "order 1"]["relative_squared_bias"]) > 0.15
    assert float(found["Hessian", "0", "order 2"]["relative_squared_bias"]) < 1e-12
    for row in read(out / "crossover.csv"):
        assert 20 < float(row["samples_at_crossing"]) < 1000
    for row in read(out / "ceilings.csv"):
        low, high = (0.95, 1) if row["family"].endswith(" 1") else (0.75, 0.92)
        assert low < float(row["order_1_correlation"]) < high
