"""The records that locomotion's Warp kernels work on: arrays with the row on the first axis.

They hold what :mod:`metaenvs.locomotion.records` and :mod:`metaenvs.kernels.trial` hold for the
CPU, under the same names.
"""

# No annotations from the future: Warp reads those of its structs as they stand.
from typing import Any

import numpy as np
import warp as wp

__all__ = [
    "Parameters", "Physics", "Reports", "Results", "Rows", "States", "TaskTables",
    "TrialSettings", "fill",
]  # fmt: skip


@wp.struct
class TrialSettings:
    """As in :data:`metaenvs.kernels.trial.SETTINGS_DTYPE`."""

    episodes_per_trial: wp.int32
    episode_steps: wp.int32
    max_episode_steps: wp.int32
    same_step: wp.bool
    next_step: wp.bool


@wp.struct
class Parameters:
    """As in :data:`metaenvs.locomotion.records.PARAMETERS_DTYPE`, without addresses and boxes."""

    num_positions: wp.int32
    num_velocities: wp.int32
    num_actuators: wp.int32
    num_contact_forces: wp.int32
    num_components: wp.int32
    hidden_positions: wp.int32
    first_contact_force: wp.int32
    height_index: wp.int32
    angle_index: wp.int32
    root_coordinates: wp.int32
    goal_kind: wp.int32
    goal_component: wp.int32
    strength_component: wp.int32
    duration: wp.float64
    position_scale: wp.float64
    velocity_scale: wp.float64
    velocity_bound: wp.float64
    lowest: wp.float64
    highest: wp.float64
    least_angle: wp.float64
    greatest_angle: wp.float64
    state_bound: wp.float64
    action_scale: wp.float64
    goal_weight: wp.float64
    goal_peak: wp.float64
    goal_slope: wp.float64
    goal_radius: wp.float64
    goal_outer_slope: wp.float64
    control_weight: wp.float64
    contact_weight: wp.float64
    alive_bonus: wp.float64
    normal_positions: wp.bool
    normal_velocities: wp.bool
    observe_x_velocity: wp.bool
    observe_rotation: wp.bool
    observe_torso: wp.bool
    task_visible: wp.bool
    speed_before_step: wp.bool
    bonus_needs_health: wp.bool
    ends_unhealthy: wp.bool
    nominal_positions: wp.array[wp.float64]
    nominal_velocities: wp.array[wp.float64]
    state_means: wp.array[wp.float64]
    state_deviations: wp.array[wp.float64]


@wp.struct
class Physics:
    """Arrays of MuJoCo Warp's data, float32."""

    positions: wp.array2d[wp.float32]
    velocities: wp.array2d[wp.float32]
    accelerations: wp.array2d[wp.float32]
    warm_start: wp.array2d[wp.float32]
    controls: wp.array2d[wp.float32]
    body_positions: wp.array2d[wp.vec3]
    body_rotations: wp.array2d[wp.mat33]
    contact_forces: wp.array2d[wp.spatial_vector]


@wp.struct
class Rows:
    """As in :data:`metaenvs.kernels.trial.ROW_DTYPE`, and what there is no need to keep."""

    key: wp.array[wp.uint64]
    trial: wp.array[wp.int64]
    task_id: wp.array[wp.int64]
    trial_step: wp.array[wp.int32]
    episode_step: wp.array[wp.int32]
    episode: wp.array[wp.int32]
    finished: wp.array[wp.bool]
    pinned: wp.array[wp.bool]
    phase: wp.array[wp.int32]
    """What the row does in this step."""
    refused: wp.array[wp.int32]
    """Why the row may not be stepped until it is reset, 0 if it may."""
    entry: wp.array[wp.int32]
    """The trial's task: its place in the pool; -1 for the one that is pinned."""


@wp.struct
class States:
    """As in :data:`metaenvs.locomotion.records.STATE_DTYPE`, but for what is in `Physics`."""

    torso: wp.array2d[wp.float32]
    rotation: wp.array2d[wp.float32]
    contact_forces: wp.array2d[wp.float32]
    x_position: wp.array[wp.float64]
    y_position: wp.array[wp.float64]
    x_velocity: wp.array[wp.float64]
    y_velocity: wp.array[wp.float64]
    reward_goal: wp.array[wp.float64]
    reward_rest: wp.array[wp.float64]
    diverged: wp.array[wp.bool]
    last_positions: wp.array2d[wp.float32]
    """Before the step: where a row stays that diverges in it."""
    last_velocities: wp.array2d[wp.float32]
    last_warm_start: wp.array2d[wp.float32]


@wp.struct
class TaskTables:
    """Tasks that rows can be given, each with its id and the fields of its model, a block."""

    current: wp.array2d[wp.float64]
    """The rows' present tasks (num_rows, num_components)."""
    pool: wp.array2d[wp.float64]
    pool_ids: wp.array[wp.int64]
    pool_cumulative: wp.array[wp.float64]
    pool_blocks: wp.array2d[wp.float32]
    pins: wp.array2d[wp.float64]
    """One for each row; a single one that nobody reads where none is pinned."""
    pin_ids: wp.array[wp.int64]
    pin_blocks: wp.array2d[wp.float32]
    blocks: wp.array2d[wp.float32]
    """The rows' present models, of which MuJoCo Warp's fields are views."""


@wp.struct
class Reports:
    """The entries of ``info``, by their names."""

    task_id: wp.array[wp.int64]
    episode_index: wp.array[wp.int32]
    episode_end: wp.array[wp.bool]
    episode_terminated: wp.array[wp.bool]
    x_position: wp.array[wp.float64]
    y_position: wp.array[wp.float64]
    x_velocity: wp.array[wp.float64]
    y_velocity: wp.array[wp.float64]
    reward_goal: wp.array[wp.float64]
    reward_rest: wp.array[wp.float64]
    diverged: wp.array[wp.bool]


@wp.struct
class Results:
    """What a step answers, but for reports."""

    observation: wp.array2d[wp.float64]
    reward: wp.array[wp.float64]
    terminated: wp.array[wp.bool]
    truncated: wp.array[wp.bool]
    fresh: wp.array[wp.bool]
    """Whether what is observed is a trial's start, or a row's that stands still."""
    final_observation: wp.array2d[wp.float64]
    """Where an episode ended; no rows where nobody asks for it."""


def fill(kind: Any, values: Any, device: Any) -> Any:
    """A struct of which each field is the value of the same name.

    Arrays of NumPy's are copied to the device; Warp's are taken as they are.
    """
    struct = kind()
    for name, field in kind.vars.items():
        value = values[name]
        if isinstance(value, np.ndarray):
            value = wp.array(value, dtype=field.type.dtype, device=device)
        elif isinstance(value, np.generic):
            value = value.item()
        setattr(struct, name, value)
    return struct
