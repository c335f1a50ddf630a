"""The study of meta-gradients: its pieces against the library's oracles, and its quick size."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from agents.estimators.inner_updates import meta_gradient
from agents.estimators.meta_oracles import exact_meta_gradient
from agents.estimators.tabular_mdp import exact_gradient, exact_taypo, exact_value

Load = Callable[[str], ModuleType]


def close(actual: Tensor, expected: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("num_steps", [1, 3])
def test_without_noise_it_is_the_meta_gradient_of_the_estimator(load: Load, num_steps: int) -> None:
    study = load("gradient_studies.composed_meta_gradient")
    mdp = load("gradient_studies.random_processes").reference_process(0, 4, 3)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()

    def value(_: Tensor, table: Tensor) -> Tensor:
        return exact_value(mdp, table.softmax(-1), 5)

    def order_one(_: Tensor, table: Tensor) -> Tensor:
        return exact_taypo(mdp, table.softmax(-1), table.softmax(-1).detach(), 1, 5)

    still = torch.zeros(num_steps, 4, 3, dtype=torch.float64)
    found = {
        name: study.composed(mdp, logits, still, step_size=2.0, jacobian=name, horizon=5)
        for name in study.JACOBIANS
    }
    close(
        found[study.EXACT],
        exact_meta_gradient(logits, value, value, num_steps=num_steps, step_size=2.0),
    )
    pairs = [(value, order_one)] * num_steps
    close(found[study.ORDER_ONE], meta_gradient(logits, pairs, value, step_size=2.0))
    first_order = meta_gradient(logits, [value] * num_steps, value, step_size=2.0, first_order=True)
    close(found[study.FIRST_ORDER], first_order)
    assert (found[study.SCORE] - first_order).norm() > 1e-2
    for name in (study.ORDER_ONE, study.FIRST_ORDER):
        assert (found[name] - found[study.EXACT]).norm() > 1e-3


def test_enumerated_noises_are_every_pair_of_trajectories_at_every_step(load: Load) -> None:
    study = load("gradient_studies.inner_noise")
    mdp, logits = load("gradient_studies.enumerated_biases").small_process(1)
    noises = study.enumerated_noises(
        mdp, logits, horizon=2, batch_size=2, num_steps=2, step_size=0.7
    )
    assert float(noises.weights.sum()) == pytest.approx(1)
    every = study.distinct_trajectories(mdp, 2)
    assert every.actions.shape == (8, 2)
    expected = torch.zeros(2, 2, dtype=torch.float64)

    def law_and_gradients(table: Tensor) -> tuple[Tensor, Tensor]:
        policy = table.softmax(-1)
        places = (every.states[:, :-1], every.actions)
        law = every.dynamics * policy[places].prod(-1)
        scores = torch.eye(4).double().view(2, 2, 2, 2)[places].clone()
        for n, t in product(range(8), range(2)):
            scores[n, t, every.states[n, t]] -= policy[every.states[n, t]]
        rewards = every.rewards * torch.tensor([1.0, mdp.discount], dtype=torch.float64)
        returns = rewards.flip(-1).cumsum(-1).flip(-1)
        return law, (returns[:, :, None, None] * scores).sum(1)

    law, gradients = law_and_gradients(logits)
    for i, j in product(range(8), repeat=2):
        table = logits + 0.7 * (gradients[i] + gradients[j]) / 2
        after, slopes = law_and_gradients(table)
        # Squares, since the mean of the last gradient is the exact one whatever is wrong.
        mean = torch.einsum("r,rij->ij", after, slopes)
        close(mean, exact_gradient(mdp, table, 2))
        variance = torch.einsum("r,rij->ij", after, (slopes - mean).square()) / 2
        expected += law[i] * law[j] * ((table + 0.7 * mean).square() + 0.7**2 * variance)
    adapted = noises.tables[:, 1] + 0.7 * (
        torch.vmap(lambda at: exact_gradient(mdp, at, 2))(noises.tables[:, 1]) + noises.terms[:, 1]
    )
    close(torch.einsum("p,pij->ij", noises.weights, adapted.square()), expected)


def test_sampled_noises_have_no_mean_and_move_the_policy(load: Load) -> None:
    study = load("gradient_studies.inner_noise")
    mdp, logits = load("gradient_studies.enumerated_biases").small_process(0)
    arguments = {"horizon": 2, "num_steps": 2, "step_size": 1.0, "batch_size": 3}
    noises = study.sampled_noises(
        mdp, logits, count=20_000, generator=torch.Generator().manual_seed(0), **arguments
    )
    for step in range(2):
        terms = noises.terms[:, step]
        error = terms.std(0) / 20_000**0.5
        assert (terms.mean(0).abs() < 4.5 * error).all()
        assert (terms.std(0) > 0.01).all()
    moved = noises.tables[:, 1] - logits - noises.terms[:, 0]
    close(moved, exact_gradient(mdp, logits, 2).expand_as(moved))
    still = study.sampled_noises(
        mdp, logits, count=2, generator=torch.Generator().manual_seed(0), moved=False, **arguments
    )
    close(still.tables[0], still.tables[1], 0)


def test_limit_of_a_quadratic_function_is_its_bias(load: Load) -> None:
    study = load("gradient_studies.composed_meta_gradient")
    generator = torch.Generator().manual_seed(0)
    bend = torch.randn(2, 2, 2, generator=generator, dtype=torch.float64)
    noises = torch.randn(5, 3, 2, generator=generator, dtype=torch.float64)
    steps = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)

    def function(noise: Tensor) -> Tensor:
        total = torch.einsum("k,ki->i", steps, noise)
        return 3 * total + torch.einsum("aij,i,j->a", bend, total, total)

    expected = torch.einsum("aij,k,nki,nkj->nka", bend, steps**2, noises, noises)
    close(study.noise_limit(function, noises), expected, 1e-7)


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_quick_size_shows_what_the_full_one_does(run: Callable[[str], Path]) -> None:
    out = run("meta_gradient_bias")
    assert len(list(out.glob("*.png"))) == 3
    for row in read(out / "bounds.csv"):
        assert 0.001 < float(row["largest_share_of_the_bound"]) < 1
    for row in read(out / "enumerated.csv"):
        if row["sweep"] == "rate" and float(row["rate"]) < 1:
            assert float(row["outer_gradient_bias"]) == pytest.approx(
                float(row["outer_gradient_limit_over_n"]), rel=0.3
            )
    sampled = read(out / "sampled.csv")
    by_samples = {
        (row["jacobian"], int(row["samples"])): row for row in sampled if row["sweep"] == "samples"
    }
    for name in ("order 1", "score, no critic", "first-order"):
        few, many = (float(by_samples[name, n]["total"]) for n in (16, 64))
        hessian = float(by_samples[name, 64]["hessian"])
        assert math.sqrt(many) == pytest.approx(math.sqrt(hessian), rel=0.15)
        assert many > 0.6 * few
    few, many = (float(by_samples["exact", n]["total"]) for n in (16, 64))
    assert many < 0.5 * few
    one_step = [row for row in read(out / "intrinsic_rewards.csv") if row["steps"] == "1"]
    assert one_step and all(float(row["relative_bias"]) < 1e-10 for row in one_step)
