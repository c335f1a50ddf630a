"""RL² and E-RL²: a recurrent policy that learns within a trial.

RL² (Duan et al. 2016; Wang et al. 2016) trains a recurrent policy over trials of several episodes
of one hidden task. It reads the observation, the previous action, reward and episode-end flag;
its memory is kept through the trial and empty at its start; its objective is the reward of the
whole trial.

E-RL² (Stadie et al. 2018, section 3.2) differs by one mask: rewards of the first
``explore_episodes`` episodes count nothing in the returns (equation 8), though the policy still
reads them. With ``explore_episodes=0`` it is RL², bit for bit.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from agents import ranks
from agents.compiled_act import compiled_act
from agents.device_rollouts import DeviceRollouts, EveryRow
from agents.distributions import Categorical
from agents.finite import check_finite
from agents.gru import GRU
from agents.networks import TrialEncoder, linear
from agents.policies import PolicyHead
from agents.ppo import standardise
from agents.ppo_loss import LossWeights, PPOSteps, ppo_loss
from agents.returns import explore_mask, generalised_advantages
from agents.rollouts import Act, Inputs, Trials, collect_trials, pack
from agents.threads import in_threads
from agents.training_state import TrainingState

__all__ = ["RL2Config", "RL2Policy", "make_env", "new_policy", "start", "train"]


@dataclass(frozen=True, kw_only=True)
class RL2Config:
    """RL² on a family of tasks."""

    env_id: str = "metaenvs/KrazyWorld-v0"
    """Id of the family."""
    env_arguments: dict[str, Any] = field(default_factory=dict)
    """The family's own arguments."""
    episodes_per_trial: int = 5
    """Episodes of one task in a trial (Stadie et al.: 5)."""
    explore_episodes: int = 0
    """E-RL²'s p: episodes whose rewards do not count (Stadie et al.: 3); 0 is RL²."""
    discount_explore: bool = True
    """Whether steps of those episodes are discounted, as in equation 8; False spares the exploit
    episodes' return a discount by the length of the exploration."""
    seed: int = 0
    """Decides the weights, the tasks, the episodes and the actions."""
    total_env_steps: int = 3_000_000
    """Training ends with the rollout that reaches it."""
    num_envs: int = 128
    """Trials collected in each iteration."""
    hidden_size: int = 64
    """Width of the encoder and of the memory."""
    learning_rate: float = 1e-3
    """Of Adam; it falls linearly to a tenth by the end."""
    epochs: int = 4
    """Passes over the trials of an iteration."""
    num_minibatches: int = 2
    """Parts that the trials of an epoch are divided into."""
    discount: float = 0.99
    """Gamma."""
    trace_decay: float = 0.95
    """Lambda of the generalised advantage estimates."""
    standardise_advantages: bool = True
    """Whether advantages are brought to deviation 1; False keeps the entropy bonus in units of
    reward, which an objective with a tempting safe choice needs."""
    clip: float = 0.2
    """Of the probability ratio."""
    entropy_weight: float = 0.01
    """Weight of the entropy bonus; it falls linearly to nothing by the end."""
    value_weight: float = 0.5
    """Weight of the squared error of the values."""
    max_gradient_norm: float = 0.5
    """Global norm that gradients are clipped to."""
    device: str = "cpu"
    """Where the tasks are played and the network is trained: "cpu" or "cuda"."""

    def __post_init__(self) -> None:
        last, parts = self.episodes_per_trial - 1, self.num_minibatches
        exploring = f"from 0 to episodes_per_trial - 1 = {last}"
        checks = [
            ("seed", self.seed >= 0, "at least 0"),
            ("episodes_per_trial", self.episodes_per_trial >= 1, "at least 1"),
            ("explore_episodes", 0 <= self.explore_episodes <= last, exploring),
            ("total_env_steps", self.total_env_steps >= 1, "at least 1"),
            ("num_minibatches", parts >= 1, "at least 1"),
            ("num_envs", self.num_envs >= parts, f"at least num_minibatches = {parts}"),
            ("hidden_size", self.hidden_size >= 1, "at least 1"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "positive"),
            ("discount", 0 <= self.discount <= 1, "from 0 to 1"),
            ("trace_decay", 0 <= self.trace_decay <= 1, "from 0 to 1"),
            ("clip", self.clip > 0, "positive"),
            ("entropy_weight", self.entropy_weight >= 0, "at least 0"),
            ("device", self.device in ("cpu", "cuda"), '"cpu" or "cuda"'),
        ]
        for name, holds, expectation in checks:
            if not holds:
                raise ValueError(f"{name} must be {expectation}, got {getattr(self, name)!r}.")


