"""MAML: E-MAML is one term more, chunks change rounding only, and it learns."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents import maml, maml_inner, maml_outer
from agents.estimators.inner_updates import inner_update
from agents.estimators.surrogate import surrogate
from agents.maml import MAMLConfig, new_policy, train
from agents.maml_inner import adapt_again, chunks_of, meta_batch, sample
from agents.maml_outer import OuterPass, outer_objective
from agents.task_rollouts import Episodes, lay_out_steps
from agents.trpo import TrustRegion

BANDIT = MAMLConfig(
    env_id="metaenvs/ExplorationBandit-v0",
    num_tasks=6,
    rollouts_per_task=8,
    hidden_sizes=(8,),
    total_env_steps=200,
    outer="gradient",
)


def parameters(config: MAMLConfig, threads: int = 1) -> list[Tensor]:
    return [parameter.detach() for parameter in train(config, threads=threads).parameters()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_same_seed_same_parameters_another_seed_others() -> None:
    first = parameters(BANDIT)
    assert same(first, parameters(BANDIT))
    assert not same(first, parameters(dataclasses.replace(BANDIT, seed=1)))


@pytest.mark.parametrize("outer", ["gradient", "trpo"])
def test_threads_and_chunks_change_rounding_only(outer: str) -> None:
    config = dataclasses.replace(BANDIT, outer=outer, steps_per_chunk=16)
    divided = parameters(config)
    for others in (
        parameters(config, threads=2),
        parameters(dataclasses.replace(config, steps_per_chunk=1000)),
    ):
        for one, other in zip(divided, others, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_curvature_of_a_share_of_tasks_is_that_of_these_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 2 of 6 tasks, together or one by one.
    asked: list[Tensor] = []
    product = OuterPass.curvature_product

    def noting(self: OuterPass, vector: list[Tensor], weights: Tensor) -> list[Tensor]:
        asked.append(weights.sum(1))
        return product(self, vector, weights)

    monkeypatch.setattr(OuterPass, "curvature_product", noting)
    settings = TrustRegion(curvature_share=1 / 3, iterations=1)
    config = dataclasses.replace(BANDIT, outer="trpo", trust_region=settings, total_env_steps=1)
    for steps_per_chunk, expected in ((24, [[0.5, 0.5]]), (8, [[0.5], [0.5]])):
        asked.clear()
        parameters(dataclasses.replace(config, steps_per_chunk=steps_per_chunk))
        assert [part.tolist() for part in asked] == [pytest.approx(part) for part in expected]


def test_no_correction_is_maml_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    without = parameters(dataclasses.replace(BANDIT, correction_weight=0.0))
    corrected = parameters(dataclasses.replace(BANDIT, correction_weight=1.0))
    assert not same(without, corrected)
    # The term taken away, all else as with it.
    monkeypatch.setattr(
        maml_outer,
        "sampling_correction",
        lambda ratios, returns, **kwargs: torch.zeros_like(returns),
    )
    assert same(without, parameters(dataclasses.replace(BANDIT, correction_weight=1.0)))


@pytest.mark.parametrize("scale", ["sum", "mean"])
def test_standardised_advantages_leave_the_correction_alive(scale: str) -> None:
    config = dataclasses.replace(
        BANDIT, standardise_advantages=True, critic="linear", correction_scale=scale
    )
    gradients = []
    for weight in (0.0, 1.0):
        changed = dataclasses.replace(config, correction_weight=weight)
        env = maml.make_env(changed)
        env.reset(seed=0)
        policy = new_policy(changed, env)
        tasks = env.unwrapped.sample_tasks(changed.num_tasks)
        batch, paths = sample(env, policy, tasks, torch.Generator().manual_seed(0))
        (part,) = batch.parts()
        slopes, _ = OuterPass.of(policy, paths[0], part).gradient()
        gradients.append(torch.cat([slope.flatten() for slope in slopes]))
    assert float((gradients[1] - gradients[0]).norm()) > 1e-3


def bandit_episodes(policy: maml.MAMLPolicy, arm: int, reward: float, outputs: Tensor) -> Episodes:
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    return lay_out_steps(
        policy, [one[..., None]], torch.full((1, 1, 1), arm), outputs.detach()[:, None],
        reward * one, torch.ones(1, 1, 1, dtype=torch.bool),
    )  # fmt: skip


def differentiable_step(
    policy: maml.MAMLPolicy, inner: Episodes, advantages: Tensor, features: Tensor
) -> Tensor:
    """Outputs of the adapted policy, by automatic differentiation alone."""

    def objective(current: dict[str, Tensor]) -> Tensor:
        outputs = policy.outputs(current, inner.features)
        logs = policy.distribution.log_probabilities(outputs, inner.actions)
        per_episode = surrogate(inner.lay_out(logs), advantages, order="score", mask=inner.mask)
        return (per_episode.sum(1) / inner.num_steps).sum()

    rate = policy.config.inner_rate
    after = inner_update(policy.for_tasks(len(advantages)), objective, step_size=rate)
    return policy.outputs(after, features)


def test_e_maml_is_the_gradient_of_its_enumerated_objective() -> None:
    # Every arm before and after one inner step, each pair weighted by its probability.
    config = dataclasses.replace(
        BANDIT, num_tasks=1, rollouts_per_task=1, critic="none", standardise_inner=False,
        standardise_advantages=False, correction_weight=1.0, correction_baseline="none",
        inner_rate=0.7,
    )  # fmt: skip
    policy = new_policy(config).double()
    leaves = list(policy.parameters())
    rewards = torch.tensor([0.5, -0.5, 1.0, -0.5, -0.2, 0.3, -0.5], dtype=torch.float64)
    feature = torch.ones(1, 1, 1, dtype=torch.float64)
    start = policy.outputs(policy.for_tasks(1), feature)
    value = torch.zeros((), dtype=torch.float64)
    estimate = [torch.zeros_like(leaf) for leaf in leaves]
    maml_alone = [torch.zeros_like(leaf) for leaf in leaves]
    for before in range(7):
        inner = bandit_episodes(policy, before, float(rewards[before]), start)
        advantages = maml_inner.inner_advantages(inner, policy)
        step = maml_inner.inner_step(policy, policy.for_tasks(1), inner, advantages)
        adapted = differentiable_step(policy, inner, advantages, feature)
        torch.testing.assert_close(adapted, policy.outputs(step.after, feature))
        chosen = start[0, 0].softmax(-1)[before]
        reached = adapted[0, 0].softmax(-1)
        value = value + chosen * (reached * rewards).sum()
        for arm in range(7):
            outer = bandit_episodes(policy, arm, float(rewards[arm]), adapted)
            batch = meta_batch([inner], [advantages], outer, policy, [slice(None)])
            weight = float((chosen * reached[arm]).detach())
            for total, settings in ((estimate, config), (maml_alone, BANDIT)):
                policy.config = settings
                slopes, _ = OuterPass.of(policy, [step], batch).gradient()
                for sum_, slope in zip(total, slopes, strict=True):
                    sum_ += weight * slope
            policy.config = config
    exact = torch.autograd.grad(value, leaves)
    for one, other in zip(estimate, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    gaps = [(one - other).abs().max() for one, other in zip(maml_alone, exact, strict=True)]
    assert max(gaps) > 1e-3


def automatic(
    policy: maml.MAMLPolicy, batch: maml_inner.MetaBatch, leaves: dict[str, Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Adapted outputs, and those before each inner step, with graphs to the leaves."""
    config = policy.config
    values = {name.removeprefix("initial."): leaf for name, leaf in leaves.items()}
    rates = {name: values.pop(f"rates.{name}") for name in policy.rates} or config.inner_rate
    current = {name: part.expand(len(batch.baseline), *part.shape) for name, part in values.items()}
    before = []
    for episodes, advantages in zip(batch.inner, batch.inner_advantages, strict=True):

        def objective(
            moved: dict[str, Tensor], episodes: Episodes = episodes, advantages: Tensor = advantages
        ) -> Tensor:
            outputs = policy.outputs(moved, episodes.features)
            logs = policy.distribution.log_probabilities(outputs, episodes.actions)
            score = config.inner_order == "score"
            per_episode = surrogate(
                episodes.lay_out(logs), advantages, order=config.inner_order, mask=episodes.mask,
                behaviour_logp=None if score else episodes.log_probabilities,
            )  # fmt: skip
            return (per_episode.sum(1) / episodes.num_steps).sum()

        before.append(policy.outputs(current, episodes.features))
        current = inner_update(current, objective, step_size=rates, first_order=config.first_order)
    return policy.outputs(current, batch.outer.features), before


