"""Rewards as a pure function of (state, action, next state, task), on batches.

Hindsight relabelling asks what a recorded step would have paid in another task. Nothing here steps
an environment or keeps anything between calls; arrays of any number of axes go in, so that one call
relabels a whole buffer for one task, or for every task of a list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.locomotion.family import locomotion
from metaenvs.locomotion.goals import GOALS
from metaenvs.locomotion.rules import DIRECTION, FORWARD, POSITION_OR_START, STATE, VELOCITY
from metaenvs.locomotion.settings import Setting
from metaenvs.tasks import Tasks

__all__ = ["RewardFunction"]

Array = npt.NDArray[Any]
Rewards = npt.NDArray[np.float64]
TasksLike = Tasks | Mapping[str, npt.ArrayLike]

GOAL_ENTRIES = {goal.kind: goal.task for goal in GOALS.values()}
"""Names of a task's entries that goals read, by their kind."""


class RewardFunction:
    """What a step pays: ``reward(state, action, next_state, tasks)``, equal to ``step``'s.

    A *state* is a mapping of arrays with the entries :attr:`entries`; :meth:`states` takes it from
    an environment. Where that is ``x_position``, ``y_position`` and ``diverged`` alone, ``info`` is
    a state as it comes.

    The dynamics under which the steps were made is no matter: only a task's goal, and which of its
    actuators are crippled, decide what a step pays. Nor does any task decide where an episode
    terminates, so that a recorded ``terminated`` holds after relabelling.

    Args:
        setting: The name of an id, without namespace and version.
        arguments: Of ``make``, where they change the setting: ``goal``, ``reward``, ``robot``,
            ``vary``, ``contact_forces``.

    Attributes:
        entries: Names to the lengths of last axes (None: none) of what a state must have.
    """

    entries: dict[str, int | None]

    def __init__(self, setting: str | Setting, **arguments: Any) -> None:
        family = locomotion(setting=setting, **arguments)
        parameters = family.parameters[0]
        self._parameters = parameters
        self._goal = GOAL_ENTRIES[int(parameters["goal_kind"])]
        self._of_state = int(parameters["goal_kind"]) == STATE
        self._cripples = "actuator_strength" in family.task_space.spaces
        self._health_counts = bool(parameters["bonus_needs_health"] and parameters["alive_bonus"])
        self._contacts_cost = bool(parameters["contact_weight"] > 0)
        self.entries = {"x_position": None, "y_position": None, "diverged": None}
        if self._health_counts or self._of_state:
            self.entries["positions"] = int(parameters["num_positions"])
        if self._health_counts or self._of_state or parameters["speed_before_step"]:
            self.entries["velocities"] = int(parameters["num_velocities"])
        if self._contacts_cost:
            self.entries["contact_forces"] = int(parameters["num_contact_forces"])

    def states(self, env: Any) -> dict[str, Array]:
        """The states that the rows of an environment are in: copies, (rows,) or (rows, length).

        In SAME_STEP mode a row that has just ended is already in its next trial's first state.

        Args:
            env: Of this setting, single (one row) or vector; wrappers are looked through.
        """
        whole = env.unwrapped.get_state()
        return {
            name: whole[f"states/{name}"][(slice(None), *([slice(length)] if length else []))]
            for name, length in self.entries.items()
        }

    def __call__(
        self,
        state: Mapping[str, npt.ArrayLike],
        action: npt.ArrayLike,
        next_state: Mapping[str, npt.ArrayLike],
        tasks: TasksLike,
    ) -> Rewards:
        """Rewards of steps.

        Args:
            state: Before the steps: arrays (...) and, for entries with a length, (..., length).
            action: (..., actuators), as ``step`` takes them.
            next_state: After the steps, alike.
            tasks: The entries of the tasks that decide rewards, (...), (..., 2) for a position,
                (..., 18) for ``goal_weights`` and (..., actuators) for ``actuator_strength``. All
                leading axes broadcast: states (n,) and tasks (m, 1) give (m, n).

        Returns:
            float64, of the shape to which all leading axes broadcast.

        Raises:
            ValueError: An entry of a state or of the tasks is missing.
        """
        parameters = self._parameters
        before, after = self._read(state, "state"), self._read(next_state, "next_state")
        x, y = after["x_position"], after["y_position"]
        x_velocity = (x - before["x_position"]) / parameters["duration"]
        y_velocity = (y - before["y_position"]) / parameters["duration"]
        speed = x_velocity
        if parameters["speed_before_step"]:
            speed = before["velocities"][..., 0]
        if self._of_state:
            pays = self._state_pays(tasks, after)
        else:
            pays = self._goal_pays(tasks, x, y, speed, y_velocity)
        bonus = parameters["alive_bonus"]
        if self._health_counts:
            bonus = np.where(self._is_healthy(after), bonus, 0.0)
        controls = parameters["action_scale"] * np.asarray(action, np.float64)
        if self._cripples:
            controls = np.where(self._task(tasks, "actuator_strength") == 0.0, 0.0, controls)
        costs = parameters["control_weight"] * np.square(controls).sum(-1)
        if self._contacts_cost:
            forces = np.clip(after["contact_forces"], -1.0, 1.0)
            costs = costs + parameters["contact_weight"] * np.square(forces).sum(-1)
        return np.asarray(np.where(after["diverged"], 0.0, (pays + bonus) - costs), np.float64)

    def from_info(self, info: Mapping[str, npt.ArrayLike], tasks: TasksLike) -> Rewards:
        """Rewards of steps from what ``info`` told of them, actions and crippling unchanged.

        Args:
            info: Entries ``x_position``, ``y_position``, ``x_velocity``, ``y_velocity``,
                ``reward_goal``, ``reward_rest`` and ``diverged``, all (...).
            tasks: Their goals; leading axes broadcast.

        Returns:
            float64, of the shape to which all leading axes broadcast.

        Raises:
            ValueError: An entry of the tasks is missing, or the goal is one of the whole state,
                which ``info`` does not tell.
        """
        if self._of_state:
            raise ValueError(
                "This goal pays for all positions and velocities, and info does not have them: "
                "call the reward function with states."
            )
        x, y = np.asarray(info["x_position"]), np.asarray(info["y_position"])
        x_velocity, y_velocity = np.asarray(info["x_velocity"]), np.asarray(info["y_velocity"])
        pays = np.asarray(info["reward_goal"])
        if self._parameters["goal_kind"] != FORWARD:
            pays = self._goal_pays(tasks, x, y, x_velocity, y_velocity)
        rewards = pays + np.asarray(info["reward_rest"])
        return np.asarray(np.where(info["diverged"], 0.0, rewards), np.float64)

    def _goal_pays(self, tasks: TasksLike, x: Array, y: Array, speed: Array, across: Array) -> Any:
        """What the goal pays, as :func:`metaenvs.locomotion.rules.goal_reward` has it."""
        parameters = self._parameters
        kind, radius = parameters["goal_kind"], parameters["goal_radius"]
        if kind == FORWARD:
            return parameters["goal_weight"] * speed
        assert self._goal is not None
        goal = self._task(tasks, self._goal)
        if kind == DIRECTION:
            return parameters["goal_weight"] * (speed * np.cos(goal) + across * np.sin(goal))
        if kind == VELOCITY:
            distance = miss = np.abs(speed - goal)
        else:
            right, up = x - goal[..., 0], y - goal[..., 1]
            distance = np.sqrt(right * right + up * up)
            miss = distance if math.isfinite(radius) else np.abs(right) + np.abs(up)
            if kind == POSITION_OR_START:
                from_start = np.abs(goal[..., 0]) + np.abs(goal[..., 1])
                miss = np.where(distance > radius, from_start, np.abs(right) + np.abs(up))
        pays = parameters["goal_peak"] - parameters["goal_slope"] * miss
        if kind == POSITION_OR_START:
            return pays
        outside = 0.0 - parameters["goal_outer_slope"] * miss
        return np.where(distance > radius, outside, pays)

    def _state_pays(self, tasks: TasksLike, after: Mapping[str, Array]) -> Any:
        """As :func:`metaenvs.locomotion.rules.weighted_state`, summed in its order."""
        assert self._goal is not None
        weights = self._task(tasks, self._goal)
        numbers = np.concatenate([after["positions"], after["velocities"]], axis=-1)
        size = numbers.shape[-1]
        means = self._parameters["state_means"][:size]
        terms = weights * ((numbers - means) / self._parameters["state_deviations"][:size])
        return np.cumsum(terms, axis=-1)[..., -1]

    def _is_healthy(self, state: Mapping[str, Array]) -> Array:
        """As :func:`metaenvs.locomotion.rules.is_healthy`."""
        parameters, positions = self._parameters, state["positions"]
        height = positions[..., parameters["height_index"]]
        angle = positions[..., parameters["angle_index"]]
        healthy = (parameters["lowest"] <= height) & (height <= parameters["highest"])
        healthy &= (parameters["least_angle"] <= angle) & (angle <= parameters["greatest_angle"])
        bound = parameters["state_bound"]
        for values in (positions[..., 2:], state["velocities"]):
            healthy &= (np.abs(values) < bound).all(-1)
        return np.asarray(healthy)

    def _read(self, state: Mapping[str, npt.ArrayLike], what: str) -> dict[str, Array]:
        missing = [name for name in self.entries if name not in state]
        if missing:
            raise ValueError(
                f"{what} must have the entries {list(self.entries)}, {missing} missing; "
                "RewardFunction.states(env) has them all."
            )
        return {name: np.asarray(state[name]) for name in self.entries}

    def _task(self, tasks: TasksLike, name: str) -> Array:
        try:
            return np.asarray(tasks[name])
        except KeyError:
            raise ValueError(
                f"Rewards depend on the task's entry {name!r}, which tasks lacks."
            ) from None