class RL2Policy(nn.Module):
    """Encoder, memory, and heads for the action and the value.

    Args:
        observation_space, action_space: Spaces of one row, without trial inputs.
        hidden_size: Width of the encoder and of the memory.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        hidden_size: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.encoder = TrialEncoder(observation_space, action_space, hidden_size, generator)
        self.memory = GRU(hidden_size, hidden_size, generator)
        self.action = PolicyHead(hidden_size, action_space, generator)
        self.value = linear(hidden_size, 1, 1.0, generator)

    @torch.no_grad()
    def act(
        self, inputs: Inputs, memory: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step of all rows: actions, log-probabilities, values and the new memory.

        ``noise`` is of the action's distribution; without it, the most probable actions.
        """
        memory = self.memory.step(self.encoder(*self.encoder.prepare(inputs)), memory)
        action, log_probability = self.action.sample(memory, noise)
        return action, log_probability, self.value(memory)[:, 0], memory

    def acting(self) -> Act:
        """``act`` with the weights as they are now, in compiled form where there is one."""
        discrete = isinstance(self.action.distribution, Categorical)
        if discrete and self.value.weight.device.type == "cpu":
            return compiled_act(self.encoder, self.memory, self.action, self.value)
        return EveryRow(self.act)

    def unroll(self, indices: Tensor, values: Tensor, batch_sizes: list[int]) -> Tensor:
        """Features of packed trials from their starts (steps, hidden_size), with gradients."""
        unrolled: Tensor = self.memory(self.encoder(indices, values), batch_sizes)
        return unrolled


def make_env(config: RL2Config, num_envs: int | None = None) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The training environment, or some rows of it: a new trial in each, again and again."""
    where: dict[str, Any] = {} if config.device == "cpu" else {"device": config.device}
    return gym.make_vec(
        config.env_id,
        num_envs=num_envs or config.num_envs,
        episodes_per_trial=config.episodes_per_trial,
        trial_inputs="dict",
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
        **where,
        **config.env_arguments,
    )


def new_policy(
    config: RL2Config, env: gym.vector.VectorEnv[Any, Any, Any] | None = None
) -> RL2Policy:
    """The untrained policy, on the CPU; ``env`` spares making one to read its spaces."""
    spaces_of = env or make_env(dataclasses.replace(config, device="cpu"), 1)
    inputs = spaces_of.single_observation_space
    assert isinstance(inputs, gym.spaces.Dict)
    weight_seed = np.random.SeedSequence(config.seed).spawn(1)[0]
    return RL2Policy(
        inputs["observation"],
        spaces_of.single_action_space,
        config.hidden_size,
        torch.Generator().manual_seed(int(weight_seed.generate_state(1)[0])),
    )


def advantages_of(trials: Trials, config: RL2Config) -> tuple[Tensor, Tensor]:
    """Advantages and returns (time, rows) under the objective: E-RL²'s mask is here."""
    counts = explore_mask(trials.episode_index, config.explore_episodes)
    discounts = torch.full_like(trials.rewards, config.discount)
    if not config.discount_explore:
        discounts = torch.where(counts > 0, discounts, 1.0)
    return generalised_advantages(
        trials.rewards * counts,
        trials.values,
        trials.alive,
        trials.bootstrap,
        discounts=discounts,
        trace_decay=config.trace_decay,
    )


def loss_of(
    policy: RL2Policy,
    trials: Trials,
    advantages: Tensor,
    returns: Tensor,
    rows: Tensor,
    weights: LossWeights,
) -> tuple[Tensor, Tensor]:
    """Loss of the steps of some trials, and its parts (4,), as :func:`ppo_loss` sums them."""
    packed = pack(trials.alive, rows)
    features = policy.unroll(
        packed.take(trials.indices), packed.take(trials.values_in), packed.batch_sizes
    )
    steps = PPOSteps(
        actions=packed.take(trials.actions),
        log_probabilities=packed.take(trials.log_probabilities),
        advantages=packed.take(advantages),
        returns=packed.take(returns),
    )
    return ppo_loss(policy.action, policy.value, features, steps, weights)


