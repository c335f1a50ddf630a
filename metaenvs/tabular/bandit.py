"""Multi-armed bandits whose arms' means are hidden."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.arguments import at_least_one
from metaenvs.env import ArrayEnv
from metaenvs.family import ArrayFamily
from metaenvs.kernels.random import random_uniform
from metaenvs.kernels.row_function import row_function
from metaenvs.spaces import codes_space
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["BanditEnv", "BanditVectorEnv", "bandit"]

MOST_ARMS = 1000
ARM_PIXELS, BAR_PIXELS = 36, 120
BACKGROUND, ARM, PULLED, BEST = (250, 249, 245), (190, 192, 204), (38, 98, 217), (240, 190, 60)

PARAMETERS_DTYPE = np.dtype(
    [("num_arms", np.int32), ("noisy", np.bool_), ("task_visible", np.bool_)], align=True
)
STATE_DTYPE = np.dtype([("last_arm", np.int32)], align=True)


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """Means uniform on [0, 1)."""
    for arm in range(parameters.num_arms):
        task.means[arm] = random_uniform(key, arm)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """What was pulled last is remembered for pictures, within the trial."""
    if episode == 0:
        state.last_arm = -1


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Pull an arm; the episode ends."""
    state.last_arm = action
    mean = task.means[action]
    if not parameters.noisy:
        return mean, True
    return np.float64(random_uniform(key, 0) < mean), True


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """Nothing to see but, where it is visible, the task."""
    if parameters.task_visible:
        for arm in range(parameters.num_arms):
            observation[arm] = task.means[arm]
    else:
        observation[0] = 0


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """How much less than the best arm the one just pulled is worth."""
    fields.regret = 0.0
    if state.last_arm >= 0:
        for arm in range(parameters.num_arms):
            fields.regret = max(fields.regret, task.means[arm] - task.means[state.last_arm])


def bandit(
    *, num_arms: int = 5, noise: str = "bernoulli", task_visible: bool = False
) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    num_arms = at_least_one("num_arms", num_arms)
    if not 2 <= num_arms <= MOST_ARMS:
        raise ValueError(f"num_arms must be an integer from 2 to {MOST_ARMS}, got {num_arms}.")
    if noise not in ("bernoulli", "none"):
        raise ValueError(f'noise must be "bernoulli" or "none", got {noise!r}.')
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["num_arms"] = num_arms
    parameters["noisy"] = noise == "bernoulli"
    parameters["task_visible"] = task_visible
    observation_space: gym.spaces.Box | gym.spaces.MultiDiscrete = codes_space([1])
    if task_visible:
        observation_space = gym.spaces.Box(0, 1, (num_arms,), np.float32)
    return ArrayFamily(
        task_space=gym.spaces.Dict({"means": gym.spaces.Box(0, 1, (num_arms,), np.float64)}),
        observation_space=observation_space,
        action_space=gym.spaces.Discrete(num_arms),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=[("regret", np.float64)],
        episode_steps=1,
        episodes_per_trial=10,
        render=_render,
        render_text=_render_text,
    )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    """A bar per arm as high as its mean: the best gold, with a mark below the one pulled."""
    num_arms = int(parameters["num_arms"])
    image = np.empty((BAR_PIXELS + 24, ARM_PIXELS * num_arms, 3), np.uint8)
    image[:] = BACKGROUND
    best = int(task["means"].argmax())
    for arm, mean in enumerate(task["means"]):
        columns = slice(arm * ARM_PIXELS + 6, (arm + 1) * ARM_PIXELS - 6)
        top = 6 + round(BAR_PIXELS * (1 - float(mean)))
        image[top : BAR_PIXELS + 8, columns] = BEST if arm == best else ARM
        if arm == states[-1]["last_arm"]:
            image[BAR_PIXELS + 12 : BAR_PIXELS + 18, columns] = PULLED
    return image


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    """Means of all arms, that of the one pulled in brackets."""
    pulled = int(states[-1]["last_arm"])
    return "".join(
        f"[{mean:.2f}]" if arm == pulled else f" {mean:.2f} "
        for arm, mean in enumerate(task["means"])
    )


class BanditVectorEnv(ArrayVectorEnv):
    """Many bandits in one batch; the manual is :class:`BanditEnv`."""

    family = staticmethod(bandit)


class BanditEnv(ArrayEnv):
    """Arms of unknown worth, and a few pulls to find out which to use.

    ## Description
    The Bernoulli bandit of Duan et al. 2016 ("RL²: Fast Reinforcement Learning via Slow
    Reinforcement Learning", section 3.1): means uniform on [0, 1), hidden; a trial is ten episodes
    of one pull each. With `noise="none"` a pull pays the mean itself: a world so small that
    expectations over whole trials, before and after adaptation, can be enumerated.

    ## Action Space
    `Discrete(num_arms)`: the arm to pull.

    ## Observation Space
    `MultiDiscrete([1])`: nothing to see. With `task_visible=True`, `Box(0, 1, (num_arms,),
    float32)`: the means. What a learner needs to solve a trial is the previous action and reward:
    `trial_inputs="dict"` or `"flat"`.

    ## Task Space
    `Dict(means: Box(0, 1, (num_arms,), float64))`.

    ## Splits
    `"train"` (default), `"test"` (one in 16, by the hash of the content) and `"all"`: endless
    streams.

    ## Rewards
    1 with the arm's mean as probability, else 0; with `noise="none"` the mean.

    ## Starting State
    Every episode starts alike.

    ## Episode End
    After one pull. The trial ends (`terminated`) after `episodes_per_trial` (10) episodes.

    ## Arguments
    - `num_arms` (5): 2 to 1000.
    - `noise` ("bernoulli"): or "none".
    - Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `regret`: how much less the arm just pulled is worth than the best (means); and the entries of
    every family.

    ## Reference Scores
    Sum of rewards over a trial of the defaults (5 arms, 10 pulls). A random policy makes 5.0, one
    that knows the means 8.333 (10 times 5/6), and the best that is possible without knowing them
    6.660 (`metaenvs.tabular.bandit_optimum.best_value`, dynamic programming over what was seen).
    Duan et al. report 5.0 for a random policy and 6.6 for Gittins indices.

    ## Version History
    - v0: first version.
    """

    vector_env = BanditVectorEnv
