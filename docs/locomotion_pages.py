"""A page for every locomotion id, from its setting, its class's manual and the measured scores."""

from __future__ import annotations

import csv
import inspect
import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from metaenvs.locomotion.distributions import Between, Disc, Powers, Split
from metaenvs.locomotion.env import LocomotionEnv
from metaenvs.locomotion.published import PUBLISHED
from metaenvs.locomotion.settings import Setting
from metaenvs.registration import LOCOMOTION_SETTINGS

__all__ = ["write_locomotion_pages"]

SCORES = Path(__file__).parent.parent / "benchmarks/results/locomotion-reference-scores.csv"
MOST_VALUES = 10
"""A set of more numbers is told by their number and range."""


def write_locomotion_pages(folder: Path) -> None:
    """Write them into ``folder``, where ``Locomotion.md`` is, and list them at its end."""
    experiments = _experiments()
    with SCORES.open(newline="") as file:
        scores = list(csv.DictReader(file))
    for name in LOCOMOTION_SETTINGS:
        env_id = f"metaenvs/{name}-v0"
        env: Any = gym.make(env_id, render_mode="rgb_array")
        env.reset(seed=3)
        env.action_space.seed(3)
        for _ in range(6):
            env.step(env.action_space.sample())
        Image.fromarray(env.render()).save(folder / f"{name}.png")
        mine = [line for line in scores if line["id"] == env_id]
        page = _page(name, env, PUBLISHED[name], experiments[name], mine)
        (folder / f"{name}.md").write_text(page)
    pages = "\n".join(LOCOMOTION_SETTINGS)
    with (folder / "Locomotion.md").open("a") as file:
        file.write(f"\n## Pages\n\n```{{toctree}}\n:maxdepth: 1\n\n{pages}\n```\n")


def _experiments() -> dict[str, tuple[str, str]]:
    """Id to what it reproduces and what varies, from the manual's table of settings."""
    manual = inspect.getdoc(LocomotionEnv) or ""
    table = manual.split("## Settings\n", 1)[1].split("\n## ", 1)[0]
    found: dict[str, tuple[str, str]] = {}
    for line in table.splitlines()[2:]:
        if line.startswith("|"):
            names, reproduces, varies, _ = (cell.strip() for cell in line.strip("|").split("|"))
            found |= dict.fromkeys(re.findall(r"`(\w+)`", names), (reproduces, varies))
    return found


def _page(
    name: str,
    env: Any,
    setting: Setting,
    experiment: tuple[str, str],
    scores: list[dict[str, str]],
) -> str:
    contract = env.unwrapped
    lines = [
        f"# {name}",
        "",
        f"![A picture of {name}]({name}.png)",
        "",
        "The manual is [Locomotion](Locomotion.md).",
        "",
        "| | |",
        "|---|---|",
        f"| id | `metaenvs/{name}-v0` |",
        f"| reproduces | {experiment[0]} |",
        f"| varies | {experiment[1]} |",
        f"| robot | `{setting.robot}` |",
        f"| goal | `{setting.goal}` |",
        f"| observation | `Box` of {contract.observation_space.shape[0]} float64 |",
        f"| action | `Box` of {contract.action_space.shape[0]} float32 within -1 and 1 |",
        f"| episode | {setting.episode_steps} steps at most |",
        f"| trial | {_count(setting.episodes_per_trial, 'episode')} |",
        "",
        "## Task space",
        "",
        "| entry | shape | from | to |",
        "|---|---|---|---|",
    ]
    for entry, space in contract.task_space.items():
        low, high = float(space.low.min()), float(space.high.max())
        lines.append(f"| `{entry}` | {space.shape or 'a number'} | {low:g} | {high:g} |")
    lines += ["", "## Splits", "", "| split | tasks | values |", "|---|---|---|"]
    for split in contract.splits:
        values = _split_text(setting.splits["all" if setting.hashed else split])
        lines.append(f"| `{split}` | {_num_tasks(name, split)} | {values} |")
    if setting.hashed:
        lines += ["", 'A hash of the task decides whether it is of "train" or of "test".']
    return "\n".join([*lines, "", *_scores_lines(scores)]) + "\n"


def _num_tasks(name: str, split: str) -> str:
    try:
        return str(len(gym.make(f"metaenvs/{name}-v0", split=split).unwrapped.pool))  # type: ignore[attr-defined]
    except ValueError:
        return "any number"


def _split_text(split: Split) -> str:
    """Regions of a split, and their weights where they differ."""
    parts = []
    for index, region in enumerate(split.regions):
        told = ", ".join(f"`{name}` {_values_text(values)}" for name, values in region.items())
        if split.weights is not None:
            told += f" (probability {split.weights[index]:.3g})"
        parts.append(told)
    return "; or ".join(parts)


def _values_text(values: Any) -> str:
    if isinstance(values, Between):
        return f"uniform from {values.low:.4g} to {values.high:.4g}"
    if isinstance(values, Powers):
        return (
            f"{values.base:g} to a power uniform from {values.low:g} to {values.high:g}, for each"
        )
    if isinstance(values, Disc):
        ring = f"radius {values.inner:g} to {values.outer:g} m"
        angles = f"angle {values.first_angle:.3g} to {values.last_angle:.3g} rad"
        return f"uniform over the area: {ring}, {angles}"
    numbers = np.asarray(values)
    if "," in str(numbers.shape).rstrip(",)") and set(np.unique(numbers)) <= {0.0, 1.0}:
        dead = [" and ".join(map(str, np.flatnonzero(row == 0))) or "none" for row in numbers]
        return f"without torque at {', '.join(dead)}"
    if len(numbers) > MOST_VALUES:
        return f"{len(numbers)} values from {numbers.min():.4g} to {numbers.max():.4g}"
    return ", ".join(
        f"{number:.4g}" if np.ndim(number) == 0 else f"({', '.join(f'{x:.4g}' for x in number)})"
        for number in numbers
    )


def _scores_lines(scores: list[dict[str, str]]) -> list[str]:
    """Mean return, deviation over episodes, and length of an episode."""
    agents = list(dict.fromkeys(line["agent"] for line in scores))
    lines = [
        "## Reference scores",
        "",
        "Return of an episode: mean, and deviation of single episodes.",
        "",
        "| split | " + " | ".join(agents) + " |",
        "|---" * (1 + len(agents)) + "|",
    ]
    for split in dict.fromkeys(line["split"] for line in scores):
        cells = [
            f"{float(line['mean_return']):.4g} ({float(line['deviation']):.3g})"
            for line in scores
            if line["split"] == split
        ]
        lines.append(f"| `{split}` | {' | '.join(cells)} |")
    episodes = {int(line["episodes"]) for line in scores}
    return [
        *lines,
        "",
        f"At least {min(episodes)} episodes, MuJoCo {scores[0]['mujoco']}; "
        "`python benchmarks/locomotion_reference_scores.py` measures them anew.",
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
