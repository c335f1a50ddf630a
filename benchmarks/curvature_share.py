"""TRPO's step in MAML with the curvature of half of the tasks, beside that of all.

    python benchmarks/curvature_share.py

For each seed an initialisation is trained for some iterations; then both steps start from it, with
the same episodes. ``results/curvature-share.csv`` has the cosine between them, and the gain of each
in the objective.
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from pathlib import Path

import torch

from agents import maml
from agents.maml_inner import adapt_again, sample
from agents.maml_outer import OuterPass, update

RESULT = Path(__file__).parent / "results" / "curvature-share.csv"
CONFIG = maml.MAMLConfig(env_id="metaenvs/PointCorners-v0")
SEEDS = range(5)
ITERATIONS = 10
"""Before the steps that are compared."""
SHARES = (CONFIG.trust_region.curvature_share, 1.0)


def compare(config: maml.MAMLConfig, iterations: int) -> dict[str, float]:
    """Train, and take both steps: their cosine, and the gain of each."""
    state = maml.start(config)
    policy, family = state.module, state.env.unwrapped
    for iteration in range(iterations + 1):
        tasks = family.sample_tasks(config.num_tasks)
        batch, paths = sample(state.env, policy, tasks, state.generators["action"])
        if iteration < iterations:
            update(policy, state.optimiser, batch, paths)
    state.env.close()
    begun = torch.nn.utils.parameters_to_vector(policy.parameters()).detach()
    steps, gains = [], []
    for share in SHARES:
        torch.nn.utils.vector_to_parameters(begun.clone(), policy.parameters())
        region = dataclasses.replace(config.trust_region, curvature_share=share)
        policy.config = dataclasses.replace(config, trust_region=region)
        before = update(policy, state.optimiser, batch, paths)["objective"]
        reached = torch.nn.utils.parameters_to_vector(policy.parameters()).detach()
        steps.append(reached - begun)
        gains.append(objective(policy, batch) - before)
    cosine = torch.nn.functional.cosine_similarity(*steps, dim=0)
    return {
        "cosine": float(cosine),
        **{f"gain_{s:g}": g for s, g in zip(SHARES, gains, strict=True)},
    }


@torch.no_grad()
def objective(policy: maml.MAMLPolicy, batch) -> float:
    """Of the initialisation as it is, the mean over the tasks."""
    values = [
        OuterPass.of(policy, adapt_again(policy, part), part).objective()[0]
        for part in batch.parts()
    ]
    return float(sum(values)) / len(batch.baseline)


def main() -> None:
    """Write the table."""
    torch.set_num_threads(1)
    rows = []
    for seed in SEEDS:
        row = compare(dataclasses.replace(CONFIG, seed=seed), ITERATIONS)
        rows.append({"seed": seed, **{name: f"{value:.5f}" for name, value in row.items()}})
        print(rows[-1], file=sys.stderr)
    with RESULT.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
