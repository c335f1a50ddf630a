"""Row functions of locomotion: tasks, starts, steps, observations and rewards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metaenvs.kernels.random import random_normal, random_uniform
from metaenvs.kernels.row_function import row_function
from metaenvs.locomotion.physics import apply_task, settle, simulate

__all__ = [
    "DIRECTION", "FORWARD", "POSITION", "POSITION_OR_START", "STATE", "VELOCITY", "draw_task",
    "observe", "report", "start_episode", "step",
]  # fmt: skip

FORWARD, DIRECTION, VELOCITY, POSITION, POSITION_OR_START, STATE = 0, 1, 2, 3, 4, 5
"""Kinds of goals."""

UNIFORM, POWER, RADIUS_SQUARED, ANGLE = 0, 1, 2, 3
"""How a component of a task follows from a number u that is uniform in a box: u itself; a power
of a base; and two that come in pairs, a point of the plane in polar coordinates."""


@row_function(inline=False)
def draw_task(parameters: Any, task: Any, state: Any, key: Any) -> None:
    """Choose a box by its weight and a point in it."""
    choice = random_uniform(key, 0)
    box = 0
    while box + 1 < parameters.num_boxes and choice >= parameters.box_cumulative[box]:
        box += 1
    for component in range(parameters.num_components):
        position = box * parameters.num_components + component
        low, high = parameters.box_low[position], parameters.box_high[position]
        number = low + (high - low) * random_uniform(key, 1 + component)
        kind = parameters.component_kind[component]
        if kind == POWER:
            number = math.pow(parameters.component_base[component], number)
        task[component] = number
        if kind == ANGLE:
            radius = math.sqrt(task[component - 1])
            task[component - 1] = radius * math.cos(number)
            task[component] = radius * math.sin(number)


@row_function(inline=False)
def random_noise(key: Any, counter: Any, normal: Any) -> Any:
    """Standard normal, or uniform on [-1, 1): draws ``counter`` and the next."""
    if normal:
        return random_normal(key, counter)
    return 2.0 * random_uniform(key, counter) - 1.0


@row_function(inline=False)
def start_episode(parameters: Any, task: Any, state: Any, episode: Any, key: Any) -> None:
    """The nominal pose with noise; in the trial's first episode the model is the task's first."""
    if episode == 0:
        apply_task(parameters, task, state)
    for index in range(parameters.num_positions):
        noise = random_noise(key, 2 * index, parameters.normal_positions)
        state.positions[index] = (
            parameters.nominal_positions[index] + parameters.position_scale * noise
        )
    for index in range(parameters.num_velocities):
        counter = 2 * (parameters.num_positions + index)
        noise = random_noise(key, counter, parameters.normal_velocities)
        state.velocities[index] = (
            parameters.nominal_velocities[index] + parameters.velocity_scale * noise
        )
    settle(parameters, state)
    locate(parameters, state)
    state.x_velocity = 0.0
    state.y_velocity = 0.0
    state.reward_goal = 0.0
    state.reward_rest = 0.0
    state.diverged = False


@row_function
def locate(parameters: Any, state: Any) -> None:
    """Note where the robot is in the plane."""
    state.x_position = state.torso[0]
    state.y_position = state.torso[1]
    if parameters.root_coordinates > 0:
        state.x_position = state.positions[0]
        state.y_position = 0.0
    if parameters.root_coordinates > 1:
        state.y_position = state.positions[1]


@row_function(inline=False)
def clipped_squares(values: Any, count: Any, bound: Any) -> Any:
    """Sum of squares of ``values`` clipped to plus or minus ``bound``.

    It is summed in NumPy's order, eight partial sums from eight numbers on, so that rewards are
    Gymnasium's to the last bit.
    """
    total = 0.0
    whole = count - count % 8
    if count >= 8:
        first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
        for lane in range(8):
            partial = 0.0
            for index in range(lane, whole, 8):
                value = min(max(values[index], -bound), bound)
                partial += value * value
            if lane < 2:
                first += partial
            elif lane < 4:
                second += partial
            elif lane < 6:
                third += partial
            else:
                fourth += partial
        total = (first + second) + (third + fourth)
    for index in range(whole, count):
        value = min(max(values[index], -bound), bound)
        total += value * value
    return total


@row_function
def is_healthy(parameters: Any, state: Any) -> Any:
    """Whether height, pitch and all else are where they should be."""
    height = state.positions[parameters.height_index]
    if height < parameters.lowest or height > parameters.highest:
        return False
    angle = state.positions[parameters.angle_index]
    if angle < parameters.least_angle or angle > parameters.greatest_angle:
        return False
    if parameters.state_bound < np.inf:
        for index in range(2, parameters.num_positions):
            if abs(state.positions[index]) >= parameters.state_bound:
                return False
        for index in range(parameters.num_velocities):
            if abs(state.velocities[index]) >= parameters.state_bound:
                return False
    return True


@row_function(inline=False)
def weighted_state(parameters: Any, weights: Any, state: Any) -> Any:
    """Sum of all positions and velocities, normalised, by their weights."""
    total = 0.0
    for index in range(parameters.num_positions):
        number = (state.positions[index] - parameters.state_means[index]) / (
            parameters.state_deviations[index]
        )
        total += weights[index] * number
    for index in range(parameters.num_velocities):
        place = parameters.num_positions + index
        number = (state.velocities[index] - parameters.state_means[place]) / (
            parameters.state_deviations[place]
        )
        total += weights[place] * number
    return total


@row_function
def goal_reward(parameters: Any, task: Any, state: Any, speed: Any) -> Any:
    """What the step is worth for the task's goal."""
    kind = parameters.goal_kind
    goal = parameters.goal_component
    if kind == FORWARD:
        return parameters.goal_weight * speed
    if kind == DIRECTION:
        along = state.x_velocity * math.cos(task[goal]) + state.y_velocity * math.sin(task[goal])
        return parameters.goal_weight * along
    if kind == STATE:
        return weighted_state(parameters, task[goal:], state)
    if kind == VELOCITY:
        miss = abs(speed - task[goal])
    elif kind == POSITION_OR_START:
        across, along = state.x_position - task[goal], state.y_position - task[goal + 1]
        if math.sqrt(across * across + along * along) > parameters.goal_radius:
            across, along = task[goal], task[goal + 1]
        return parameters.goal_peak - parameters.goal_slope * (abs(across) + abs(along))
    else:
        across, along = state.x_position - task[goal], state.y_position - task[goal + 1]
        if parameters.goal_radius < np.inf:
            miss = math.sqrt(across * across + along * along)
        else:
            miss = abs(across) + abs(along)
    if miss > parameters.goal_radius:
        return 0.0 - parameters.goal_outer_slope * miss
    return parameters.goal_peak - parameters.goal_slope * miss


