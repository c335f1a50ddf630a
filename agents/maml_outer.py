"""The outer step of MAML: how the initialisation moves, by what the adapted policies earn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agents import ranks
from agents.estimators.sampling_correction import sampling_correction
from agents.estimators.surrogate import surrogate
from agents.maml_inner import MAMLPolicy, MetaBatch, Path, adapt_again, for_each
from agents.ppo import clipped_surrogate
from agents.task_network import ForwardPass
from agents.task_policy import Parameters
from agents.task_rollouts import Episodes
from agents.trpo import Vector, trust_region_step

__all__ = ["OuterPass", "outer_objective", "update"]


def outer_objective(
    policy: MAMLPolicy, outputs: Tensor, inner_outputs: Sequence[Tensor], batch: MetaBatch
) -> tuple[Tensor, Tensor]:
    """The outer objective of some tasks, summed over them, and what to report.

    Args:
        policy: Its configuration says which objective.
        outputs: Of the adapted policies on the outer episodes, packed.
        inner_outputs: Of the policies that collected for each inner step, as they are now.
        batch: The part of these tasks.

    Returns:
        A tensor without dimensions, to be maximised, and (2,): the adapted policies' entropies and
        their divergences from what they were when they acted, both summed over the tasks.
    """
    config, distribution = policy.config, policy.distribution
    outer, advantages = batch.outer, batch.outer_advantages
    log_probabilities = outer.lay_out(distribution.log_probabilities(outputs, outer.actions))
    if config.outer == "ppo":
        per_step = clipped_surrogate(
            log_probabilities, outer.log_probabilities, advantages, config.clip
        )
        per_episode = per_step.where(outer.mask, 0).sum(2)
    else:
        per_episode = surrogate(
            log_probabilities, advantages, behaviour_logp=outer.log_probabilities, order=1,
            mask=outer.mask,
        )  # fmt: skip
    objective = (per_episode.sum(1) / outer.num_steps).sum()
    entropy = _mean_over_steps(distribution.entropies(outputs), outer)
    if config.entropy_weight:
        objective = objective + config.entropy_weight * entropy
    if config.correction_weight or config.inner_divergence_weight:
        objective = objective + _before_adaptation(policy, inner_outputs, batch)
    divergence = _mean_over_steps(distribution.divergences(outer.outputs, outputs.detach()), outer)
    return objective, torch.stack([entropy.detach(), divergence])


def _before_adaptation(
    policy: MAMLPolicy, inner_outputs: Sequence[Tensor], batch: MetaBatch
) -> Tensor:
    """Terms of the policies that collected for the inner steps: E-MAML's and ProMP's."""
    config, distribution = policy.config, policy.distribution
    ratios, divergence = [], batch.baseline.new_zeros(())
    for outputs, episodes in zip(inner_outputs, batch.inner, strict=True):
        log_probabilities = distribution.log_probabilities(outputs, episodes.actions)
        # At the first outer step the ratio's gradient is the score's; later ones need the ratio.
        ratios.append((episodes.lay_out(log_probabilities) - episodes.log_probabilities).exp())
        kept = distribution.divergences(episodes.outputs, outputs)
        divergence = divergence + _mean_over_steps(kept, episodes)
    terms = -config.inner_divergence_weight * divergence / len(batch.inner)
    if config.correction_weight:
        corrections = sampling_correction(
            ratios,
            batch.outer_returns,
            baseline=batch.baseline,
            masks=[episodes.mask for episodes in batch.inner],
            reduction=config.correction_scale,
        )
        terms = terms + config.correction_weight * corrections.sum()
    return terms


def _mean_over_steps(packed: Tensor, episodes: Episodes) -> Tensor:
    """Each task's mean over its steps, summed over tasks."""
    return (packed.where(episodes.valid, 0).sum(1) / episodes.num_steps).sum()


@dataclass(frozen=True)
class OuterPass:
    """The outer objective of some tasks at one initialisation, and its derivatives there."""

    policy: MAMLPolicy
    path: Path
    batch: MetaBatch
    passed: ForwardPass
    """Of the adapted policies, on the outer episodes."""

    @staticmethod
    def of(policy: MAMLPolicy, path: Path, batch: MetaBatch, *, acted: bool = False) -> OuterPass:
        """From the inner steps of these tasks; ``acted`` says that what they led to collected."""
        known = batch.outer.known_pass if acted else None
        passed = ForwardPass(policy, path[-1].after, batch.outer.features, known)
        return OuterPass(policy, path, batch, passed)

    def objective(self) -> tuple[Tensor, Tensor]:
        """As :func:`outer_objective`."""
        inner_outputs = [step.outputs for step in self.path]
        return outer_objective(self.policy, self.passed.outputs, inner_outputs, self.batch)

    def gradient(self) -> tuple[Vector, Tensor]:
        """The objective's by the initialisation and the rates; and (3,), objective and report."""
        with torch.enable_grad():
            objective, told = self.objective()
            by_outputs, *by_inner = torch.autograd.grad(
                objective,
                [self.passed.outputs, *(step.outputs for step in self.path)],
                allow_unused=True,
            )
        vector = self._transposed(by_outputs, by_inner)
        return vector, torch.cat([objective.detach()[None], told])

    def curvature_product(self, vector: Vector, weights: Tensor) -> Vector:
        """A vector times the Hessian of the divergence from these adapted policies.

        The divergence is least here, so that its Hessian is ``J^T C J``, J being the Jacobian of
        the adapted policies' outputs and C the divergence's curvature by these: what lacks is a
        product with its gradient, which is 0.

        Args:
            vector: In the space of the initialisation and the rates.
            weights: Of each packed outer step (tasks, steps).
        """
        names = list(self.policy.initial)
        num_tasks = len(self.batch.baseline)
        change = {
            name: part.expand(num_tasks, *part.shape)
            for name, part in zip(names, vector, strict=False)
        }
        rates = dict(zip(self.policy.rates, vector[len(names) :], strict=True))
        for step in self.path:
            change = step.tangent(change, rates)
        outputs = self.passed.tangent(change)
        curved = self.policy.distribution.curvature(self.passed.outputs.detach(), outputs)
        return self._transposed(curved * weights[..., None], [None] * len(self.path))

    def _transposed(self, by_outputs: Tensor, by_inner: Sequence[Tensor | None]) -> Vector:
        """From gradients by outputs to that by the initialisation and the rates."""
        gradient = self.passed.slopes(by_outputs).gradient
        rates: Parameters = {}
        for step, by_own in zip(reversed(self.path), reversed(by_inner), strict=True):
            gradient, found = step.adjoint(gradient)
            rates = {name: found[name] + rates.get(name, 0.0) for name in found}
            if by_own is not None:
                own = step.passed.slopes(by_own).gradient
                gradient = {name: gradient[name] + own[name] for name in gradient}
        initial = [gradient[name].sum(0) for name in self.policy.initial]
        return [*initial, *(rates[name] for name in self.policy.rates)]