def update(
    policy: RL2Policy,
    optimiser: torch.optim.Optimizer,
    trials: Trials,
    config: RL2Config,
    entropy_weight: float,
    generator: torch.Generator,
    threads: int = 1,
) -> dict[str, float]:
    """Some epochs of PPO on whole trials; answers the mean losses.

    The trials of a minibatch are divided among ranks, and those of a rank among ``threads``, which
    changes rounding only.
    """
    advantages, returns = advantages_of(trials, config)
    if config.standardise_advantages:
        advantages[trials.alive] = standardise(advantages[trials.alive])
    parameters = list(policy.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    lengths = torch.cat(ranks.everyone(trials.alive.sum(0)))
    mine = ranks.share(len(lengths), "num_envs")
    weights = LossWeights(clip=config.clip, value=config.value_weight, entropy=entropy_weight)
    shards = min(threads, len(lengths) // config.num_minibatches)

    def gradient(rows: Tensor) -> Tensor:
        if not len(rows):  # a rank may have none of a minibatch
            return torch.zeros(4 + sum(sizes))
        loss, terms = loss_of(policy, trials, advantages, returns, rows, weights)
        # A family without categories never reads the encoder's table of them.
        parts = torch.autograd.grad(loss, parameters, materialize_grads=True)
        return torch.cat([terms, *(part.flatten() for part in parts)])

    totals = torch.zeros(4, device=lengths.device)
    for _ in range(config.epochs):
        rows = torch.randperm(len(lengths), generator=generator).to(lengths.device)
        for part in rows.chunk(config.num_minibatches):
            by_length = part[lengths[part].argsort(stable=True)]
            own = by_length[(by_length >= mine.start) & (by_length < mine.stop)] - mine.start
            shares = in_threads(gradient, [own[i::shards] for i in range(shards)])
            (summed,) = ranks.totals([torch.stack(shares).sum(0)])
            mean = summed / lengths[part].sum()
            totals += mean[:4]
            mean = mean[4:] * (config.max_gradient_norm / (mean[4:].norm() + 1e-6)).clamp(max=1)
            for parameter, part_of_mean in zip(parameters, mean.split(sizes), strict=True):
                parameter.grad = part_of_mean.view_as(parameter)
            optimiser.step()
    means = (totals / (config.epochs * config.num_minibatches)).tolist()
    return dict(zip(("policy", "value", "entropy", "divergence"), means, strict=True))


def start(config: RL2Config) -> TrainingState[RL2Policy]:
    """A training before its first iteration, with this rank's rows.

    Raises:
        ValueError: Several ranks on a GPU.
    """
    ranks.refuse_device(config.device)
    mine = ranks.share(config.num_envs, "num_envs")
    env = make_env(config, mine.stop - mine.start)
    # A simulated GPU's tensors are on the CPU.
    device = getattr(env.unwrapped, "device", "cpu")
    policy = new_policy(config, env).to(device)
    _, action_seed, batch_seed, _ = np.random.SeedSequence(config.seed).spawn(4)
    return TrainingState(
        module=policy,
        optimiser=torch.optim.Adam(
            policy.parameters(), lr=config.learning_rate, eps=1e-5, fused=True
        ),
        generators={
            name: torch.Generator(place).manual_seed(int(seed.generate_state(1)[0]))
            for name, seed, place in (
                ("action", action_seed, device),
                ("batch", batch_seed, "cpu"),
            )
        },
        env=env,
    )


def row_seeds(config: RL2Config) -> list[int]:
    """Seeds of all rows."""
    env_seed = np.random.SeedSequence(config.seed).spawn(4)[3]
    seeds: list[int] = env_seed.generate_state(config.num_envs, np.uint64).tolist()
    return seeds


def train(
    config: RL2Config,
    report: Callable[[dict[str, float]], None] = lambda metrics: None,
    threads: int = 1,
    state: TrainingState[RL2Policy] | None = None,
    keep: Callable[[TrainingState[RL2Policy]], None] = lambda state: None,
) -> RL2Policy:
    """Train until ``config.total_env_steps``.

    Args:
        config: What to train, on what, for how long.
        report: Called after each iteration with its metrics.
        threads: How many the updates use; the result depends on it to rounding only.
        state: What to go on from; None begins. It is brought forward in place.
        keep: Called with the state after each iteration, when it is whole.

    Returns:
        The trained policy.

    Raises:
        FloatingPointError: A loss or a parameter that is not finite; the message says after which
            step.
        ValueError: A reward that is not finite.
    """
    state = state or start(config)
    policy, env = state.module, state.env
    action_generator, batch_generator = state.generators["action"], state.generators["batch"]
    collect = collect_trials if config.device == "cpu" else DeviceRollouts()
    mine = ranks.share(config.num_envs, "num_envs")
    started = time.perf_counter() - state.seconds

    while state.env_steps < config.total_env_steps:
        remaining = 1.0 - state.env_steps / config.total_env_steps
        for group in state.optimiser.param_groups:
            group["lr"] = config.learning_rate * (0.1 + 0.9 * remaining)
        begun = time.perf_counter()
        trials = collect(
            env,
            policy.acting(),
            lambda: policy.action.noise(config.num_envs, action_generator)[mine],
            policy.encoder.prepare,
            policy.memory.start(env.num_envs),
            seed=row_seeds(config)[mine] if state.iteration == 0 else None,
        )
        collected = time.perf_counter()
        losses = update(
            policy,
            state.optimiser,
            trials,
            config,
            config.entropy_weight * remaining,
            batch_generator,
            threads,
        )
        now = time.perf_counter()
        num_steps = sum(ranks.everyone(trials.num_steps))
        state.env_steps += num_steps
        state.iteration += 1
        state.seconds = now - started
        check_finite(policy, losses, state.env_steps)
        returns = np.concatenate(ranks.everyone(trials.episode_returns(config.episodes_per_trial)))
        report(
            {
                "iteration": state.iteration,
                "env_steps": state.env_steps,
                "train/return": float(returns.sum(1).mean()),
                **{
                    f"train/return_episode_{episode + 1}": float(returns[:, episode].mean())
                    for episode in range(config.episodes_per_trial)
                },
                "train/trial_length": num_steps / config.num_envs,
                **{f"loss/{name}": value for name, value in losses.items()},
                "time/env_steps_per_second": state.env_steps / state.seconds,
                "time/rollout": collected - begun,
                "time/update": now - collected,
                "time/elapsed": state.seconds,
            }
        )
        keep(state)
    env.close()
    return policy
