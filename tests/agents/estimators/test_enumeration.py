"""Enumerated trajectories and batches: complete, once each, with the right probabilities."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch

from agents.estimators.enumeration import (
    batch_probabilities,
    enumerate_batches,
    enumerate_trajectories,
    taken_log_probabilities,
    trajectory_probabilities,
)
from agents.estimators.tabular_mdp import TabularMDP


def test_every_trajectory_once_with_its_probability(process: Any) -> None:
    trajectories, mdp = process.trajectories, process.mdp
    law = trajectory_probabilities(trajectories, process.behaviour)
    found = {}
    for states, actions, rewards, probability in zip(
        trajectories.states.tolist(),
        trajectories.actions.tolist(),
        trajectories.rewards.tolist(),
        law.tolist(),
        strict=True,
    ):
        found[tuple(states), tuple(actions)] = rewards, probability
    assert len(found) == len(law) == 64
    assert float(law.sum()) == pytest.approx(1, abs=1e-14)
    for rest in product(range(2), repeat=6):
        states, actions = (0, *rest[:3]), rest[3:]
        expected = 1.0
        for time in range(3):
            expected *= float(process.behaviour[states[time], actions[time]])
            expected *= float(mdp.transitions[states[time], actions[time], states[time + 1]])
        rewards, probability = found[states, actions]
        assert probability == pytest.approx(expected, abs=1e-15)
        assert rewards == [float(mdp.rewards[states[t], actions[t]]) for t in range(3)]


def test_what_the_dynamics_rule_out_is_left_out(mdp: TabularMDP) -> None:
    certain = torch.zeros_like(mdp.transitions)
    certain[..., 1] = 1
    initial = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64)
    trajectories = enumerate_trajectories(replace(mdp, transitions=certain, initial=initial), 3)
    assert trajectories.states.shape == (2 * 2**3, 4)
    assert (trajectories.states[:, 1:] == 1).all()
    assert trajectories.dynamics.tolist() == [0.5] * 16


def test_log_probabilities_are_of_the_actions_taken(process: Any) -> None:
    logp = taken_log_probabilities(process.trajectories, process.logits)
    expected = process.trajectories.dynamics * logp.sum(-1).exp()
    actual = trajectory_probabilities(process.trajectories, process.logits.softmax(-1))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-15)


def test_batches_are_all_multisets_with_multinomial_probabilities() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.2, 0.0], dtype=torch.float64)
    counts = enumerate_batches(4, 3)
    expected: dict[tuple[int, ...], float] = {}
    for members in product(range(4), repeat=3):
        key = tuple(members.count(i) for i in range(4))
        chance = 1.0
        for member in members:
            chance *= float(probabilities[member])
        expected[key] = expected.get(key, 0.0) + chance
    law = batch_probabilities(counts, probabilities)
    found = dict(zip(map(tuple, counts.tolist()), law.tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-14)
    assert len(counts) == len(expected)
    assert enumerate_batches(16, 5).shape == (15504, 16)


def test_bad_arguments_are_refused(mdp: TabularMDP) -> None:
    with pytest.raises(ValueError, match="horizon must be a positive"):
        enumerate_trajectories(mdp, 0)
    with pytest.raises(ValueError, match="10077696 trajectories of 9 steps, more than"):
        enumerate_trajectories(mdp, 9)
    with pytest.raises(ValueError, match="must be positive, got 4 and 0"):
        enumerate_batches(4, 0)
    with pytest.raises(ValueError, match="batches of 20 out of 64 trajectories"):
        enumerate_batches(64, 20)
