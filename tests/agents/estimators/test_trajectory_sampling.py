"""Sampled trajectories against the enumerated law."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from agents.estimators.enumeration import trajectory_probabilities
from agents.estimators.tabular_mdp import TabularMDP
from agents.estimators.trajectory_sampling import sample_trajectories


def test_frequencies_are_the_enumerated_probabilities_for_each_policy(process: Any) -> None:
    policies = torch.stack([process.logits.softmax(-1), process.behaviour])
    count = 20_000
    drawn = sample_trajectories(process.mdp, policies, 3, count, torch.Generator().manual_seed(0))
    assert drawn.states.shape == (2, count, 4)
    assert drawn.actions.shape == drawn.rewards.shape == (2, count, 3)
    powers = 2 ** torch.arange(7)

    def code(states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return (torch.cat([states, actions], -1) * powers).sum(-1)

    every = process.trajectories
    for row, policy in enumerate(policies):
        found = code(drawn.states[row], drawn.actions[row]).bincount(minlength=128) / count
        law = torch.zeros(128, dtype=torch.float64)
        law[code(every.states, every.actions)] = trajectory_probabilities(every, policy)
        error = (law * (1 - law) / count).sqrt()
        assert ((found - law).abs() <= 4.5 * error).all()
    place = (drawn.states[..., :-1], drawn.actions)
    assert torch.equal(drawn.rewards, process.mdp.rewards[place])
    steps = process.mdp.transitions[(*place, drawn.states[..., 1:])]
    assert torch.allclose(drawn.dynamics, steps.prod(-1))


def test_what_is_impossible_is_never_drawn(mdp: TabularMDP) -> None:
    transitions = torch.zeros_like(mdp.transitions)
    transitions[..., 0], transitions[..., 1] = 0.1, 0.9  # Sums round to less than 1.
    policy = torch.zeros_like(mdp.rewards)
    policy[:, 0] = 1
    initial = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    drawn = sample_trajectories(
        replace(mdp, transitions=transitions, initial=initial), policy, 5, 1000,
        torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert drawn.states.shape == (1000, 6)
    assert (drawn.states[:, 0] == 1).all() and drawn.states.max() == 1
    assert (drawn.actions == 0).all()
    assert (drawn.dynamics > 0).all()


def test_bad_requests_are_refused(mdp: TabularMDP) -> None:
    generator, policy = torch.Generator(), torch.full((3, 2), 0.5, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 3, 2\), got \(2, 3\)"):
        sample_trajectories(mdp, policy.mT, 3, 1, generator)
    with pytest.raises(ValueError, match="must be positive, got 0 and 1"):
        sample_trajectories(mdp, policy, 0, 1, generator)
