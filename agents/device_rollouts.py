"""Collecting whole trials on a GPU: what agents.rollouts does, hardly ever waiting for it.

Some steps of all rows, policy and environment together, are one piece of work over tensors that
stay where they are. On a GPU it is captured in a CUDA graph and replayed, so that the host launches
it at once instead of kernel by kernel; elsewhere the same function runs as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.graph_steps import GraphSteps
from agents.rollouts import Act, Inputs, Noise, Trials

__all__ = ["STEPS_BETWEEN_QUESTIONS", "DeviceRollouts", "EveryRow"]

STEPS_BETWEEN_QUESTIONS = 16
"""Steps after which the host asks whether any trial still goes on, and so waits for the device."""

INPUT = "input/"


@dataclass(frozen=True)
class EveryRow:
    """A policy's ``act`` that acts in all rows, whatever the mask; equal where that is."""

    act: Callable[[Inputs, Tensor, Tensor | None], tuple[Tensor, Tensor, Tensor, Tensor]]
    """Trial inputs, memory and noise to action, log-probability, value and memory."""

    def __call__(
        self, inputs: Inputs, memory: Tensor, active: npt.NDArray[np.bool_], noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As :data:`agents.rollouts.Act` has it."""
        return self.act(inputs, memory, noise)


class DeviceRollouts:
    """Collects trials as :func:`agents.rollouts.collect_trials` does, again and again.

    The same trials to rounding. The values after trials that were cut are all computed at the end,
    from where each was cut; the policy is called for them once.

    What was captured is used as long as the environment is the same and has not moved, and the
    policy is equal to the one before: such a policy must read its weights where they lie.
    """

    def __init__(self) -> None:
        self._steps: _Steps | None = None

    def __call__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        act: Act,
        noise: Noise,
        prepare: Callable[[Inputs], tuple[Tensor, Tensor]],
        memory: Tensor,
        *,
        seed: list[int] | None = None,
    ) -> Trials:
        """Reset every row to a new trial and play it to its end.

        Args:
            env: A batch on a device, in SAME_STEP mode with ``trial_inputs="dict"``.
            act: The policy.
            noise: Of its actions.
            prepare: Turns trial inputs into indices and values (as ``TrialEncoder.prepare``).
            memory: The policy's memory at the start of a trial (rows, size).
            seed: Seeds of the rows, at the run's first rollout.

        Raises:
            RuntimeError: Steps that cannot be captured in a CUDA graph.
            ValueError: A reward that is not finite.
        """
        standing = _start(_tensors(env.reset(seed=seed)[0]), memory)  # type: ignore[arg-type]
        drawn = _draw(noise)
        if self._steps is None or not self._steps.fit(env, act, standing, drawn):
            self._steps = None  # Its graph's memory is free for the next.
            self._steps = _Steps(env, act, standing, drawn)
        steps = self._steps
        steps.begin(standing)
        parts = [steps.take(drawn)]
        while bool(steps.standing.going.any()):
            parts.append(steps.take(_draw(noise)))
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        num_steps = int(whole["alive"].any(1).sum())
        whole = {name: part[:num_steps] for name, part in whole.items()}
        inputs = {name: whole.pop(INPUT + name) for name in standing.inputs}
        rewards, alive = whole.pop("rewards"), whole["alive"]
        unsound = (~rewards.isfinite() & alive).any(0)
        if bool(unsound.any()):
            row = int(unsound.nonzero()[0])
            raise ValueError(f"The environment gave a reward that is not finite, in row {row}.")
        last = steps.standing
        bootstrap = act(last.last_inputs, last.last_memory, _everyone(alive.shape[1]), None)[2]
        indices, values_in = prepare({name: part.flatten(0, 1) for name, part in inputs.items()})
        return Trials(
            indices=indices.reshape(*alive.shape, -1),
            values_in=values_in.reshape(*alive.shape, -1),
            rewards=rewards.float(),
            bootstrap=torch.where(last.cut, bootstrap, 0.0),
            **whole,
        )


@dataclass
class _Standing:
    """Where the rows of a batch stand between two steps."""

    inputs: Inputs
    """What they see."""
    memory: Tensor
    going: Tensor
    """Whether their trial goes on (rows,)."""
    cut: Tensor
    """Whether it was truncated (rows,)."""
    last_inputs: Inputs
    """What they saw when it was, and their memory then; without meaning elsewhere."""
    last_memory: Tensor

    def tensors(self) -> list[Tensor]:
        """All of them, always in one order."""
        own = (self.memory, self.going, self.cut, self.last_memory)
        return [*self.inputs.values(), *self.last_inputs.values(), *own]

    def copy(self) -> _Standing:
        """The same in tensors of its own, no two of them one."""
        return _Standing(
            {name: part.clone() for name, part in self.inputs.items()},
            self.memory.clone(),
            self.going.clone(),
            self.cut.clone(),
            {name: part.clone() for name, part in self.last_inputs.items()},
            self.last_memory.clone(),
        )


def _start(inputs: Inputs, memory: Tensor) -> _Standing:
    """Of a trial."""
    rows = len(memory)
    going = torch.ones(rows, dtype=torch.bool, device=memory.device)
    return _Standing(inputs, memory, going, torch.zeros_like(going), inputs, memory)


class _Steps:
    """So many steps of all rows, from where the rows stand to where they stand then.

    Args:
        env: The environment.
        act: The policy.
        standing: Example of where rows stand.
        noise: Example of what actions are drawn with (steps, rows, ...).
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        act: Act,
        standing: _Standing,
        noise: Tensor,
    ) -> None:
        self.standing = standing.copy()
        self._env, self._act = env, act
        self._noise = noise.clone()
        self._placement = _placement(env)
        can_be = self._placement is not None
        self._work = GraphSteps(self._play, standing.memory.device, captured=can_be)

    def fit(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        act: Act,
        standing: _Standing,
        noise: Tensor,
    ) -> bool:
        """Whether these steps are what is to be done there."""
        return (
            env is self._env
            and act == self._act
            and _placement(env) is self._placement
            and _kinds(self.standing, self._noise) == _kinds(standing, noise)
        )

    def begin(self, standing: _Standing) -> None:
        """Let the rows stand there."""
        for own, given in zip(self.standing.tensors(), standing.tensors(), strict=True):
            own.copy_(given)

    def take(self, noise: Tensor) -> dict[str, Tensor]:
        """Take them: columns of :class:`agents.rollouts.Trials`, and inputs (steps, rows, ...)."""
        self._noise.copy_(noise)
        return self._work()

    def _play(self) -> dict[str, Tensor]:
        standing, steps = self.standing, []
        for noise in self._noise.unbind():
            standing, seen = _play_step(self._env, self._act, standing, noise)
            steps.append(seen)
        columns = {name: torch.stack([seen[name] for seen in steps]) for name in steps[0]}
        self.begin(standing)
        return columns


