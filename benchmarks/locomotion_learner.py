"""PPO on HalfCheetah with hidden mass and damping: on the tasks it met, and on those beyond.

``python benchmarks/locomotion_learner.py [--steps N] [--seeds N] [--out FOLDER]``:
Stable-Baselines3 trains on CaDM's training set through ``metaenvs.wrappers.sb3_vec_env``; then the
adaptation protocol measures its most probable actions on the training, moderate and extreme sets,
beside the random agent and the still one. It needs the extras mujoco, agents and compat.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from agents.bench.machine import machine_facts
from agents.bench.report import write_report
from agents.bench.rows import measured_row
from agents.evaluation.protocol import evaluate, evaluation_tasks
from agents.evaluation.reference_agents import RandomAgent, StillAgent
from metaenvs.wrappers.sb3_vec_env import SB3VecEnv

ENV_ID = "metaenvs/CaDMHalfCheetah-v0"
NUM_ENVS, ROLLOUT_STEPS = 64, 256
SPLITS = {"train": 4, "moderate": 8, "extreme": 8}
"""Splits, with the episodes of each of their tasks."""
NAME = "locomotion-learner"
OUT = Path(__file__).parent / "results" / NAME


class PPOAgent:
    """A trained policy's most probable actions, under the protocol of our own agents."""

    name = "PPO"

    def __init__(self, model, normaliser):
        self.model, self.normaliser = model, normaliser

    def begin(self, trials):
        """Nothing: it has no memory."""

    def act(self, observation):
        """The mean of the Gaussian, within its bounds."""
        seen = self.normaliser.normalize_obs(observation)
        return self.model.predict(seen, deterministic=True)[0]

    def observe(self, transition):
        """Nothing: it does not learn any more."""


def trained(num_steps, seed):
    """The agent after ``num_steps`` of training."""
    env = gym.make_vec(ENV_ID, num_envs=NUM_ENVS, split="train", autoreset_mode="SameStep")
    # The adapter's rows take their seeds from the model's.
    normalised = VecNormalize(SB3VecEnv(env), gamma=0.99)
    model = PPO(
        "MlpPolicy", normalised, n_steps=ROLLOUT_STEPS, batch_size=2048, n_epochs=10,
        learning_rate=3e-4, gamma=0.99, gae_lambda=0.95, clip_range=0.2, ent_coef=0.0, seed=seed,
        device="cpu", policy_kwargs={"log_std_init": -0.5},
    )  # fmt: skip
    model.learn(num_steps)
    return PPOAgent(model, normalised)


def returns_by_split(agent, seed):
    """Split to the mean returns of its tasks, (tasks,) each."""
    found = {}
    for split, rollouts in SPLITS.items():
        num_tasks = len(gym.make(ENV_ID, split=split).unwrapped.pool)
        tasks = evaluation_tasks(ENV_ID, split=split, num_tasks=num_tasks, seed=seed)
        rows = evaluate(agent, ENV_ID, tasks, split=split, rollouts=rollouts, episodes=1, seed=seed)
        found[split] = np.reshape([row.episode_return for row in rows], (num_tasks, rollouts))
    return {split: returns.mean(1) for split, returns in found.items()}


def main():
    """Train, measure, write ``bench.csv`` and ``bench.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_500_000, help="env steps of training")
    parser.add_argument("--seeds", type=int, default=1, help="how many trainings")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    arguments = parser.parse_args()
    facts = machine_facts(shlex.join(["python", "benchmarks/locomotion_learner.py", *sys.argv[1:]]))
    facts["threads of torch"] = str(torch.get_num_threads())
    table = {}
    spent = {"seconds": [], "processor seconds": []}
    for seed in range(arguments.seeds):
        wall, processor = time.perf_counter(), time.process_time()
        learner = trained(arguments.steps, seed)
        spent["seconds"].append(time.perf_counter() - wall)
        spent["processor seconds"].append(time.process_time() - processor)
        for agent in (learner, RandomAgent(), StillAgent()):
            for split, returns in returns_by_split(agent, seed).items():
                table.setdefault((split, agent.name), []).append(returns)
                print(f"seed {seed}, {agent.name}, {split}: {returns.mean():.0f}", flush=True)
    rows, order = [], list(SPLITS)
    for (split, name), by_seed in sorted(table.items(), key=lambda item: order.index(item[0][0])):
        tasks = np.mean(by_seed, axis=0)
        note = (
            f"{len(tasks)} tasks, {SPLITS[split]} episodes of each; by task "
            f"from {tasks.min():,.0f} to {tasks.max():,.0f}"
        )
        means = [returns.mean() for returns in by_seed]
        rows.append(measured_row(NAME, f"{split}: {name}", "return of an episode", means, note))
    rows += [
        measured_row(NAME, f"training: {what}", "s", samples, f"{arguments.steps:,} env steps")
        for what, samples in spent.items()
    ]
    title = "PPO, which has no memory, trained on CaDM's training set; medians over seeds"
    write_report(arguments.out, facts, {NAME: title}, rows)


if __name__ == "__main__":
    main()