@pytest.mark.parametrize(
    "changes",
    [
        {"correction_weight": 1.0},
        {"inner_estimator": "taypo", "learn_inner_rates": True, "entropy_weight": 0.1},
        {"inner_estimator": "dr", "outer": "ppo", "inner_divergence_weight": 0.1},
        {"inner_estimator": "lvc", "env_id": "metaenvs/PointCorners-v0", "num_tasks": 2,
         "rollouts_per_task": 2, "correction_weight": 1.0, "learn_inner_rates": True},
        {"first_order": True, "learn_inner_rates": True},
    ],
)  # fmt: skip
def test_derivatives_through_inner_steps_are_those_of_automatic_differentiation(
    changes: dict[str, Any],
) -> None:
    config = dataclasses.replace(BANDIT, inner_steps=2, inner_rate=0.3, **changes)
    env = maml.make_env(config)
    env.reset(seed=0)
    policy = new_policy(config, env)
    tasks = env.unwrapped.sample_tasks(config.num_tasks)
    collected, _ = sample(env, policy, tasks, torch.Generator().manual_seed(0))
    policy.double()
    batch = in_double(collected, policy)
    passed = OuterPass.of(policy, adapt_again(policy, batch), batch)
    leaves = dict(policy.named_parameters())
    outputs, before = automatic(policy, batch, leaves)
    objective, _ = outer_objective(policy, outputs, before, batch)
    expected = torch.autograd.grad(objective, list(leaves.values()), retain_graph=True)
    gradient, told = passed.gradient()
    torch.testing.assert_close(told[0], objective.detach())
    for own, part in zip(gradient, expected, strict=True):
        torch.testing.assert_close(own, part)

    # The divergence's Hessian where it is least, from which a term of the policies in themselves
    # is missing, is the whole Hessian of the divergence.
    weights = batch.outer.valid.double()
    generator = torch.Generator().manual_seed(1)
    vector = [
        torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
        for leaf in leaves.values()
    ]
    divergences = policy.distribution.divergences(outputs.detach(), outputs)
    slopes = torch.autograd.grad(
        (divergences * weights).sum(), list(leaves.values()), create_graph=True
    )
    curved = torch.autograd.grad(slopes, list(leaves.values()), vector)
    for own, part in zip(passed.curvature_product(vector, weights), curved, strict=True):
        torch.testing.assert_close(own, part)


