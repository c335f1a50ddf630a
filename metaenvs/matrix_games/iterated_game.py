"""Iterated games against a memory-one opponent, which is the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.env import ArrayEnv
from metaenvs.family import ArrayFamily
from metaenvs.kernels.random import random_integer, random_uniform
from metaenvs.kernels.row_function import row_function
from metaenvs.matrix_games.games import NUM_CODES, STRATEGIES, code_after, mirrored, payoffs_of
from metaenvs.matrix_games.picture import course_to_text, draw_course
from metaenvs.spaces import codes_space
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["IteratedGameEnv", "IteratedGameVectorEnv", "iterated_game"]

PARAMETERS_DTYPE = np.dtype(
    [
        ("payoffs", np.float64, (2, 2)),
        ("named", np.float64, (len(STRATEGIES), NUM_CODES)),
        ("any_table", np.bool_),
        ("task_visible", np.bool_),
    ],
    align=True,
)
STATE_DTYPE = np.dtype(
    [("code", np.int32), ("cooperations", np.int32), ("opponent_cooperations", np.int32)],
    align=True,
)


@row_function
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """One of the named strategies, or any table."""
    strategy = random_integer(key, 0, parameters.named.shape[0])
    for code in range(NUM_CODES):
        if parameters.any_table:
            task.opponent[code] = random_uniform(key, 1 + code)
        else:
            task.opponent[code] = parameters.named[strategy, code]


@row_function
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """Nobody has acted."""
    state.code = 0
    state.cooperations = 0
    state.opponent_cooperations = 0


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Both act at once."""
    other = 1
    if random_uniform(key, 0) < task.opponent[mirrored(state.code)]:
        other = 0
    state.code = code_after(action, other)
    state.cooperations += 1 - action
    state.opponent_cooperations += 1 - other
    return parameters.payoffs[action, other], False


@row_function
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """The code; where the task is visible one-hot, before the opponent's table."""
    if parameters.task_visible:
        for code in range(NUM_CODES):
            observation[code] = code == state.code
            observation[NUM_CODES + code] = task.opponent[code]
    else:
        observation[0] = state.code


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """How often both have cooperated."""
    fields.cooperations = state.cooperations
    fields.opponent_cooperations = state.opponent_cooperations


def iterated_game(
    *,
    game: str | Sequence[Any] = "prisoners_dilemma",
    opponents: str = "named",
    task_visible: bool = False,
) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    if opponents not in ("named", "any"):
        raise ValueError(f'opponents must be "named" or "any", got {opponents!r}.')
    parameters = np.zeros(1, PARAMETERS_DTYPE)
    parameters["payoffs"] = payoffs_of(game)[0]
    parameters["named"] = list(STRATEGIES.values())
    parameters["any_table"] = opponents == "any"
    parameters["task_visible"] = task_visible
    observation_space: gym.spaces.Box | gym.spaces.MultiDiscrete = codes_space([NUM_CODES])
    if task_visible:
        observation_space = gym.spaces.Box(0, 1, (2 * NUM_CODES,), np.float32)
    return ArrayFamily(
        task_space=gym.spaces.Dict({"opponent": gym.spaces.Box(0, 1, (NUM_CODES,), np.float64)}),
        observation_space=observation_space,
        action_space=gym.spaces.Discrete(2),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe,
        report=report,
        report_fields=[("cooperations", np.int32), ("opponent_cooperations", np.int32)],
        episode_steps=100,
        splits=("train", "test", "all") if opponents == "any" else ("all",),
        render=_render,
        render_text=_render_text,
    )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    return draw_course([int(state["code"]) for state in states])


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    return course_to_text([int(state["code"]) for state in states])


class IteratedGameVectorEnv(ArrayVectorEnv):
    """Many iterated games in one batch; the manual is :class:`IteratedGameEnv`."""

    family = staticmethod(iterated_game)


