"""Pictures of a run: how it learned, and how it behaves in a world that it never met."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from agents.evaluation import plots
from agents.evaluation.curves import read_metrics
from agents.evaluation.protocol import AdaptiveAgent, Transition, Trials
from agents.whole_file import write_whole

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import EngFormatter

__all__ = ["film_trial", "plot_learning", "save_film", "save_strip"]


def _style(axes: Any, title: str, across: str, up: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)


def plot_learning(metrics: Path, target: Path, title: str) -> None:
    """Return of each episode of the trial against env steps, from a run's metrics file."""
    columns = read_metrics(metrics)
    steps = columns["env_steps"]
    names = [name for name in columns if name.startswith("train/return_episode_")]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    width = max(len(steps) // 50, 1)
    shades = plt.get_cmap("viridis")(np.linspace(0.05, 0.85, len(names)))
    for name, shade in zip(names, shades, strict=True):
        smooth = np.convolve(columns[name], np.ones(width) / width, mode="valid")
        axes.plot(steps[width - 1 :], smooth, color=shade, label=f"episode {name.split('_')[-1]}")
    _style(axes, title, "environment steps", "return of the episode (training worlds)")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(frameon=False, title="in the trial")
    plots.save(figure, target, 150)
    plt.close(figure)


def film_trial(
    agent: AdaptiveAgent,
    env_id: str,
    *,
    task: Any,
    episodes: int,
    seed: int,
    env_arguments: Mapping[str, Any] | None = None,
) -> tuple[list[list[npt.NDArray[np.uint8]]], list[float]]:
    """One trial on ``task``: frames (H, W, 3) of each episode up to its end, and its return."""
    env = gym.make_vec(
        env_id,
        num_envs=1,
        render_mode="rgb_array",
        episodes_per_trial=1,
        autoreset_mode=AutoresetMode.DISABLED,
        **(env_arguments or {}),
    )
    family: Any = env.unwrapped
    observation, _ = env.reset(seed=seed, options={"task": task})
    spaces = env.single_observation_space, env.single_action_space
    agent.begin(Trials(1, 1, episodes, *spaces, np.array([seed], np.uint64)))
    film: list[list[npt.NDArray[np.uint8]]] = [[family.render_row(0)]]
    returns = [0.0]
    while True:
        actions = agent.act(observation)
        following, reward, terminated, truncated, _ = env.step(actions)
        film[-1].append(family.render_row(0))
        returns[-1] += float(reward[0])
        over = terminated | truncated
        last = len(film) == episodes
        if over[0] and not last:
            following, _ = env.reset()
            film.append([family.render_row(0)])
            returns.append(0.0)
        agent.observe(
            Transition(observation, actions, reward, following, over, terminated, np.ones(1, bool))
        )
        if over[0] and last:
            break
        observation = following
    env.close()
    return film, returns


def save_strip(
    film: Sequence[Sequence[npt.NDArray[np.uint8]]],
    target: Path,
    title: str,
    captions: Sequence[str],
) -> None:
    """The last frame of each episode side by side, with the path that it took."""
    figure, all_axes = plt.subplots(
        1, len(film), figsize=(2.9 * len(film), 3.6), layout="constrained", squeeze=False
    )
    for axes, frames, caption in zip(all_axes[0], film, captions, strict=True):
        axes.imshow(frames[-1])
        axes.set_title(caption, fontsize=10)
        axes.axis("off")
    figure.suptitle(title, fontsize=12)
    plots.save(figure, target, 130)
    plt.close(figure)


def save_film(
    film: Sequence[Sequence[npt.NDArray[np.uint8]]], target: Path, frames_per_second: float = 5.0
) -> None:
    """An animated GIF of the whole trial; the last frame of each episode stays a while."""
    from PIL import Image

    frames, durations = [], []
    for episode in film:
        for position, frame in enumerate(episode):
            frames.append(Image.fromarray(frame))
            last = position == len(episode) - 1
            durations.append(1000 if last else round(1000 / frames_per_second))
    content = io.BytesIO()
    frames[0].save(
        content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    write_whole(target, content.getvalue())