def in_double(batch: maml_inner.MetaBatch, policy: maml_inner.MAMLPolicy) -> maml_inner.MetaBatch:
    """What was collected in float32, in float64."""

    def double(episodes: Episodes) -> Episodes:
        parts = vars(episodes)
        floats = ("outputs", "log_probabilities", "rewards")
        changed = {name: parts[name].double() for name in floats}
        changed["read"] = [part.double() for part in episodes.read]
        if parts["actions"].is_floating_point():
            changed["actions"] = parts["actions"].double()
        return dataclasses.replace(episodes, **changed)

    return meta_batch(
        [double(episodes) for episodes in batch.inner],
        [advantages.double() for advantages in batch.inner_advantages],
        double(batch.outer), policy, [slice(None)],
    )  # fmt: skip


def test_learns_to_adapt_on_the_bandit() -> None:
    metrics: list[dict[str, float]] = []
    config = MAMLConfig(env_id="metaenvs/ExplorationBandit-v0", total_env_steps=24_000)
    train(config, metrics.append)
    returns = np.array([line["train/return"] for line in metrics])
    assert returns[0] < 0.1
    # Above the safe arm's 0.5, which is what a policy that does not adapt can have at most.
    assert returns[-5:].mean() > 0.55


@pytest.mark.parametrize(
    "changes",
    [
        {"inner_estimator": "lvc", "outer": "ppo", "epochs": 2, "inner_divergence_weight": 5e-4},
        {"inner_estimator": "taypo", "inner_steps": 2},
        {"inner_estimator": "dice", "learn_inner_rates": True},
        {"inner_estimator": "dr", "outer": "trpo", "learn_inner_rates": True},
        {"first_order": True, "entropy_weight": 0.01},
    ],
)
def test_every_option_moves_every_parameter(changes: dict[str, object]) -> None:
    config = dataclasses.replace(BANDIT, **changes)  # type: ignore[arg-type]
    before = new_policy(config).state_dict()
    after = train(config).state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert all(not torch.equal(before[name], value) for name, value in after.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inner_steps": 0}, "inner_steps must be at least 1"),
        ({"num_tasks": 1, "correction_weight": 1.0}, "num_tasks must be at least 2"),
        ({"inner_rate": 0.0}, "inner_rate must be positive"),
        ({"trust_region": TrustRegion(curvature_share=0.0)}, "curvature_share must be above 0"),
        ({"episodes_per_trial": 1}, "episodes_per_trial must be at least 2"),
    ],
)
def test_wrong_configurations_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MAMLConfig(), **changes)