def _play_step(
    env: gym.vector.VectorEnv[Any, Any, Any], act: Act, before: _Standing, noise: Tensor
) -> tuple[_Standing, dict[str, Tensor]]:
    """One step of all rows: where they stand then, and what there is to keep of it."""
    # Which rows are still of use, only the device knows.
    everyone = _everyone(env.num_envs)
    action, log_probability, value, memory = act(before.inputs, before.memory, everyone, noise)
    observation, *flags, info = env.step(action)
    reward, terminated, truncated = (torch.as_tensor(flag) for flag in flags)
    over = terminated | truncated
    # There info is the next trial's, and final_info the ended one's.
    ended_episode = torch.as_tensor(info["final_info"]["episode_index"])
    episode = torch.where(over, ended_episode, torch.as_tensor(info["episode_index"]))
    now_cut = before.going & truncated
    kept = {
        "actions": action,
        "log_probabilities": log_probability,
        "values": value,
        "rewards": reward,
        "episode_index": episode.long(),
        "alive": before.going,
        **{INPUT + name: part for name, part in before.inputs.items()},
    }
    after = _Standing(
        inputs=_tensors(observation),
        memory=memory,
        going=before.going & ~over,
        cut=before.cut | now_cut,
        last_inputs=_replaced(before.last_inputs, now_cut, _tensors(info["final_obs"])),
        last_memory=torch.where(now_cut[:, None], memory, before.last_memory),
    )
    return after, kept


def _draw(noise: Noise) -> Tensor:
    """The noise of some steps (steps, rows, ...): drawn outside, replays draw none."""
    return torch.stack([noise() for _ in range(STEPS_BETWEEN_QUESTIONS)])


def _placement(env: gym.vector.VectorEnv[Any, Any, Any]) -> object | None:
    return getattr(env.unwrapped, "placement", None)


def _kinds(standing: _Standing, noise: Tensor) -> list[tuple[Any, ...]]:
    tensors = [*standing.tensors(), noise]
    return [(tensor.shape, tensor.dtype, tensor.device) for tensor in tensors]


def _everyone(rows: int) -> npt.NDArray[np.bool_]:
    return np.ones(rows, np.bool_)


def _tensors(observation: dict[str, Any]) -> Inputs:
    return {name: torch.as_tensor(part) for name, part in observation.items()}


def _replaced(old: Inputs, rows: Tensor, new: Inputs) -> Inputs:
    """Inputs in which those of some rows are the new ones."""
    replaced = {}
    for name, part in old.items():
        mask = rows.reshape((-1,) + (1,) * (part.ndim - 1))
        replaced[name] = torch.where(mask, new[name], part)
    return replaced
