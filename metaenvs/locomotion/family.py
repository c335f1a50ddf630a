"""From a setting to a family: spaces, parameters and the choice of tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.family import ArrayFamily, Attachment
from metaenvs.locomotion import rules
from metaenvs.locomotion.distributions import Boxes, Split, boxes_of, require_within, with_ranges
from metaenvs.locomotion.factors import (
    FACTORS,
    UPSTREAM_LEG_DAMPING,
    Factor,
    edits_of,
    factor_space,
)
from metaenvs.locomotion.goals import GOALS, Goal
from metaenvs.locomotion.models import BlockLayout, load_model
from metaenvs.locomotion.published import PUBLISHED
from metaenvs.locomotion.records import (
    BOX_VALUES,
    BOXES,
    COMPONENTS,
    EDITS,
    PARAMETERS_DTYPE,
    REPORT_FIELDS,
    STATE_DTYPE,
)
from metaenvs.locomotion.render import draw_robot, robot_to_text
from metaenvs.locomotion.robots import ROBOTS, Robot
from metaenvs.locomotion.settings import Setting
from metaenvs.locomotion.workers import make_workers

__all__ = ["locomotion", "model_of"]

Array = npt.NDArray[Any]

GOAL_SPACES = {
    "goal_velocity": gym.spaces.Box(-20.0, 20.0, (), np.float64),
    "goal_direction": gym.spaces.Box(-2 * math.pi, 2 * math.pi, (), np.float64),
    "goal_position": gym.spaces.Box(-50.0, 50.0, (2,), np.float64),
    "goal_weights": gym.spaces.Box(-10.0, 10.0, (GOALS["state"].size,), np.float64),
}
MODES = ("set", "range")
LEG_DAMPING = ("intended", "upstream")


def locomotion(
    *,
    setting: str | Setting,
    mode: str = "set",
    scale_inertia: bool = False,
    recompute_constants: bool = True,
    contact_forces: bool = True,
    leg_damping: str = "intended",
    task_visible: bool = False,
    **changes: Any,
) -> ArrayFamily:
    """The family in one configuration; arguments are described in the manual page."""
    setting = _chosen(setting, changes)
    for name, value, allowed in (("mode", mode, MODES), ("leg_damping", leg_damping, LEG_DAMPING)):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {allowed}, got {value!r}.")
    if not contact_forces:
        setting = replace(
            setting,
            reward=replace(setting.reward, contact_weight=0.0),
            observation=replace(setting.observation, contact_forces=False),
        )
    robot, goal = ROBOTS[setting.robot], GOALS[setting.goal]
    model = load_model(robot.model_file)
    if goal.means and len(goal.means) != model.nq + model.nv:
        raise ValueError(
            f"goal={setting.goal!r} is of {len(goal.means)} positions and velocities, as "
            f"half_cheetah has them; {setting.robot} has {model.nq + model.nv}."
        )
    factors = {name: FACTORS[name] for name in _entries(setting) if name in FACTORS}
    if leg_damping == "upstream" and "leg_damping_scale" in factors:
        factors["leg_damping_scale"] = UPSTREAM_LEG_DAMPING
    spaces = {name: factor_space(factor, model) for name, factor in factors.items()}
    if goal.task is not None:
        spaces[goal.task] = GOAL_SPACES[goal.task]
    require_within(setting.splits, spaces)
    task_space = gym.spaces.Dict(dict(sorted(spaces.items())))
    sizes = {name: space.shape or () for name, space in task_space.items()}
    widths = [int(np.prod(shape, dtype=np.int64)) for shape in sizes.values()]
    starts = dict(zip(sizes, np.cumsum([0, *widths[:-1]]).tolist(), strict=True))

    parameters = np.zeros(1, PARAMETERS_DTYPE)
    _write_robot(parameters, robot, setting, model)
    _write_factors(parameters, factors, starts, model, scale_inertia)
    _write_goal(parameters, setting, goal, starts)
    parameters["num_components"] = sum(widths)
    parameters["recompute_constants"] = recompute_constants
    parameters["task_visible"] = task_visible
    _require_room("numbers of a task", sum(widths), COMPONENTS)

    splits = {
        name: boxes_of(with_ranges(split) if mode == "range" else split, sizes)
        for name, split in setting.splits.items()
    }
    pools = {name: boxes.points(sizes) for name, boxes in splits.items()}

    def attach(num_workers: int, split: str) -> Attachment:
        complete = parameters.copy()
        _write_boxes(complete, splits["all" if setting.hashed else split])
        workers = make_workers(robot.model_file, complete, num_workers)
        return Attachment(workers.parameters, (workers.models, workers.data))

    width = int(
        setting.observation.x_velocity
        + model.nq - int(parameters["hidden_positions"][0]) + model.nv
        + 9 * setting.observation.rotation + 3 * setting.observation.torso
        + _num_contact_forces(setting, model) + task_visible * sum(widths)
    )  # fmt: skip
    return ArrayFamily(
        task_space=task_space,
        observation_space=gym.spaces.Box(-np.inf, np.inf, (width,), np.float64),
        action_space=gym.spaces.Box(-1.0, 1.0, (model.nu,), np.float32),
        parameters=parameters,
        state_dtype=STATE_DTYPE,
        draw_task=rules.draw_task,
        start_episode=rules.start_episode,
        step=rules.step,
        observe=rules.observe,
        report=rules.report,
        report_fields=REPORT_FIELDS,
        episode_steps=setting.episode_steps,
        episodes_per_trial=setting.episodes_per_trial,
        splits=("train", "test", "all") if setting.hashed else tuple(splits),
        splits_by_hash=setting.hashed,
        pools={name: pool for name, pool in pools.items() if pool is not None},
        n_tasks=setting.n_tasks,
        attach=attach,
        tasks_as_vectors=True,
        threaded_from=2,
        render=lambda _, task, states: draw_robot(model, robot, states),
        render_text=lambda _, task, states: robot_to_text(task, states[-1]),
    )


def model_of(setting: str | Setting, block: Array) -> Any:
    """A fresh ``MjModel`` with the fields of one row's model, to look at or to render.

    Args:
        setting: As for :func:`locomotion`.
        block: The row's ``get_state()["states/block"]``.
    """
    model = load_model(ROBOTS[_chosen(setting, {}).robot].model_file)
    BlockLayout.of(model).write(model, block)
    return model


def _chosen(setting: str | Setting, changes: Mapping[str, Any]) -> Setting:
    """The published setting of this name with some of its entries changed."""
    if isinstance(setting, str):
        if setting not in PUBLISHED:
            raise ValueError(f"setting must be one of {list(PUBLISHED)}, got {setting!r}.")
        setting = PUBLISHED[setting]
    unknown = sorted(set(changes) - set(CHANGES))
    if unknown:
        raise TypeError(f"Locomotion has no argument {unknown}; it can change {list(CHANGES)}.")
    robot = changes.get("robot", setting.robot)
    if robot not in ROBOTS:
        raise ValueError(f"robot must be one of {list(ROBOTS)}, got {robot!r}.")
    goal = changes.get("goal", setting.goal)
    if goal not in GOALS:
        raise ValueError(f"goal must be one of {list(GOALS)}, got {goal!r}.")
    given = {name: value for name, value in changes.items() if name != "vary"}
    if "vary" in changes:
        given |= {"splits": {"all": Split((dict(changes["vary"]),))}, "hashed": True, "n_tasks": {}}
    setting = replace(setting, **given)
    wanted = {GOALS[goal].task} - {None}
    for name in _entries(setting):
        if name not in FACTORS and name not in wanted:
            raise ValueError(
                f"Tasks can have the entries {[*FACTORS, *sorted(map(str, wanted))]} with "
                f"goal={goal!r}, got {name!r}."
            )
    missing = wanted - set(_entries(setting))
    if missing:
        raise ValueError(f"goal={goal!r} needs {sorted(map(str, missing))} in vary.")
    return setting


CHANGES = ("robot", "goal", "vary", "reward", "observation", "start", "episode_steps")
"""Entries of a setting that arguments of the same name replace."""


def _entries(setting: Setting) -> list[str]:
    """Names of the task's entries."""
    first = next(iter(setting.splits.values()))
    return sorted(first.regions[0])