def test_chunks_leave_no_thread_idle_and_a_gpu_has_one_program() -> None:
    episodes = collected_from(dataclasses.replace(BANDIT, num_tasks=7)).outer
    config = dataclasses.replace(BANDIT, num_tasks=7, steps_per_chunk=1000)

    def sizes(threads: int = 1, **changes: Any) -> list[int]:
        changed = dataclasses.replace(config, **changes)
        return [part.stop - part.start for part in chunks_of(episodes, changed, threads)]

    assert sizes() == [7]
    assert sizes(threads=2) == [4, 3]
    assert sizes(threads=20) == [1] * 7
    assert sizes(steps_per_chunk=25) == [3, 3, 1]
    assert sizes(device="cuda") == [7]
    quarter = {"outer": "trpo", "trust_region": TrustRegion(curvature_share=0.25)}
    assert sizes(device="cuda", **quarter) == [2, 5]
    assert sizes(threads=2, **quarter) == [1, 1, 3, 2]


@pytest.mark.parametrize(
    "changes",
    [
        {"correction_weight": 1.0},
        {"inner_estimator": "dr", "outer": "ppo", "inner_divergence_weight": 0.1,
         "entropy_weight": 0.1, "learn_inner_rates": True},
        {"env_id": "metaenvs/PointCorners-v0", "env_arguments": {"episode_steps": 4}},
    ],
)  # fmt: skip
def test_an_update_takes_no_tensor_from_another_device(changes: dict[str, Any]) -> None:
    # On the device "meta" tensors have no numbers: mixed with a CPU's, or read by the host, they
    # raise as a GPU's would, or would make the host wait.
    config = dataclasses.replace(BANDIT, **changes)
    batch = collected_from(config)
    policy = new_policy(config).to("meta")
    passed = OuterPass.of(policy, adapt_again(policy, elsewhere(batch)), elsewhere(batch))
    slopes, told = passed.gradient()
    curved = passed.curvature_product(slopes, elsewhere(batch).outer.valid.float())
    assert all(part.device.type == "meta" for part in [told, *slopes, *curved])
    advantages = maml_inner.inner_advantages(elsewhere(batch).inner[0], policy)
    assert advantages.device.type == "meta"


def collected_from(config: MAMLConfig) -> maml_inner.MetaBatch:
    env = maml.make_env(config)
    env.reset(seed=0)
    tasks = env.unwrapped.sample_tasks(config.num_tasks)
    policy = new_policy(config, env)
    return sample(env, policy, tasks, torch.Generator().manual_seed(0))[0]


def elsewhere(value: Any) -> Any:
    """The tensors of some nested containers on the device "meta"."""
    if isinstance(value, Tensor):
        return value.to("meta")
    if isinstance(value, list):
        return [elsewhere(part) for part in value]
    if dataclasses.is_dataclass(value):
        parts = {name: elsewhere(part) for name, part in vars(value).items()}
        return dataclasses.replace(value, **parts)  # type: ignore[type-var]
    return value
