"""The inner loop of MAML: collecting episodes of many tasks and adapting to each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from agents import ranks
from agents.estimators.advantages import gae
from agents.estimators.sampling_correction import cross_task_baseline
from agents.estimators.surrogate import surrogate
from agents.linear_baseline import fit_values
from agents.maml_config import MAMLConfig
from agents.task_network import ForwardPass, Slopes
from agents.task_policy import Parameters, TaskPolicy
from agents.task_rollouts import Episodes, collect_episodes
from agents.threads import in_threads
from metaenvs import Tasks

__all__ = [
    "InnerStep",
    "MAMLPolicy",
    "MetaBatch",
    "Path",
    "adapt_again",
    "chunks_of",
    "for_each",
    "inner_advantages",
    "inner_step",
    "meta_batch",
    "sample",
]


STEPS_OF_NOISE = 16
"""Drawn at once; what an episode leaves is thrown away."""


class MAMLPolicy(TaskPolicy):
    """The initialisation, learned rates if there are any, and how to adapt from it."""

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        config: MAMLConfig,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            config.hidden_sizes,
            generator,
            initial_deviation=config.initial_deviation,
            rate=config.inner_rate if config.learn_inner_rates else None,
        )
        self.config = config


def advantages_of(episodes: Episodes, policy: MAMLPolicy, *, critic: bool) -> Tensor:
    """Advantages (tasks, rollouts, time), 0 on padding, over the critic or none."""
    config, values = policy.config, None
    if critic:
        returns = gae(episodes.rewards, gamma=config.discount, mask=episodes.mask)
        fitted = fit_values(
            episodes.features, episodes.times, episodes.pack(returns), episodes.valid,
            squares=not policy.observes_codes,  # One-hot features are their own.
        )  # fmt: skip
        values = nn.functional.pad(episodes.lay_out(fitted), (0, 1))
    return gae(
        episodes.rewards, values, gamma=config.discount, trace_decay=config.trace_decay,
        mask=episodes.mask,
    )  # fmt: skip


def inner_advantages(episodes: Episodes, policy: MAMLPolicy) -> Tensor:
    """What the inner estimator multiplies: DiCE has no critic by definition."""
    config = policy.config
    critic = config.critic == "linear" and config.inner_estimator != "dice"
    advantages = advantages_of(episodes, policy, critic=critic)
    if not config.standardise_inner:
        return advantages
    num_steps = episodes.num_steps[:, None, None]
    mean = advantages.sum((1, 2), keepdim=True) / num_steps
    centred = (advantages - mean).where(episodes.mask, 0)
    deviation = (centred.square().sum((1, 2), keepdim=True) / num_steps).sqrt()
    return centred / (deviation + 1e-8)


@dataclass(frozen=True)
class InnerStep:
    """One inner step of some tasks, and how small changes pass through it.

    A change ``v`` of the parameters before becomes ``v + rate * H v`` after, where H is the
    Hessian of the inner objective; gradients pass backwards through the transposed of that.
    """

    outputs: Tensor
    """Of the network before the step (tasks, n, outputs): a leaf."""
    slopes: Slopes
    """The inner objective's, by the parameters."""
    gradient: Tensor
    """The inner objective's by the outputs, with the graph that leads to them."""
    rates: float | Parameters
    first_order: bool
    passed: ForwardPass
    after: Parameters
    """The adapted parameters (tasks, ...)."""

    def tangent(self, change: Parameters, rates: Parameters) -> Parameters:
        """How the adapted parameters change with those before, and with learned rates."""
        moved = dict(change)
        if not self.first_order:
            curved = self.slopes.change(change, self.gradient)
            moved = {name: value + self._times(curved, name) for name, value in change.items()}
        for name, rate in rates.items():
            moved[name] = moved[name] + rate * self.slopes.gradient[name]
        return moved

    def adjoint(self, gradient: Parameters) -> tuple[Parameters, Parameters]:
        """The gradient by the parameters before, and by learned rates, from that by those after."""
        rates = {}
        if not isinstance(self.rates, float):
            rates = {
                name: (gradient[name] * self.slopes.gradient[name]).sum(0) for name in gradient
            }
        if self.first_order:
            return gradient, rates
        direction = {name: self._times(gradient, name) for name in gradient}
        curved = self.slopes.change(direction, self.gradient)
        return {name: value + curved[name] for name, value in gradient.items()}, rates

    def _times(self, values: Parameters, name: str) -> Tensor:
        rate = self.rates if isinstance(self.rates, float) else self.rates[name].detach()
        return rate * values[name]


