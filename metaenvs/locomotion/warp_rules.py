"""Locomotion's rules as Warp functions: starts, rewards, observations, for one row.

They are :mod:`metaenvs.locomotion.rules`, function by function, in float64 on the float32 numbers
of MuJoCo Warp. Random numbers are those of :mod:`metaenvs.kernels.random`, bit for bit.
"""

# No annotations from the future: Warp reads those of its functions as they stand.
import math

import warp as wp

from metaenvs.kernels.random import FIRST_MULTIPLIER, SECOND_MULTIPLIER
from metaenvs.kernels.random import GOLDEN as GOLDEN_RATIO
from metaenvs.locomotion.rules import DIRECTION, FORWARD, POSITION, STATE, VELOCITY
from metaenvs.locomotion.warp_records import Parameters, Physics, Reports, Rows, States
from metaenvs.locomotion.workers import TORSO

__all__ = [
    "fold", "leave_state", "locate", "observe", "random_uniform", "restore_state", "reward_of",
    "start_episode", "write_report",
]  # fmt: skip

GOLDEN = wp.constant(wp.uint64(int(GOLDEN_RATIO)))
FIRST = wp.constant(wp.uint64(int(FIRST_MULTIPLIER)))
SECOND = wp.constant(wp.uint64(int(SECOND_MULTIPLIER)))
UNIT = wp.constant(wp.float64(1.0 / 9007199254740992.0))
TWO_PI = wp.constant(wp.float64(2.0 * math.pi))
BODY = wp.constant(TORSO)
ON, ALONG = wp.constant(FORWARD), wp.constant(DIRECTION)
AT_SPEED, AT_PLACE, IN_STATE = wp.constant(VELOCITY), wp.constant(POSITION), wp.constant(STATE)


@wp.func
def mix(word: wp.uint64) -> wp.uint64:
    first = (word ^ (word >> wp.uint64(30))) * FIRST
    second = (first ^ (first >> wp.uint64(27))) * SECOND
    return second ^ (second >> wp.uint64(31))


@wp.func
def fold(key: wp.uint64, number: wp.uint64) -> wp.uint64:
    """The key of sub-stream ``number``."""
    return mix(key ^ mix(number + GOLDEN))


@wp.func
def random_uniform(key: wp.uint64, counter: wp.int32) -> wp.float64:
    """Draw ``counter`` of the stream ``key``, uniform on [0, 1)."""
    bits = mix(key + (wp.uint64(counter) + wp.uint64(1)) * GOLDEN)
    return wp.float64(bits >> wp.uint64(11)) * UNIT


@wp.func
def random_noise(key: wp.uint64, counter: wp.int32, normal: wp.bool) -> wp.float64:
    uniform = random_uniform(key, counter)
    noise = wp.float64(2.0) * uniform - wp.float64(1.0)
    if normal:
        radius = wp.sqrt(wp.float64(-2.0) * wp.log(wp.float64(1.0) - uniform))
        noise = radius * wp.cos(TWO_PI * random_uniform(key, counter + 1))
    return noise


@wp.func
def start_episode(
    parameters: Parameters, physics: Physics, states: States, row: wp.int32, key: wp.uint64
):
    """The nominal pose with noise; what kinematics makes of it follows in `locate`."""
    for index in range(parameters.num_positions):
        noise = random_noise(key, 2 * index, parameters.normal_positions)
        position = parameters.nominal_positions[index] + parameters.position_scale * noise
        physics.positions[row, index] = wp.float32(position)
    for index in range(parameters.num_velocities):
        counter = 2 * (parameters.num_positions + index)
        noise = random_noise(key, counter, parameters.normal_velocities)
        velocity = parameters.nominal_velocities[index] + parameters.velocity_scale * noise
        physics.velocities[row, index] = wp.float32(velocity)
        physics.warm_start[row, index] = wp.float32(0.0)
    for index in range(parameters.num_actuators):
        physics.controls[row, index] = wp.float32(0.0)
    for index in range(parameters.num_contact_forces):
        states.contact_forces[row, index] = wp.float32(0.0)
    states.x_velocity[row] = wp.float64(0.0)
    states.y_velocity[row] = wp.float64(0.0)
    states.reward_goal[row] = wp.float64(0.0)
    states.reward_rest[row] = wp.float64(0.0)
    states.diverged[row] = False


