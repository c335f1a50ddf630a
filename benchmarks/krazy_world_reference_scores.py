"""Measure the reference scores of Krazy World's presets and print them as a markdown table.

Random policy: each of ``NUM_ROWS`` rows meets fresh worlds of the training split, one episode in
each, until ``NUM_STEPS`` steps are done; the episodes that count are those that begin early enough
to end in time whatever their length (180,000 or more). Planner: the 64 worlds of the test split
with ``split_seed=0``.
"""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import numpy.typing as npt

import metaenvs  # noqa: F401  (registers the environments)
from metaenvs.krazy_world.planner import best_plans
from metaenvs.krazy_world.presets import PRESETS

__all__ = ["RandomScores", "random_scores", "reference_table"]

NUM_ROWS = 4096
NUM_STEPS = 1000
SEED = 0

AUTHORS_RANDOM_POLICY = {
    "easy": "0.55 / 15",
    "medium": "0.05 / 7",
    "hard": "0.10 / 10",
    "first": "0.10 / 9",
    "second": "0.17 / 8",
    "second-demo": "0.41 / 21",
}
"""Goals and length of an episode of a random policy in the authors' code, measured once."""


@dataclass(frozen=True)
class RandomScores:
    """Outcomes of a random policy's episodes."""

    goals: npt.NDArray[np.int64]
    """Goals of each episode, (n,)."""

    lengths: npt.NDArray[np.int64]
    """Steps of each episode, (n,)."""


def random_scores(
    preset: str, num_rows: int = NUM_ROWS, num_steps: int = NUM_STEPS, seed: int = SEED
) -> RandomScores:
    """Episodes of the uniformly random policy in fresh worlds of the training split.

    Args:
        preset: Name of the preset.
        num_rows: Rows of the batch.
        num_steps: Steps of each row.
        seed: Seed of worlds and actions.
    """
    env = gym.make_vec("metaenvs/KrazyWorld-v0", num_envs=num_rows, preset=preset, split="train")
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    # Counting all episodes that end in time would favour short ones.
    last_begin = num_steps - PRESETS[preset].episode_steps
    begun = np.zeros(num_rows, np.int64)
    goals, lengths = [], []
    for time in range(1, num_steps + 1):
        _, _, terminated, truncated, info = env.step(rng.integers(4, size=num_rows))
        ended = terminated | truncated
        counted = ended & (begun <= last_begin)
        goals.append(info["goals_collected"][counted])
        lengths.append(time - begun[counted])
        begun[ended] = time + 1  # The next step only resets.
    env.close()
    return RandomScores(np.concatenate(goals).astype(np.int64), np.concatenate(lengths))


def planner_goals(preset: str) -> npt.NDArray[np.int64]:
    """Most goals that an episode can collect in each of the test worlds, (64,)."""
    env = gym.make("metaenvs/KrazyWorld-v0", preset=preset, split="test", split_seed=0)
    worlds = env.get_wrapper_attr("pool")
    return np.array([plan.goals for plan in best_plans(worlds, PRESETS[preset])], np.int64)


def reference_table() -> str:
    """The markdown table of the manual page, one row per preset."""
    lines = [
        "| Preset | Random: goals | Random: steps | Planner: goals | Authors' code, random |",
        "|---|---|---|---|---|",
    ]
    for preset in PRESETS:
        scores = random_scores(preset)
        lines.append(
            f"| `{preset}` | {scores.goals.mean():.3f} | {scores.lengths.mean():.2f} "
            f"| {planner_goals(preset).mean():.2f} "
            f"| {AUTHORS_RANDOM_POLICY.get(preset, '-')} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(reference_table())
