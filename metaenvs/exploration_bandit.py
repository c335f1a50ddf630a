"""The exploration bandit: a trial of a few pulls in which finding out costs reward."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.env import ArrayEnv
from metaenvs.family import ArrayFamily
from metaenvs.kernels.random import random_integer
from metaenvs.kernels.row_function import row_function
from metaenvs.spaces import codes_space
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["ExplorationBanditEnv", "ExplorationBanditVectorEnv", "exploration_bandit"]

SAFE_ARM = 0
SAFE_REWARD, BEST_REWARD, OTHER_REWARD = 0.5, 1.0, -0.5
START, ARM_PIXELS = 0, 48

PARAMETERS_DTYPE = np.dtype([("num_arms", np.int32), ("task_visible", np.bool_)], align=True)
STATE_DTYPE = np.dtype([("last_arm", np.int32)], align=True)


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """Hide the best arm among all but the safe one."""
    task.best_arm = 1 + random_integer(key, 0, parameters.num_arms - 1)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """Nothing has been pulled in this episode."""
    state.last_arm = -1


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Pull an arm; the episode ends."""
    state.last_arm = action
    reward = OTHER_REWARD
    if action == SAFE_ARM:
        reward = SAFE_REWARD
    elif action == task.best_arm:
        reward = BEST_REWARD
    return reward, True


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """Nothing to see but, where it is visible, the task."""
    observation[0] = START
    if parameters.task_visible:
        observation[1] = task.best_arm


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """Whether the best arm has just been pulled."""
    fields.found_best = state.last_arm == task.best_arm


def exploration_bandit(*, num_arms: int = 7, task_visible: bool = False) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    if not isinstance(num_arms, int) or not 3 <= num_arms <= 100:
        raise ValueError(f"num_arms must be an integer from 3 to 100, got {num_arms!r}.")
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["num_arms"] = num_arms
    parameters["task_visible"] = task_visible
    return ArrayFamily(
        task_space=gym.spaces.Dict({"best_arm": gym.spaces.Box(1, num_arms - 1, (), np.int16)}),
        observation_space=codes_space([1] + [num_arms] * task_visible),
        action_space=gym.spaces.Discrete(num_arms),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=[("found_best", np.bool_)],
        episode_steps=1,
        episodes_per_trial=5,
        splits=("all",),
        render=_render,
        render_text=_render_text,
    )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    """A square per arm: safe grey, best gold, others red; the arm pulled has a dark frame."""
    num_arms = int(parameters["num_arms"])
    image = np.full((ARM_PIXELS, ARM_PIXELS * num_arms, 3), 250, np.uint8)
    for arm in range(num_arms):
        square = image[:, arm * ARM_PIXELS : (arm + 1) * ARM_PIXELS]
        if arm == states[-1]["last_arm"]:
            square[2:-2, 2:-2] = (40, 40, 60)
        colour = (200, 120, 110)
        if arm == SAFE_ARM:
            colour = (150, 150, 160)
        elif arm == task["best_arm"]:
            colour = (240, 190, 60)
        square[8:-8, 8:-8] = colour
    return image


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    """S for safe, B for best, - for the others; the arm pulled in brackets."""
    letters = ["-"] * int(parameters["num_arms"])
    letters[SAFE_ARM], letters[int(task["best_arm"])] = "S", "B"
    pulled = int(states[-1]["last_arm"])
    return "".join(
        f"[{letter}]" if arm == pulled else f" {letter} " for arm, letter in enumerate(letters)
    )


class ExplorationBanditVectorEnv(ArrayVectorEnv):
    """Many exploration bandits in one batch; the manual is :class:`ExplorationBanditEnv`."""

    family = staticmethod(exploration_bandit)


class ExplorationBanditEnv(ArrayEnv):
    """An armed bandit whose best arm is hidden, and a few pulls to find and use it.

    ## Description
    One arm is safe, known (arm 0) and worth 0.5. One of the others, drawn with the task, is worth
    1; the rest lose 0.5. A trial is five episodes of one pull each. Maximising the sum over the
    trial (RL²) the optimum is to play safe; maximising the last two episodes alone (E-RL² with
    three exploratory episodes) it is to explore. It tells within a minute whether a learner's
    objective credits exploration.

    ## Action Space
    `Discrete(num_arms)`: the arm to pull.

    ## Observation Space
    `MultiDiscrete([1])`: nothing to see. With `task_visible=True`, `MultiDiscrete([1, num_arms])`:
    the second code is the best arm. What a learner needs to solve a trial is the previous action
    and reward: `trial_inputs="dict"` or `"flat"`.

    ## Task Space
    `Dict(best_arm: Box(1, num_arms - 1, (), int16))`.

    ## Splits
    `"all"` only: there are `num_arms - 1` tasks, drawn uniformly. Its name must be given
    nowhere: it is the default.

    ## Rewards
    0.5 for arm 0, 1 for the best arm, -0.5 for any other. Deterministic.

    ## Starting State
    Every episode starts alike.

    ## Episode End
    After one pull. The trial ends (`terminated`) after `episodes_per_trial` (5) episodes.

    ## Arguments
    - `num_arms` (7): number of arms, 3 to 100.
    - Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `found_best`: whether the best arm has just been pulled; and the entries of every family
    (`task_id`, `episode_index`, `episode_end`, `episode_terminated`).

    ## Reference Scores
    With the defaults (7 arms, 5 pulls), by dynamic programming over the arms not yet tried
    (`metaenvs.exploration_bandit_optimum.best_values`): the optimal sum over the trial is 2.5
    (play safe; the last two pulls give 1.0), the optimal sum of the last two pulls is 1.5 (try
    three arms, then use the best or play safe). A random policy makes -0.214 in each pull.

    ## Version History
    - v0: first version.
    """

    vector_env = ExplorationBanditVectorEnv
