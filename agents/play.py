"""A person plays a trial, and sees how agents did on the same task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym

from agents.evaluation.oracles import find_oracle
from agents.evaluation.protocol import AdaptiveAgent, evaluate
from agents.evaluation.reference_agents import RandomAgent
from agents.evaluation.row_seeds import check_seed
from agents.evaluation.scores import returns_of_agents
from agents.keys import QUIT, KeySource, terminal_keys, window_keys
from metaenvs import Tasks

__all__ = ["beside", "key_actions", "play", "play_trial"]

ARROW_ORDER = ("down", "up", "right", "left")
"""The arrow keys' actions 0 to 3, as Krazy World numbers its moves."""
NUM_DIGITS = 10
ROLLOUTS = 100
"""Tries of each agent beside the person: the mean of these is what luck leaves."""

Show = Callable[[str], None]


def play(
    env_id: str,
    *,
    folder: Path | None,
    window: bool,
    episodes: int,
    seed: int,
    env_arguments: Mapping[str, Any] | None,
    show: Show = print,
) -> None:
    """Play at the terminal or in a window, and show the result beside the agents'.

    Args:
        env_id: A family.
        folder: Run of a trained agent to play beside; its family's arguments are the default.
        window: Draw to a window instead of the terminal.
        episodes: Episodes of the trial.
        seed: Decides the task, drawn from the family's test split where it has one.
        env_arguments: The family's own arguments; None is the run's, or none.
        show: Takes what is told.

    Raises:
        ValueError: An environment without tasks or keys, a run of another family, a seed below 0
            or beyond 64 bits, or no terminal.
    """
    check_seed(seed)
    trained = None
    if folder is not None:
        from agents.registry import find_agent
        from agents.runs import load_parameters, read_config

        name, fields = read_config(folder)
        if fields["env_id"] != env_id:
            raise ValueError(f"{folder} was trained on {fields['env_id']}, not on {env_id}.")
        if env_arguments is None:
            env_arguments = fields["env_arguments"]
        entry = find_agent(name)
        module = entry.restore(fields)
        load_parameters(folder, module)
        trained = entry.adaptive(module, name)
    arguments = dict(env_arguments or {})
    env = gym.make(env_id, **arguments)
    if not env.has_wrapper_attr("splits"):
        raise ValueError(
            f"Playing needs a family of tasks, which {env_id} is not: it has no splits. "
            "`metaenvs list` names families."
        )
    splits = env.get_wrapper_attr("splits")
    task = _draw_task(env_id, "test" if "test" in splits else splits[0], seed, arguments)
    tell = _screen(show)
    if window:
        returns = play_trial(
            env_id, task, window_keys(), show, window=True, episodes=episodes, seed=seed,
            env_arguments=arguments,
        )  # fmt: skip
    else:
        with terminal_keys() as keys:
            returns = play_trial(
                env_id, task, keys, tell, window=False, episodes=episodes, seed=seed,
                env_arguments=arguments,
            )  # fmt: skip
    show(beside(returns, env_id, task, trained, episodes=episodes, seed=seed, arguments=arguments))


def key_actions(action_space: gym.Space[Any]) -> dict[str, int]:
    """Keys to actions: arrows are the first four, digits are the action's number.

    Raises:
        ValueError: Actions that are not discrete.
    """
    if not isinstance(action_space, gym.spaces.Discrete):
        raise ValueError(f"Only a Discrete action space has keys, this family has {action_space}.")
    number, first = int(action_space.n), int(action_space.start)
    actions = {str(digit): first + digit for digit in range(min(number, NUM_DIGITS))}
    actions.update({key: first + place for place, key in enumerate(ARROW_ORDER[:number])})
    return actions


def play_trial(
    env_id: str,
    task: Tasks,
    read_key: KeySource,
    show: Show,
    *,
    window: bool,
    episodes: int,
    seed: int,
    env_arguments: Mapping[str, Any],
) -> list[float]:
    """One trial on ``task`` by keys; answers the returns of the episodes that were finished.

    Keys that mean nothing are passed over; ``q`` ends the trial.

    Raises:
        ValueError: A family whose actions have no keys.
    """
    # One episode at a time: within a trial, an episode's end shows the next one's start already.
    env: Any = gym.make(
        env_id,
        render_mode="human" if window else "ansi",
        **{**env_arguments, "episodes_per_trial": 1},
    ).unwrapped
    actions = key_actions(env.action_space)
    env.set_task(task)
    env.reset(seed=seed)
    returns: list[float] = []
    try:
        while len(returns) < episodes:
            total, over = 0.0, False
            told = f"arrows or 0 to {max(actions.values()) - min(actions.values())} act, q ends"
            while not over:
                heading = f"episode {len(returns) + 1} of {episodes}   return {total:g}   {told}"
                show(_frame(env, window, heading))
                key = read_key()
                if key == QUIT:
                    return returns
                if key not in actions:
                    continue
                _, reward, terminated, truncated, _ = env.step(actions[key])
                total, over = total + float(reward), bool(terminated or truncated)
                told = f"reward {reward:g}"
            returns.append(total)
            show(_frame(env, window, f"episode {len(returns)} is over: return {total:g}"))
            if len(returns) < episodes:
                show("Press a key for the next episode; the task stays the same.")
                if read_key() == QUIT:
                    break
                env.reset()
    finally:
        env.close()
    return returns


def beside(
    returns: list[float],
    env_id: str,
    task: Tasks,
    trained: AdaptiveAgent | None,
    *,
    episodes: int,
    seed: int,
    arguments: Mapping[str, Any],
) -> str:
    """A person's returns above those of agents on the same task, as lines of text.

    Random and trained agents are means of 100 tries; the oracle sees the task.
    """
    contenders: list[tuple[AdaptiveAgent, Mapping[str, Any]]] = [(RandomAgent(), arguments)]
    if trained is not None:
        contenders.append((trained, arguments))
    if oracle := find_oracle(env_id, arguments):
        contenders.append(oracle)
    lines = [("you", returns)]
    for agent, its_arguments in contenders:
        rows = evaluate(
            agent, env_id, task, split="", rollouts=ROLLOUTS, episodes=episodes, seed=seed,
            env_arguments=its_arguments,
        )  # fmt: skip
        mean = returns_of_agents(rows)[agent.name].returns[0, 0]
        lines.append((agent.name, mean.tolist()))
    heads = "".join(f"{f'ep. {episode + 1}':>9s}" for episode in range(episodes))
    return "\n".join(
        [
            f"{'Return':12s}{heads}",
            *(f"{name:12s}" + "".join(f"{value:9.2f}" for value in its) for name, its in lines),
        ]
    )


def _draw_task(env_id: str, split: str, seed: int, arguments: Mapping[str, Any]) -> Tasks:
    """One task of a split, by the seed."""
    env = gym.make(env_id, split=split, **arguments)
    env.reset(seed=seed)
    tasks: Tasks = env.get_wrapper_attr("sample_tasks")(1)
    return tasks


def _screen(show: Show) -> Show:
    """Clears the terminal before each frame of several lines."""

    def tell(text: str) -> None:
        show(f"\x1b[2J\x1b[H{text}" if "\n" in text else text)

    return tell


def _frame(env: Any, window: bool, heading: str) -> str:
    """The heading above the picture; a window has drawn its own."""
    return heading if window else f"{heading}\n\n{env.render()}"
