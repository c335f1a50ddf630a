"""Exact values against torch's, against enumeration of policies, and against the world itself."""

from __future__ import annotations

import itertools
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs import Tasks
from metaenvs.tabular.values import (
    action_values,
    backward_induction,
    policy_iteration,
    state_values,
)


def draw(n_tasks: int, num_states: int, num_actions: int) -> tuple[Tasks, np.ndarray]:
    """Processes and random policies (n, states, actions)."""
    rng = np.random.default_rng(num_states)
    shape = (n_tasks, num_states, num_actions)
    tasks = Tasks(
        {
            "transitions": rng.dirichlet(np.full(num_states, 0.5), shape),
            "rewards": rng.normal(size=shape),
        }
    )
    return tasks, rng.dirichlet(np.ones(num_actions), shape[:2])


@pytest.mark.parametrize("horizon", [1, 7, math.inf])
def test_values_equal_the_estimators_oracle(horizon: float) -> None:
    torch = pytest.importorskip("torch")
    from agents.estimators import tabular_mdp as oracle

    tasks, policies = draw(3, 6, 4)
    values = state_values(tasks, policies, discount=0.9, horizon=horizon)
    of_actions = action_values(tasks, policies, discount=0.9, horizon=horizon)
    assert values.shape == (3, 6) and of_actions.shape == (3, 6, 4)
    for index, task in enumerate(tasks):
        policy = torch.as_tensor(policies[index])
        mdp = oracle.TabularMDP(
            torch.tensor(task["transitions"]), torch.tensor(task["rewards"]),
            torch.eye(6, dtype=torch.float64)[0], 0.9,
        )  # fmt: skip
        if horizon == math.inf:
            expected = oracle.state_values(mdp, policy), oracle.action_values(mdp, policy)
        else:
            expected = (
                oracle.finite_horizon_state_values(mdp, policy, int(horizon))[0],
                oracle.finite_horizon_action_values(mdp, policy, int(horizon))[0],
            )
        np.testing.assert_allclose(values[index], expected[0], atol=1e-12)
        np.testing.assert_allclose(of_actions[index], expected[1], atol=1e-12)


def test_policy_iteration_is_the_best_of_all_deterministic_policies() -> None:
    tasks, _ = draw(5, 3, 3)
    values, actions = policy_iteration(tasks, discount=0.8)
    every = [
        state_values(tasks, np.eye(3)[list(choice)], discount=0.8)
        for choice in itertools.product(range(3), repeat=3)
    ]
    np.testing.assert_allclose(values, np.max(every, axis=0), atol=1e-12)
    np.testing.assert_allclose(
        state_values(tasks, np.eye(3)[actions], discount=0.8), values, atol=1e-12
    )


def test_backward_induction_is_the_best_of_all_changing_policies() -> None:
    tasks, _ = draw(4, 2, 2)
    values, _ = backward_induction(tasks, discount=0.7, horizon=3)
    assert values.shape == (4, 4, 2) and (values[:, -1] == 0).all()
    best = np.full((4, 2), -np.inf)
    one_step = [np.eye(2)[list(choice)] for choice in itertools.product(range(2), repeat=2)]
    for policies in itertools.product(one_step, repeat=3):
        total = np.zeros((4, 2))
        for policy in reversed(policies):
            following = np.einsum("niaj,nj->nia", tasks["transitions"], total)
            total = (policy * (tasks["rewards"] + 0.7 * following)).sum(-1)
        best = np.maximum(best, total)
    np.testing.assert_allclose(values[:, 0], best, atol=1e-12)


def test_a_long_horizon_is_the_infinite_one() -> None:
    tasks, policies = draw(3, 5, 2)
    infinite = state_values(tasks, policies, discount=0.8)
    np.testing.assert_allclose(
        state_values(tasks, policies, discount=0.8, horizon=200), infinite, atol=1e-12
    )
    assert (policy_iteration(tasks)[0] >= infinite).all()


def test_one_policy_serves_all_tasks() -> None:
    tasks, policies = draw(3, 5, 2)
    np.testing.assert_array_equal(
        state_values(tasks, policies[0])[1], state_values(tasks, policies[:1].repeat(3, 0))[1]
    )


def mean_return(tasks: Tasks, act: Any, seed: int) -> tuple[float, float]:
    """Mean of the return and its standard error, in the world, a row for every task."""
    env = gym.make_vec("metaenvs/TabularMDP-v0", num_envs=len(tasks))
    env.reset(seed=seed, options={"task": tasks})
    rng = np.random.default_rng(seed)
    returns = np.zeros(len(tasks))
    place = np.zeros(len(tasks), np.int64)
    for step in range(20):
        observation, reward, _, truncated, _ = env.step(act(rng, step, place))
        place = observation[:, 0]
        returns += reward
    assert truncated.all()
    return float(returns.mean()), float(returns.std() / len(tasks) ** 0.5)


def test_the_world_pays_what_the_values_say() -> None:
    env = gym.make("metaenvs/TabularMDP-v0", concentration=0.5).unwrapped
    env.reset(seed=2)
    tasks = env.sample_tasks(4000)
    rows = np.arange(4000)
    uniform = state_values(tasks, np.full((10, 5), 0.2), discount=1.0, horizon=20)[:, 0].mean()
    mean, error = mean_return(tasks, lambda rng, step, place: rng.integers(5, size=4000), 1)
    assert abs(mean - uniform) < 4 * error
    values, actions = backward_induction(tasks, horizon=20)
    mean, error = mean_return(tasks, lambda rng, step, place: actions[rows, step, place], 2)
    assert abs(mean - values[:, 0, 0].mean()) < 4 * error
    assert mean > uniform + 20 * error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": np.ones((5, 3))}, "policy must have shape"),
        ({"policy": np.ones((5, 2))}, "policy must hold probabilities"),
        ({"discount": 1.0}, "below 1 for an infinite horizon"),
        ({"discount": -0.1}, "discount must lie in"),
        ({"horizon": 0}, "horizon must be a positive whole number"),
        ({"horizon": 2.5}, "horizon must be a positive whole number"),
    ],
)
def test_bad_arguments(change: dict[str, Any], message: str) -> None:
    tasks, policies = draw(2, 5, 2)
    arguments = {"policy": policies, "discount": 0.5, **change}
    for function in (state_values, action_values):
        with pytest.raises(ValueError, match=message):
            function(tasks, **arguments)


def test_backward_induction_needs_an_end() -> None:
    with pytest.raises(ValueError, match="needs a finite horizon"):
        backward_induction(draw(2, 5, 2)[0], horizon=math.inf)  # type: ignore[arg-type]