def _require_room(what: str, needed: int, most: int) -> None:
    if needed > most:
        raise ValueError(f"There is room for {most} {what}, this setting needs {needed}.")


def _num_contact_forces(setting: Setting, model: Any) -> int:
    """How many contact forces are observed."""
    observed = setting.observation.contact_forces
    return 6 * (int(model.nbody) - 1 + setting.observation.contact_world) * observed


def _write_robot(parameters: Array, robot: Robot, setting: Setting, model: Any) -> None:
    """What the robot and its model decide."""
    import metaenvs.locomotion.models as models

    layout = BlockLayout.of(model)
    nominal = models.mujoco.MjData(model)
    observation, start = setting.observation, setting.start or robot.start
    hidden = observation.hidden_positions
    needs_forces = observation.contact_forces or setting.reward.contact_weight > 0
    parameters["num_positions"], parameters["num_velocities"] = model.nq, model.nv
    parameters["num_actuators"] = model.nu
    parameters["num_contact_forces"] = 6 * model.nbody if needs_forces else 0
    parameters["first_contact_force"] = -1
    if observation.contact_forces:
        parameters["first_contact_force"] = 0 if observation.contact_world else 6
    parameters["nominal_block"][0, : layout.size] = layout.read(model)
    parameters["nominal_positions"][0, : model.nq] = nominal.qpos
    parameters["nominal_velocities"][0, : model.nv] = nominal.qvel
    parameters["frame_skip"] = robot.frame_skip
    parameters["duration"] = model.opt.timestep * robot.frame_skip
    parameters["action_scale"] = model.actuator_ctrlrange[0, 1]
    parameters["hidden_positions"] = robot.hidden_positions if hidden is None else hidden
    parameters["velocity_bound"] = robot.velocity_bound
    parameters["observe_x_velocity"] = observation.x_velocity
    parameters["observe_rotation"] = observation.rotation
    parameters["observe_torso"] = observation.torso
    parameters["position_scale"], parameters["velocity_scale"] = start.positions, start.velocities
    parameters["normal_positions"] = start.normal_positions
    parameters["normal_velocities"] = start.normal_velocities
    parameters["root_coordinates"] = robot.root_coordinates
    parameters["height_index"], parameters["angle_index"] = robot.height_index, robot.angle_index
    parameters["lowest"], parameters["highest"] = robot.healthy_height
    parameters["least_angle"], parameters["greatest_angle"] = robot.healthy_angle
    parameters["state_bound"] = robot.state_bound