@wp.func
def locate(parameters: Parameters, physics: Physics, states: States, row: wp.int32):
    """Take over where the torso is, and note where the robot is in the plane."""
    torso = physics.body_positions[row, BODY]
    rotation = physics.body_rotations[row, BODY]
    for index in range(3):
        states.torso[row, index] = torso[index]
        for column in range(3):
            states.rotation[row, 3 * index + column] = rotation[index, column]
    x = wp.float64(torso[0])
    y = wp.float64(torso[1])
    if parameters.root_coordinates > 0:
        x = wp.float64(physics.positions[row, 0])
        y = wp.float64(0.0)
    if parameters.root_coordinates > 1:
        y = wp.float64(physics.positions[row, 1])
    states.x_position[row] = x
    states.y_position[row] = y


@wp.func
def leave_state(parameters: Parameters, physics: Physics, states: States, row: wp.int32):
    """Take over what the step came to, velocities in the plane included."""
    x_before = states.x_position[row]
    y_before = states.y_position[row]
    locate(parameters, physics, states, row)
    states.x_velocity[row] = (states.x_position[row] - x_before) / parameters.duration
    states.y_velocity[row] = (states.y_position[row] - y_before) / parameters.duration
    for index in range(parameters.num_contact_forces):
        force = physics.contact_forces[row, index / 6]
        states.contact_forces[row, index] = force[index % 6]


@wp.func
def restore_state(parameters: Parameters, physics: Physics, states: States, row: wp.int32):
    """Put the physics back to before the step."""
    for index in range(parameters.num_positions):
        physics.positions[row, index] = states.last_positions[row, index]
    for index in range(parameters.num_velocities):
        physics.velocities[row, index] = states.last_velocities[row, index]
        physics.warm_start[row, index] = states.last_warm_start[row, index]


@wp.func
def is_healthy(parameters: Parameters, physics: Physics, row: wp.int32) -> wp.bool:
    height = wp.float64(physics.positions[row, parameters.height_index])
    angle = wp.float64(physics.positions[row, parameters.angle_index])
    healthy = height >= parameters.lowest and height <= parameters.highest
    healthy = healthy and angle >= parameters.least_angle and angle <= parameters.greatest_angle
    for index in range(2, parameters.num_positions):
        position = wp.float64(physics.positions[row, index])
        healthy = healthy and wp.abs(position) < parameters.state_bound
    for index in range(parameters.num_velocities):
        velocity = wp.float64(physics.velocities[row, index])
        healthy = healthy and wp.abs(velocity) < parameters.state_bound
    return healthy


@wp.func
def clipped_squares(values: wp.array2d[wp.float32], row: wp.int32, count: wp.int32) -> wp.float64:
    """Sum of squares of ``values`` clipped to plus or minus 1."""
    total = wp.float64(0.0)
    for index in range(count):
        value = wp.clamp(wp.float64(values[row, index]), wp.float64(-1.0), wp.float64(1.0))
        total += value * value
    return total


@wp.func
def reward_near(parameters: Parameters, miss: wp.float64) -> wp.float64:
    """What missing the goal by so much is worth."""
    pays = wp.float64(0.0) - parameters.goal_outer_slope * miss
    if miss <= parameters.goal_radius:
        pays = parameters.goal_peak - parameters.goal_slope * miss
    return pays


@wp.func
def weighted_state(
    parameters: Parameters,
    physics: Physics,
    tasks: wp.array2d[wp.float64],
    row: wp.int32,
) -> wp.float64:
    """Sum of all positions and velocities, normalised, by their weights."""
    total = wp.float64(0.0)
    for index in range(parameters.num_positions + parameters.num_velocities):
        number = wp.float64(0.0)
        if index < parameters.num_positions:
            number = wp.float64(physics.positions[row, index])
        else:
            number = wp.float64(physics.velocities[row, index - parameters.num_positions])
        number = (number - parameters.state_means[index]) / parameters.state_deviations[index]
        total += tasks[row, parameters.goal_component + index] * number
    return total


