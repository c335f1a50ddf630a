"""Random Markov decision processes with finitely many states and actions."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.arguments import at_least_one
from metaenvs.env import ArrayEnv
from metaenvs.family import ArrayFamily
from metaenvs.kernels.random import fold, random_uniform
from metaenvs.kernels.row_function import row_function
from metaenvs.spaces import codes_space
from metaenvs.tabular.dirichlet import draw_dirichlet
from metaenvs.tabular.picture import draw_table, table_to_text
from metaenvs.tasks import Tasks
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["TabularMDPEnv", "TabularMDPVectorEnv", "tabular_mdp"]

START = 0
MOST_STATES, MOST_ACTIONS = 64, 64
LAW_TOLERANCE = 1e-6
TRANSITIONS_STREAM, REWARDS_STREAM = 0, 1

PARAMETERS_DTYPE = np.dtype(
    [
        ("num_states", np.int32),
        ("num_actions", np.int32),
        ("concentration", np.float64),
        ("task_visible", np.bool_),
    ],
    align=True,
)
STATE_DTYPE = np.dtype([("place", np.int32), ("last_action", np.int32)], align=True)


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """Laws of the next state from a Dirichlet distribution, rewards uniform on [0, 1)."""
    for place in range(parameters.num_states):
        for action in range(parameters.num_actions):
            pair = place * parameters.num_actions + action
            law_key = fold(fold(key, TRANSITIONS_STREAM), pair)
            draw_dirichlet(task.transitions[place, action], law_key, parameters.concentration)
            task.rewards[place, action] = random_uniform(fold(key, REWARDS_STREAM), pair)


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """Always in the same state."""
    state.place = START
    state.last_action = -1


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Take the reward of state and action, and draw the next state."""
    reward = task.rewards[state.place, action]
    law = task.transitions[state.place, action]
    left = random_uniform(key, 0)
    following = 0
    for place in range(parameters.num_states):
        if law[place] > 0.0:
            # Rounding may leave something over: the last state that is possible takes it.
            following = place
            if left < law[place]:
                break
            left -= law[place]
    state.place = following
    state.last_action = action
    return reward, False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """The state; where the task is visible one-hot, before the task's tables."""
    if not parameters.task_visible:
        observation[0] = state.place
    else:
        num_states, num_actions = parameters.num_states, parameters.num_actions
        offset = num_states + num_states * num_actions * num_states
        for place in range(num_states):
            observation[place] = place == state.place
            for action in range(num_actions):
                pair = place * num_actions + action
                observation[offset + pair] = task.rewards[place, action]
                for following in range(num_states):
                    position = num_states + pair * num_states + following
                    observation[position] = task.transitions[place, action, following]


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """Nothing to tell."""


def tabular_mdp(
    *,
    num_states: int = 10,
    num_actions: int = 5,
    concentration: float = 0.001,
    task_visible: bool = False,
) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    num_states = at_least_one("num_states", num_states)
    num_actions = at_least_one("num_actions", num_actions)
    if num_states > MOST_STATES or num_actions > MOST_ACTIONS:
        raise ValueError(
            f"At most {MOST_STATES} states and {MOST_ACTIONS} actions, got {num_states=} and "
            f"{num_actions=}."
        )
    if not isinstance(concentration, int | float) or not 1e-6 <= concentration <= 1e6:
        raise ValueError(f"concentration must be a number from 1e-6 to 1e6, got {concentration!r}.")
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["num_states"] = num_states
    parameters["num_actions"] = num_actions
    parameters["concentration"] = concentration
    parameters["task_visible"] = task_visible
    pairs = (num_states, num_actions)
    observation_space: gym.spaces.Box | gym.spaces.MultiDiscrete = codes_space([num_states])
    if task_visible:
        size = num_states + num_states * num_actions * (num_states + 1)
        observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
    return ArrayFamily(
        task_space=gym.spaces.Dict(
            {
                "transitions": gym.spaces.Box(0, 1, (*pairs, num_states), np.float64),
                "rewards": gym.spaces.Box(-np.inf, np.inf, pairs, np.float64),
            }
        ),
        observation_space=observation_space,
        action_space=gym.spaces.Discrete(num_actions),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        episode_steps=20,
        check_tasks=_check_laws,
        render=_render,
        render_text=_render_text,
    )


def _check_laws(tasks: Tasks) -> None:
    """ValueError where a law of the next state does not sum to 1."""
    error = np.abs(tasks["transitions"].sum(-1) - 1)
    if not (error <= LAW_TOLERANCE).all():
        index, place, action = np.argwhere(error > LAW_TOLERANCE)[0].tolist()
        raise ValueError(
            f"Task parameter 'transitions' must hold laws that sum to 1; in task {index} that of "
            f"state {place} and action {action} sums to "
            f"{tasks['transitions'][index, place, action].sum():.6g}."
        )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    """Rewards and laws as a table, the way through it below."""
    return draw_table(
        task["transitions"], task["rewards"], [int(state["place"]) for state in states]
    )


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    return table_to_text(
        task["transitions"], task["rewards"],
        int(states[-1]["place"]), int(states[-1]["last_action"]),
    )  # fmt: skip


class TabularMDPVectorEnv(ArrayVectorEnv):
    """Many random processes in one batch; the manual is :class:`TabularMDPEnv`."""

    family = staticmethod(tabular_mdp)


class TabularMDPEnv(ArrayEnv):
    """A Markov decision process that was drawn at random, and whose values are known exactly.

    ## Description
    Finitely many states and actions, laws of the next state from a Dirichlet distribution and
    rewards from a uniform one: the processes on which Tang et al. 2021 ("Unifying Gradient
    Estimators for Meta-Reinforcement Learning via Off-Policy Evaluation", section 5.1) measure
    bias and variance of estimators. With the default concentration a law is nearly deterministic.
    Values of policies and optimal values, over finite and infinite horizons, are in
    `metaenvs.tabular.values`; the discount of the paper's code is 0.8
    (`metaenvs.tabular.values.DISCOUNT`).

    ## Action Space
    `Discrete(num_actions)`.

    ## Observation Space
    `MultiDiscrete([num_states])`: the state. With `task_visible=True` `Box(float32)`: the state
    one-hot, then transitions and rewards in the order of the task's arrays.

    ## Task Space
    `Dict` of `transitions`, `Box(0, 1, (num_states, num_actions, num_states), float64)`, laws of
    the next state, and `rewards`, `Box(-inf, inf, (num_states, num_actions), float64)`. Laws must
    sum to 1 within 1e-6.

    ## Splits
    `"train"` (default), `"test"` (one in 16, by the hash of the content) and `"all"`: endless
    streams.

    ## Rewards
    That of state and action, without noise.

    ## Starting State
    State 0.

    ## Episode End
    Never terminated; truncated after 20 steps.

    ## Arguments
    - `num_states` (10), `num_actions` (5): 1 to 64; the paper says 10 and 5, its code 20 and 5.
    - `concentration` (0.001): of the symmetric Dirichlet distribution, 1e-6 to 1e6.
    - Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    The entries of every family only.

    ## Reference Scores
    Mean over processes of the undiscounted return of an episode (20 steps), and of the value of
    state 0 with discount 0.8 and an infinite horizon; exact for each process, over 20,000 of them.

    | Policy | Return | Discounted value |
    |---|---|---|
    | random | 9.99 | 2.50 |
    | optimal | 17.94 | 4.35 |

    ## Version History
    - v0: first version.
    """

    vector_env = TabularMDPVectorEnv