def update(
    policy: MAMLPolicy,
    optimiser: torch.optim.Optimizer,
    batch: MetaBatch,
    paths: Sequence[Path],
    threads: int = 1,
) -> dict[str, float]:
    """The outer step, or several of Adam; answers objective, entropy and divergence."""
    config = policy.config
    parts = batch.parts()
    parameters = list(policy.parameters())
    if config.outer == "trpo":
        return _trust_region_update(policy, batch.chunks, parts, paths, threads)
    for epoch in range(config.epochs):

        def of_chunk(number: int, first: bool = epoch == 0) -> Vector:
            path = paths[number] if first else adapt_again(policy, parts[number])
            passed = OuterPass.of(policy, path, parts[number], acted=first)
            slopes, told = passed.gradient()
            return [told, *slopes]

        shares = for_each(of_chunk, len(parts), threads)
        told, *slopes = ranks.totals([_sum(each) for each in zip(*shares, strict=True)])
        told = told / config.num_tasks
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.grad = -slope / config.num_tasks
        nn.utils.clip_grad_norm_(parameters, config.max_gradient_norm)
        optimiser.step()
    return dict(zip(("objective", "entropy", "divergence"), told.tolist(), strict=True))


def _trust_region_update(
    policy: MAMLPolicy,
    chunks: Sequence[slice],
    parts: Sequence[MetaBatch],
    paths: Sequence[Path],
    threads: int,
) -> dict[str, float]:
    """TRPO on the initialisation; the region is that of the adapted policies."""
    config = policy.config
    parameters = list(policy.parameters())
    numbers = len(parts)

    def start(number: int) -> tuple[Vector, Tensor, OuterPass]:
        passed = OuterPass.of(policy, paths[number], parts[number], acted=True)
        return *passed.gradient(), passed

    started = for_each(start, numbers, threads)
    gradient = [part / config.num_tasks for part in _sum_vectors([share[0] for share in started])]
    (told,) = ranks.totals([_sum([share[1] for share in started])])
    told = told / config.num_tasks

    # The first tasks are as good as any: they are drawn independently.
    curved_tasks = config.curved_tasks
    mine = max(0, curved_tasks - ranks.share(config.num_tasks, "num_tasks").start)
    curved = [number for number, chunk in enumerate(chunks) if chunk.start < mine]

    def product(vector: Vector) -> Vector:
        def of_chunk(index: int) -> Vector:
            number = curved[index]
            outer = parts[number].outer
            passed: OuterPass = started[number][2]
            weights = outer.valid / (outer.num_steps[:, None] * curved_tasks)
            weights[mine - chunks[number].start :] = 0.0
            return passed.curvature_product(vector, weights)

        nothing = [torch.zeros_like(part) for part in vector]  # this rank's, if it has none
        found = for_each(of_chunk, len(curved), threads) if curved else []
        return _sum_vectors([nothing, *found])

    def of_chunk(number: int) -> Tensor:
        path = adapt_again(policy, parts[number])
        with torch.no_grad():
            objective, told = OuterPass.of(policy, path, parts[number]).objective()
            return torch.stack([objective, told[1]])

    def evaluate(candidate: Vector) -> tuple[float, float]:
        _assign(parameters, candidate)
        shares = for_each(of_chunk, numbers, threads)
        (summed,) = ranks.totals([_sum(shares)])
        objective, divergence = (summed / config.num_tasks).tolist()
        return objective, divergence

    before = [parameter.detach().clone() for parameter in parameters]
    reached, divergence = trust_region_step(
        before, gradient, product, evaluate, float(told[0]), config.trust_region
    )
    _assign(parameters, reached)
    return {"objective": float(told[0]), "entropy": float(told[1]), "divergence": divergence}


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    return sum(tensors, torch.zeros_like(tensors[0]))


def _sum_vectors(vectors: Sequence[Vector]) -> Vector:
    """Of all chunks, and all ranks."""
    return ranks.totals([torch.stack(parts).sum(0) for parts in zip(*vectors, strict=True)])


@torch.no_grad()
def _assign(parameters: Sequence[Tensor], values: Vector) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)