def inner_step(
    policy: MAMLPolicy,
    parameters: Parameters,
    episodes: Episodes,
    advantages: Tensor,
    *,
    acted: bool = False,
) -> InnerStep:
    """One inner step of each task, on its own episodes (Finn et al. 2017, algorithm 3, line 7).

    The objective of a task is the surrogate's mean over its steps.

    Args:
        policy: Its configuration says how.
        parameters: Of each task (tasks, ...).
        episodes: Collected with these, or with what they were before the outer epochs.
        advantages: (tasks, rollouts, time).
        acted: Whether it was these that collected: what they gave is then known.
    """
    config = policy.config
    known = episodes.known_pass if acted else None
    passed = ForwardPass(policy, parameters, episodes.features, known)
    with torch.enable_grad():
        log_probabilities = policy.distribution.log_probabilities(passed.outputs, episodes.actions)
        per_episode = surrogate(
            episodes.lay_out(log_probabilities),
            advantages,
            behaviour_logp=None if config.inner_order == "score" else episodes.log_probabilities,
            order=config.inner_order,
            decay=config.dice_decay if config.inner_order == math.inf else 1.0,
            mask=episodes.mask,
        )
        # A task's parameters enter its own term only, so the sum's gradient is that of each.
        objective = (per_episode.sum(1) / episodes.num_steps).sum()
        (gradient,) = torch.autograd.grad(objective, passed.outputs, create_graph=True)
    slopes = passed.slopes(gradient.detach())
    rates = dict(policy.rates.items()) if len(policy.rates) else config.inner_rate
    step = InnerStep(passed.outputs, slopes, gradient, rates, config.first_order, passed, {})
    for name, value in parameters.items():
        step.after[name] = value.detach() + step._times(slopes.gradient, name)
    return step


@dataclass(frozen=True)
class MetaBatch:
    """All episodes of an iteration, and what the outer step makes of their rewards."""

    inner: list[Episodes]
    """Of each inner step."""
    inner_advantages: list[Tensor]
    """(tasks, rollouts, time) each."""
    outer: Episodes
    outer_advantages: Tensor
    """(tasks, rollouts, time)"""
    outer_returns: Tensor
    """Mean return of each adapted policy, in the units of the advantages and over the mean length
    of its episodes, as the mean over steps has it (tasks,)."""
    baseline: Tensor
    """What the correction compares them with (tasks,)."""
    chunks: list[slice]
    """The tasks of each program."""

    def parts(self) -> list[MetaBatch]:
        """The batch, chunk by chunk."""
        return [self._of_tasks(chunk) for chunk in self.chunks]

    def _of_tasks(self, tasks: slice) -> MetaBatch:
        return MetaBatch(
            [episodes.of_tasks(tasks) for episodes in self.inner],
            [advantages[tasks] for advantages in self.inner_advantages],
            self.outer.of_tasks(tasks), self.outer_advantages[tasks], self.outer_returns[tasks],
            self.baseline[tasks], [slice(None)],
        )  # fmt: skip


Path = list[InnerStep]
"""The inner steps of some tasks, in their order."""


def adapt_again(policy: MAMLPolicy, batch: MetaBatch) -> Path:
    """The inner steps from the initialisation as it is now, on episodes collected before."""
    current, path = policy.for_tasks(len(batch.baseline)), []
    for episodes, advantages in zip(batch.inner, batch.inner_advantages, strict=True):
        path.append(inner_step(policy, current, episodes, advantages))
        current = path[-1].after
    return path


