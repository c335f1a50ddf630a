"""Evolve one gait for many hidden dynamics, on the CPU or with thousands of rows on a GPU.

Evolution strategies (Salimans et al. 2017) on a linear policy of HalfCheetah with hidden mass and
damping. Each row tries a perturbation of the same parameters, mirrored in the row half a batch
further, on a task of the training split; what counts is the ranks of the returns. Observations are
shifted and scaled by what earlier generations saw (Mania et al. 2018). Between machines nothing
changes but ``--device`` and ``--rows``::

    python benchmarks/evolve_gait.py --rows 256
    python benchmarks/evolve_gait.py --rows 8192 --device cuda
"""

from __future__ import annotations

import argparse
import time

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

import metaenvs  # noqa: F401  (registers the environments)

__all__ = ["evolve", "play"]

ENV_ID = "metaenvs/DOMINOHalfCheetah-v0"
EPISODE_STEPS = 200
STEP_SIZE, DEVIATION = 0.05, 0.05
"""Of the parameters' update (of unit length times this), and of perturbations."""


def play(
    env: gym.vector.VectorEnv, policies: Tensor, mean: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """One episode of each row.

    Args:
        env: A batch, on any device.
        policies: Linear (rows, actuators, width + 1), the last column constant.
        mean: Of observations (width,), taken off.
        scale: What they are multiplied with then (width,).

    Returns:
        Returns (rows,), and all observations (steps, rows, width).
    """
    device = policies.device
    raw, _ = env.reset()
    observations, returns = [], torch.zeros(len(policies), device=device)
    for _ in range(EPISODE_STEPS):
        observation = torch.as_tensor(raw, device=device).float()
        observations.append(observation)
        inputs = (observation - mean) * scale
        inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1)
        action = torch.einsum("raw,rw->ra", policies, inputs).clamp(-1, 1)
        # A batch on the CPU takes NumPy's arrays, one on a device its tensors.
        raw, reward, *_ = env.step(action.numpy() if isinstance(raw, np.ndarray) else action)
        returns += torch.as_tensor(reward, device=device)
    return returns, torch.stack(observations)


def evolve(rows: int, generations: int, device: str, seed: int = 0) -> tuple[float, float]:
    """Evolve, telling how it goes.

    Returns:
        Mean return of the perturbed policies in the first and in the last generation.
    """
    where = {} if device == "cpu" else {"device": device}
    env = gym.make_vec(
        ENV_ID, num_envs=rows, episode_steps=EPISODE_STEPS, autoreset_mode="SameStep", **where
    )
    env.reset(seed=seed)
    here = torch.device("cuda" if device == "cuda" else "cpu")
    generator = torch.Generator(here).manual_seed(seed)
    width = env.single_observation_space.shape[0]
    parameters = torch.zeros(env.single_action_space.shape[0], width + 1, device=here)
    mean, square = torch.zeros(width, device=here), torch.ones(width, device=here)
    means = []
    for generation in range(generations):
        begun = time.perf_counter()
        noise = torch.randn(rows // 2, *parameters.shape, generator=generator, device=here)
        noise = torch.cat([noise, -noise])
        scale = 1 / (square - mean.square()).clamp(min=1e-6).sqrt()
        returns, seen = play(env, parameters + DEVIATION * noise, mean, scale)
        ranks = returns.argsort().argsort() / (rows - 1) - 0.5
        direction = torch.einsum("r,raw->aw", ranks, noise)
        parameters = parameters + STEP_SIZE * direction / direction.norm()
        mean = mean + (seen.mean((0, 1)) - mean) / (generation + 1)
        square = square + (seen.square().mean((0, 1)) - square) / (generation + 1)
        means.append(float(returns.mean()))
        rate = rows * EPISODE_STEPS / (time.perf_counter() - begun)
        print(f"generation {generation}: return {means[-1]:.1f}, {rate:,.0f} env steps/s")
    return means[0], means[-1]


def main() -> None:
    """Parse the command line and evolve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--generations", type=int, default=60)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda", "warp-cpu"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    evolve(arguments.rows, arguments.generations, arguments.device, arguments.seed)


if __name__ == "__main__":
    main()