def _write_factors(
    parameters: Array,
    factors: Mapping[str, Factor],
    starts: Mapping[str, int],
    model: Any,
    scale_inertia: bool,
) -> None:
    """How tasks change the model."""
    edits = edits_of(factors, starts, model, scale_inertia=scale_inertia)
    num_edits = len(edits.element)
    _require_room("edits of the model", num_edits, EDITS)
    parameters["num_edits"] = num_edits
    parameters["edit_element"][0, :num_edits] = edits.element
    parameters["edit_component"][0, :num_edits] = edits.component
    parameters["edit_inverse"][0, :num_edits] = edits.inverse
    parameters["strength_component"] = starts.get("actuator_strength", -1)


def _write_goal(parameters: Array, setting: Setting, goal: Goal, starts: Mapping[str, int]) -> None:
    """What is paid."""
    reward = setting.reward
    parameters["goal_kind"] = goal.kind
    parameters["goal_component"] = -1 if goal.task is None else starts[goal.task]
    parameters["goal_weight"] = setting.goal_weight
    parameters["goal_peak"], parameters["goal_slope"] = goal.peak, goal.slope
    parameters["goal_radius"] = goal.radius
    parameters["goal_outer_slope"] = goal.outer_slope
    parameters["state_means"][0, : len(goal.means)] = goal.means
    parameters["state_deviations"][0, : len(goal.deviations)] = goal.deviations
    parameters["speed_before_step"] = setting.speed_before_step
    parameters["control_weight"] = reward.control_weight
    parameters["contact_weight"] = reward.contact_weight
    parameters["alive_bonus"] = reward.alive_bonus
    parameters["bonus_needs_health"] = reward.bonus_needs_health
    parameters["ends_unhealthy"] = reward.ends_unhealthy


def _write_boxes(parameters: Array, boxes: Boxes) -> None:
    """What tasks are drawn from."""
    num_boxes, num_components = boxes.low.shape
    _require_room("boxes of tasks", num_boxes, BOXES)
    _require_room("bounds of boxes", boxes.low.size, BOX_VALUES)
    parameters["num_boxes"] = num_boxes
    parameters["box_cumulative"][0, :num_boxes] = np.cumsum(boxes.weights)
    parameters["box_low"][0, : boxes.low.size] = boxes.low.ravel()
    parameters["box_high"][0, : boxes.high.size] = boxes.high.ravel()
    parameters["component_kind"][0, :num_components] = boxes.kinds
    parameters["component_base"][0, :num_components] = boxes.bases
