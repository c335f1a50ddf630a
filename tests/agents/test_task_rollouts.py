"""Episodes of many tasks: packed without padding, laid out by time, each task's own."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from agents import task_rollouts
from agents.maml import MAMLConfig, make_env, new_policy
from agents.task_record import NetworkRecord
from agents.task_rollouts import collect_episodes, lay_out_steps

WORLD = MAMLConfig(
    env_id="metaenvs/KrazyWorldEasy-v0", num_tasks=3, rollouts_per_task=4, hidden_sizes=(8,)
)


def test_packing_and_laying_out_are_inverse_and_keep_every_step() -> None:
    policy = new_policy(WORLD)
    mask = torch.tensor([[[1, 1, 0], [1, 0, 0]], [[1, 1, 1], [1, 1, 0]]]).bool()
    steps = torch.arange(12.0).view(2, 2, 3)
    outputs = torch.zeros(2, 2, 3, policy.distribution.num_means)
    episodes = lay_out_steps(
        policy, [steps[..., None]], torch.zeros(2, 2, 3, dtype=torch.int64), outputs, steps, mask
    )
    assert episodes.features[0, :3, 0].tolist() == [0.0, 1.0, 3.0]
    assert episodes.features[1, :, 0].tolist() == [6.0, 7.0, 8.0, 9.0, 10.0]
    assert episodes.valid.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert episodes.times[1].tolist() == [0, 1, 2, 0, 1]
    kept = steps.where(mask, 0)
    assert torch.equal(episodes.lay_out(episodes.features[..., 0]), kept)
    assert torch.equal(episodes.pack(kept), episodes.features[..., 0].where(episodes.valid, 0))
    assert episodes.num_steps.tolist() == [3, 5]
    assert episodes.returns.tolist() == [[1.0, 3.0], [21.0, 19.0]]
    part = episodes.of_tasks(slice(1, 2))
    assert torch.equal(part.lay_out(part.features[..., 0]), kept[1:])


def test_what_the_rollout_knows_is_what_the_policy_says_of_it() -> None:
    env = make_env(WORLD)
    policy = new_policy(WORLD, env)
    env.reset(seed=0)
    generator = torch.Generator().manual_seed(0)
    parameters = {
        name: value + 0.3 * torch.randn(value.shape, generator=generator)
        for name, value in policy.for_tasks(3).items()
    }
    tasks = env.unwrapped.sample_tasks(3)  # type: ignore[attr-defined]
    noise = partial(policy.distribution.noise, (3, 4), generator)
    episodes = collect_episodes(env, policy, parameters, noise, tasks=tasks)
    outputs = policy.outputs(parameters, episodes.features)
    torch.testing.assert_close(outputs[episodes.valid], episodes.outputs[episodes.valid])
    logs = policy.distribution.log_probabilities(outputs, episodes.actions)
    torch.testing.assert_close(episodes.lay_out(logs), episodes.log_probabilities)
    pinned = env.unwrapped.get_task()  # type: ignore[attr-defined]
    assert np.array_equal(pinned.ids, np.repeat(tasks.ids, 4))


def test_threads_act_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = new_policy(WORLD)
    used = []

    class Record(NetworkRecord):
        def __init__(self, *arguments: Any) -> None:
            used.append(arguments[-1])
            super().__init__(*arguments)

    monkeypatch.setattr(task_rollouts, "NetworkRecord", Record)

    def collected(threads: int) -> list[torch.Tensor]:
        env = make_env(WORLD)
        env.reset(seed=0)
        noise = partial(policy.distribution.noise, (3, 4), torch.Generator().manual_seed(0))
        tasks = env.unwrapped.sample_tasks(3)  # type: ignore[attr-defined]
        parameters = policy.for_tasks(3)
        episodes = collect_episodes(env, policy, parameters, noise, tasks=tasks, threads=threads)
        return [*episodes.read, episodes.actions, episodes.outputs, episodes.rewards]

    for alone, helped in zip(collected(1), collected(2), strict=True):
        assert torch.equal(alone, helped)
    assert used == [1, 2]


def test_the_same_function_with_sigmoid_units() -> None:
    policy = new_policy(dataclasses.replace(WORLD, hidden_sizes=(8, 5))).double()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 7, policy.num_features, generator=generator, dtype=torch.float64)
    parameters = policy.for_tasks(2)
    hidden = features
    for number in range(3):
        hidden = hidden @ parameters[f"weight_{number}"] + parameters[f"bias_{number}"][:, None]
        hidden = hidden.tanh() if number < 2 else hidden
    torch.testing.assert_close(policy.outputs(parameters, features), hidden)