@row_function
def step(parameters: Any, task: Any, state: Any, action: Any, key: Any) -> Any:
    """Apply the action for one environment step."""
    for index in range(parameters.num_actuators):
        control = parameters.action_scale * np.float64(action[index])
        strength = parameters.strength_component
        if strength >= 0 and task[strength + index] == 0.0:
            control = 0.0
        state.controls[index] = control
    x_before, y_before = state.x_position, state.y_position
    speed_before = state.velocities[0]
    if not simulate(parameters, state):
        state.diverged = True
        state.x_velocity = 0.0
        state.y_velocity = 0.0
        state.reward_goal = 0.0
        state.reward_rest = 0.0
        return 0.0, True
    locate(parameters, state)
    state.x_velocity = (state.x_position - x_before) / parameters.duration
    state.y_velocity = (state.y_position - y_before) / parameters.duration
    speed = state.x_velocity
    if parameters.speed_before_step:
        speed = speed_before
    healthy = is_healthy(parameters, state)
    bonus = parameters.alive_bonus
    if parameters.bonus_needs_health and not healthy:
        bonus = 0.0
    costs = parameters.control_weight * clipped_squares(
        state.controls, parameters.num_actuators, np.inf
    )
    if parameters.contact_weight > 0.0:
        costs += parameters.contact_weight * clipped_squares(
            state.contact_forces, parameters.num_contact_forces, 1.0
        )
    state.reward_goal = goal_reward(parameters, task, state, speed)
    state.reward_rest = bonus - costs
    return (state.reward_goal + bonus) - costs, parameters.ends_unhealthy and not healthy


@row_function(inline=False)
def observe(parameters: Any, task: Any, state: Any, observation: Any) -> None:
    """Write the parts of the observation that are asked for, always in this order."""
    end = 0
    if parameters.observe_x_velocity:
        observation[end] = state.x_velocity
        end += 1
    for index in range(parameters.hidden_positions, parameters.num_positions):
        observation[end] = state.positions[index]
        end += 1
    for index in range(parameters.num_velocities):
        bound = parameters.velocity_bound
        observation[end] = min(max(state.velocities[index], -bound), bound)
        end += 1
    if parameters.observe_rotation:
        for index in range(9):
            observation[end] = state.rotation[index]
            end += 1
    if parameters.observe_torso:
        for index in range(3):
            observation[end] = state.torso[index]
            end += 1
    if parameters.first_contact_force >= 0:
        for index in range(parameters.first_contact_force, parameters.num_contact_forces):
            observation[end] = min(max(state.contact_forces[index], -1.0), 1.0)
            end += 1
    if parameters.task_visible:
        for component in range(parameters.num_components):
            observation[end] = task[component]
            end += 1


@row_function
def report(parameters: Any, task: Any, state: Any, fields: Any) -> None:
    """Where the robot is, how fast it went, and the parts of its reward."""
    fields.x_position = state.x_position
    fields.y_position = state.y_position
    fields.x_velocity = state.x_velocity
    fields.y_velocity = state.y_velocity
    fields.reward_goal = state.reward_goal
    fields.reward_rest = state.reward_rest
    fields.diverged = state.diverged
