"""A process small enough to be enumerated, and estimates' derivatives without sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from agents.estimators.advantages import bootstrapped_return, gae
from agents.estimators.enumeration import (
    Trajectories,
    enumerate_trajectories,
    taken_log_probabilities,
    trajectory_probabilities,
)
from agents.estimators.tabular_mdp import (
    TabularMDP,
    exact_gradient,
    exact_hessian,
    exact_value,
    finite_horizon_action_values,
    finite_horizon_state_values,
)


@dataclass(frozen=True)
class EnumeratedProcess:
    """All trajectories of a random process, a policy, another one that acted, and wrong critics."""

    mdp: TabularMDP
    horizon: int
    trajectories: Trajectories
    logits: Tensor
    behaviour: Tensor
    critic: Tensor  # (horizon + 1, states), 0 at the end
    action_critic: Tensor  # (horizon + 1, states, actions), 0 at the end

    @property
    def gamma(self) -> float:
        return self.mdp.discount

    @property
    def rewards(self) -> Tensor:
        return self.trajectories.rewards

    def acting(self, on_policy: bool) -> Tensor:
        """The behaviour policy's table."""
        return self.logits.softmax(-1).detach() if on_policy else self.behaviour

    def probabilities(self, on_policy: bool = True) -> Tensor:
        return trajectory_probabilities(self.trajectories, self.acting(on_policy))

    def logp(self, logits: Tensor) -> Tensor:
        return taken_log_probabilities(self.trajectories, logits)

    def behaviour_logp(self, on_policy: bool) -> Tensor | None:
        return None if on_policy else self.logp(self.behaviour.log())

    def values(self, critic: Tensor | None = None) -> Tensor:
        critic = self.critic if critic is None else critic
        return critic[torch.arange(self.horizon + 1), self.trajectories.states]

    def exact_critic(self, on_policy: bool = True) -> Tensor:
        return finite_horizon_state_values(self.mdp, self.acting(on_policy), self.horizon)

    def exact_action_critic(self) -> Tensor:
        values = finite_horizon_action_values(self.mdp, self.acting(True), self.horizon)
        return torch.cat([values, torch.zeros_like(values[:1])])

    def advantages(self, values: Tensor | None, trace_decay: float = 1.0) -> Tensor:
        return gae(self.rewards, values, gamma=self.gamma, trace_decay=trace_decay)

    def offset(self, values: Tensor | None) -> Tensor:
        return bootstrapped_return(self.rewards, values, gamma=self.gamma)

    def expectation(
        self, estimate: Callable[[Tensor], Tensor], on_policy: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Value, gradient and Hessian of an estimate (trajectories,) in expectation, at logits."""
        law = self.probabilities(on_policy)
        return derivatives(lambda logits: law @ estimate(logits), self.logits)

    def exact(self) -> tuple[Tensor, Tensor, Tensor]:
        """Value, gradient and Hessian of the policy's true value."""
        return (
            exact_value(self.mdp, self.logits.softmax(-1), self.horizon),
            exact_gradient(self.mdp, self.logits, self.horizon),
            exact_hessian(self.mdp, self.logits, self.horizon),
        )

    def scores(self) -> Tensor:
        """Gradient of each step's log probability, (trajectories, time, parameters)."""
        return torch.func.jacrev(self.logp)(self.logits).flatten(2)


def derivatives(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    first = torch.func.jacrev(function)
    return function(at).detach(), first(at), torch.func.jacrev(first)(at)


def random_mdp(generator: torch.Generator, num_states: int, num_actions: int) -> TabularMDP:
    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    # Far from uniform, so that what an action leads to matters.
    transitions = uniform(num_states, num_actions, num_states) ** 4 + 0.01
    return TabularMDP(
        transitions=transitions / transitions.sum(-1, keepdim=True),
        rewards=uniform(num_states, num_actions) * 2 - 0.5,
        initial=torch.eye(num_states, dtype=torch.float64)[0],
        discount=0.8,
    )


def build_process(horizon: int, seed: int = 0) -> EnumeratedProcess:
    generator = torch.Generator().manual_seed(seed)
    mdp = random_mdp(generator, 2, 2)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    logits = normal(2, 2)
    behaviour = (logits + 0.3 * normal(2, 2)).softmax(-1)
    critic, action_critic = normal(horizon + 1, 2), normal(horizon + 1, 2, 2)
    critic[-1], action_critic[-1] = 0, 0
    return EnumeratedProcess(
        mdp,
        horizon,
        enumerate_trajectories(mdp, horizon),
        logits,
        behaviour,
        critic,
        action_critic,
    )


@pytest.fixture
def make_process() -> Callable[..., EnumeratedProcess]:
    return build_process


@pytest.fixture
def process() -> EnumeratedProcess:
    """Two states, two actions, three steps: 64 trajectories."""
    return build_process(3)


@pytest.fixture
def differentiate() -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """Value, first and second derivatives of a function of one tensor."""
    return derivatives


@pytest.fixture
def mdp() -> TabularMDP:
    """Three states and two actions."""
    return random_mdp(torch.Generator().manual_seed(5), 3, 2)