@wp.func
def goal_reward(
    parameters: Parameters,
    physics: Physics,
    states: States,
    tasks: wp.array2d[wp.float64],
    row: wp.int32,
    speed: wp.float64,
) -> wp.float64:
    """What the step is worth for the task's goal."""
    goal = parameters.goal_component
    pays = parameters.goal_weight * speed
    if parameters.goal_kind == ALONG:
        angle = tasks[row, goal]
        along = states.x_velocity[row] * wp.cos(angle) + states.y_velocity[row] * wp.sin(angle)
        pays = parameters.goal_weight * along
    elif parameters.goal_kind == AT_SPEED:
        pays = reward_near(parameters, wp.abs(speed - tasks[row, goal]))
    elif parameters.goal_kind == IN_STATE:
        pays = weighted_state(parameters, physics, tasks, row)
    elif parameters.goal_kind != ON:
        across = states.x_position[row] - tasks[row, goal]
        along = states.y_position[row] - tasks[row, goal + 1]
        distance = wp.sqrt(across * across + along * along)
        if parameters.goal_kind == AT_PLACE and wp.isfinite(parameters.goal_radius):
            pays = reward_near(parameters, distance)
        elif parameters.goal_kind == AT_PLACE:
            pays = reward_near(parameters, wp.abs(across) + wp.abs(along))
        else:
            # Position or start: beyond the radius the robot counts as being at the origin.
            if distance > parameters.goal_radius:
                across = tasks[row, goal]
                along = tasks[row, goal + 1]
            miss = wp.abs(across) + wp.abs(along)
            pays = parameters.goal_peak - parameters.goal_slope * miss
    return pays


@wp.func
def reward_of(
    parameters: Parameters,
    physics: Physics,
    states: States,
    tasks: wp.array2d[wp.float64],
    row: wp.int32,
) -> wp.bool:
    """Note both parts of the step's reward; answer whether the robot's state ends the episode."""
    speed = states.x_velocity[row]
    if parameters.speed_before_step:
        speed = wp.float64(states.last_velocities[row, 0])
    healthy = is_healthy(parameters, physics, row)
    bonus = parameters.alive_bonus
    if parameters.bonus_needs_health and not healthy:
        bonus = wp.float64(0.0)
    costs = wp.float64(0.0)
    for index in range(parameters.num_actuators):
        control = wp.float64(physics.controls[row, index])
        costs += parameters.control_weight * control * control
    if parameters.contact_weight > wp.float64(0.0):
        squares = clipped_squares(states.contact_forces, row, parameters.num_contact_forces)
        costs += parameters.contact_weight * squares
    states.reward_goal[row] = goal_reward(parameters, physics, states, tasks, row, speed)
    states.reward_rest[row] = bonus - costs
    return parameters.ends_unhealthy and not healthy


@wp.func
def observe(
    parameters: Parameters,
    physics: Physics,
    states: States,
    tasks: wp.array2d[wp.float64],
    row: wp.int32,
    observations: wp.array2d[wp.float64],
):
    """Write the parts of the observation that are asked for, always in this order."""
    end = wp.int32(0)
    if parameters.observe_x_velocity:
        observations[row, end] = states.x_velocity[row]
        end += 1
    for index in range(parameters.hidden_positions, parameters.num_positions):
        observations[row, end] = wp.float64(physics.positions[row, index])
        end += 1
    for index in range(parameters.num_velocities):
        bound = parameters.velocity_bound
        velocity = wp.float64(physics.velocities[row, index])
        observations[row, end] = wp.clamp(velocity, -bound, bound)
        end += 1
    if parameters.observe_rotation:
        for index in range(9):
            observations[row, end] = wp.float64(states.rotation[row, index])
            end += 1
    if parameters.observe_torso:
        for index in range(3):
            observations[row, end] = wp.float64(states.torso[row, index])
            end += 1
    if parameters.first_contact_force >= 0:
        for index in range(parameters.first_contact_force, parameters.num_contact_forces):
            force = wp.float64(states.contact_forces[row, index])
            observations[row, end] = wp.clamp(force, wp.float64(-1.0), wp.float64(1.0))
            end += 1
    if parameters.task_visible:
        for component in range(parameters.num_components):
            observations[row, end] = tasks[row, component]
            end += 1


@wp.func
def write_report(
    reports: Reports,
    rows: Rows,
    states: States,
    row: wp.int32,
    episode_end: wp.bool,
    episode_terminated: wp.bool,
):
    """Tell where the row stands."""
    reports.task_id[row] = rows.task_id[row]
    reports.episode_index[row] = rows.episode[row]
    reports.episode_end[row] = episode_end
    reports.episode_terminated[row] = episode_terminated
    reports.x_position[row] = states.x_position[row]
    reports.y_position[row] = states.y_position[row]
    reports.x_velocity[row] = states.x_velocity[row]
    reports.y_velocity[row] = states.y_velocity[row]
    reports.reward_goal[row] = states.reward_goal[row]
    reports.reward_rest[row] = states.reward_rest[row]
    reports.diverged[row] = states.diverged[row]