def sample(
    env: gym.vector.VectorEnv[Any, Any, Any],
    policy: MAMLPolicy,
    tasks: Tasks,
    generator: torch.Generator,
    threads: int = 1,
) -> tuple[MetaBatch, list[Path]]:
    """Collect, adapt, and collect again, with this rank's share of the tasks.

    Inner steps depend on the number of threads to rounding, for given parameters no action does.
    Answers the paths of all chunks of tasks too: these keep what derivatives need, and the first
    outer step need not adapt again.
    """
    config = policy.config
    mine = ranks.share(config.num_tasks, "num_tasks")
    tasks = tasks[mine]
    inner: list[Episodes] = []
    advantages: list[Tensor] = []
    paths: list[Path] = []

    def noise() -> Iterator[Tensor]:
        shape = (STEPS_OF_NOISE, config.num_tasks, config.rollouts_per_task)
        while True:
            yield from policy.distribution.noise(shape, generator)[:, mine]

    def advance(number: int) -> None:
        chunk = chunks[number]
        before = {name: value[chunk] for name, value in current.items()}
        episodes = inner[-1].of_tasks(chunk)
        paths[number].append(
            inner_step(policy, before, episodes, advantages[-1][chunk], acted=True)
        )

    def collect(phase: int) -> Episodes:
        pinned = tasks if phase == 0 else None
        return collect_episodes(
            env, policy, current, partial(next, noise()), tasks=pinned, threads=threads
        )

    current = policy.for_tasks(len(tasks))
    for step in range(config.inner_steps):
        inner.append(collect(step))
        advantages.append(inner_advantages(inner[-1], policy))
        if step == 0:
            chunks = chunks_of(inner[0], config, threads)
            paths = [[] for _ in chunks]
        for_each(advance, len(chunks), threads)
        current = {name: torch.cat([path[-1].after[name] for path in paths]) for name in current}
    outer = collect(config.inner_steps)
    return meta_batch(inner, advantages, outer, policy, chunks), paths


def meta_batch(
    inner: list[Episodes],
    advantages: list[Tensor],
    outer: Episodes,
    policy: MAMLPolicy,
    chunks: list[slice],
) -> MetaBatch:
    """What the outer step needs; E-MAML's returns are not the advantages.

    Advantages over a baseline that is fitted to the task have mean 0 in it, and a correction made
    of them would vanish (Stadie et al.'s released code has this fault).
    """
    config = policy.config
    outer_advantages = advantages_of(outer, policy, critic=config.critic == "linear")
    lengths = outer.num_steps / outer.mask.shape[1]
    returns = outer.returns.mean(1) / lengths
    if config.standardise_advantages:
        to_go = gae(outer.rewards, gamma=config.discount, mask=outer.mask)[outer.mask]
        scale = ranks.deviation(to_go) + 1e-8
        mean = ranks.mean(outer_advantages[outer.mask])
        outer_advantages = ((outer_advantages - mean) / scale).where(outer.mask, 0)
        returns = returns / scale
    baseline = torch.zeros_like(returns)
    if config.correction_weight and config.correction_baseline == "cross-task":
        mine = ranks.share(config.num_tasks, "num_tasks")
        baseline = cross_task_baseline(torch.cat(ranks.everyone(returns)))[mine]
    return MetaBatch(inner, advantages, outer, outer_advantages, returns, baseline, chunks)


def chunks_of(episodes: Episodes, config: MAMLConfig, threads: int = 1) -> list[slice]:
    """The tasks of each program.

    Those whose curvature TRPO takes are apart from the rest. On a GPU that is all; on a CPU both
    are divided evenly among the threads, and further where that leaves more than
    ``steps_per_chunk`` steps and more than one task together.
    """
    num_tasks, steps = episodes.valid.shape
    curved = min(config.curved_tasks, num_tasks) if config.outer == "trpo" else num_tasks
    starts: list[int] = []
    for first, end in ((0, curved), (curved, num_tasks)):
        size = max(1, end - first)
        if config.device == "cpu":
            size = min(max(1, config.steps_per_chunk // steps), -(-size // threads))
        starts += range(first, end, size)
    return [slice(start, end) for start, end in itertools.pairwise([*starts, num_tasks])]


def for_each(function: Callable[[int], Any], number: int, threads: int) -> list[Any]:
    """Results of ``function`` on 0, 1, ..., in order, divided among threads."""
    shares = [range(first, number, threads) for first in range(min(threads, number))]
    results = in_threads(lambda share: [function(index) for index in share], shares)
    return [results[index % len(shares)][index // len(shares)] for index in range(number)]