class IteratedGameEnv(ArrayEnv):
    """A game of two actions, played again and again against an opponent to be found out.

    ## Description
    The iterated prisoner's dilemma, and other games of two players and two actions. The opponent
    remembers one step: its probability of cooperating depends on what both did last. It is the
    task: what pays against tit-for-tat does not pay against one who always defects. In the
    picture a column is a step, the agent's action above and the opponent's below, blue for to
    cooperate.

    The same games between two learners: `metaenvs.matrix_games.self_play.SelfPlayBatch` steps many
    at once, `metaenvs.matrix_games.parallel_env.IteratedGameParallelEnv` is PettingZoo's
    `ParallelEnv`. Values of strategies and best responses are exact:
    `metaenvs.matrix_games.as_mdp`.

    ## Action Space
    `Discrete(2)`: 0 cooperates (in matching pennies: heads), 1 defects (tails).

    ## Observation Space
    `MultiDiscrete([5])`: 0 at the start, then 1 CC, 2 CD, 3 DC, 4 DD, the agent's own last action
    first. With `task_visible=True` `Box(0, 1, (10,), float32)`: this one-hot, then the opponent's
    table. Code of LOLA's reproductions counts to defect as action 0 and orders the codes the other
    way round.

    ## Task Space
    `Dict(opponent: Box(0, 1, (5,), float64))`: its probabilities of cooperating at the start and
    after CC, CD, DC, DD, the opponent's own last action first.

    ## Splits
    With `opponents="named"` `"all"` only: six strategies, drawn uniformly. With `opponents="any"`
    `"train"`, `"test"` (one in 16, by the hash of the content) and `"all"`: every probability
    uniform on [0, 1).

    | opponent | start | CC | CD | DC | DD |
    |---|---|---|---|---|---|
    | always cooperates | 1 | 1 | 1 | 1 | 1 |
    | always defects | 0 | 0 | 0 | 0 | 0 |
    | tit-for-tat | 1 | 1 | 0 | 1 | 0 |
    | grim | 1 | 1 | 0 | 0 | 0 |
    | win-stay-lose-shift | 1 | 1 | 0 | 0 | 1 |
    | random | 0.5 | 0.5 | 0.5 | 0.5 | 0.5 |

    ## Rewards
    The first player's payoff of the game, both players' in brackets:

    | game | CC | CD | DC | DD |
    |---|---|---|---|---|
    | `prisoners_dilemma` | (-1, -1) | (-3, 0) | (0, -3) | (-2, -2) |
    | `stag_hunt` | (4, 4) | (1, 3) | (3, 1) | (2, 2) |
    | `chicken` | (3, 3) | (2, 4) | (4, 2) | (1, 1) |
    | `matching_pennies` | (1, -1) | (-1, 1) | (-1, 1) | (1, -1) |

    Prisoner's dilemma and matching pennies are those of Foerster et al. 2018 ("Learning with
    Opponent-Learning Awareness"); the others rank the outcomes from 1 to 4.

    ## Starting State
    Nobody has acted.

    ## Episode End
    Never terminated; truncated after 100 steps.

    ## Arguments
    - `game` ("prisoners_dilemma"; each id gives its own): one of the above, or payoffs of shape
      (2, 2, 2): player, first player's action, second player's action.
    - `opponents` ("named"): or "any".
    - Those of every family: see `metaenvs.vector_env.ArrayVectorEnv`.

    ## Info
    `cooperations`, `opponent_cooperations`: how often in this episode; and the entries of every
    family.

    ## Reference Scores
    Expected return of an episode, mean over the six named opponents: of the uniformly random
    policy, and of the best response, which knows the opponent (`metaenvs.matrix_games.as_mdp` and
    backward induction).

    | game | Random | Best response |
    |---|---|---|
    | `prisoners_dilemma` | -165.7 | -99.5 |
    | `stag_hunt` | 234.3 | 341.7 |
    | `chicken` | 234.3 | 292.2 |
    | `matching_pennies` | 0.0 | 83.3 |

    ## Version History
    - v0: first version.
    """

    vector_env = IteratedGameVectorEnv
