"""The records that locomotion's row functions work on.

Arrays in them have one capacity for all robots, so that one compiled kernel serves every id; how
much of each is in use is told by counts beside them.
"""

from __future__ import annotations

import numpy as np

__all__ = ["PARAMETERS_DTYPE", "REPORT_FIELDS", "STATE_DTYPE"]

POSITIONS = VELOCITIES = 24
ACTUATORS = 20
BLOCK = 384
CONTACT_FORCES = 84
SEGMENTS = 16
EDITS = 256
COMPONENTS = 128
BOXES = 160
BOX_VALUES = 2048

STATE_DTYPE = np.dtype(
    [
        ("positions", np.float64, POSITIONS),
        ("velocities", np.float64, VELOCITIES),
        ("warm_start", np.float64, VELOCITIES),
        ("controls", np.float64, ACTUATORS),
        ("block", np.float64, BLOCK),
        ("torso", np.float64, 3),
        ("rotation", np.float64, 9),
        ("contact_forces", np.float64, CONTACT_FORCES),
        ("x_position", np.float64),
        ("y_position", np.float64),
        ("x_velocity", np.float64),
        ("y_velocity", np.float64),
        ("reward_goal", np.float64),
        ("reward_rest", np.float64),
        ("diverged", np.bool_),
    ],
    align=True,
)
"""One row's episode: all that its physics goes on from (``block`` is its model), and what the
last step came to."""

REPORT_FIELDS: list[tuple[str, type]] = [
    ("x_position", np.float64),
    ("y_position", np.float64),
    ("x_velocity", np.float64),
    ("y_velocity", np.float64),
    ("reward_goal", np.float64),
    ("reward_rest", np.float64),
    ("diverged", np.bool_),
]
"""The family's entries in ``info``."""

ADDRESSES = (
    "step_function", "forward_function", "constants_function", "forces_function", "model", "data",
    "at_positions", "at_velocities", "at_warm_start", "at_controls", "at_torso", "at_rotation",
    "at_contact_forces", "at_warnings",
)  # fmt: skip
COUNTS = (
    "num_positions", "num_velocities", "num_actuators", "num_contact_forces", "num_warnings",
    "warning_stride", "num_segments", "num_edited_segments", "frame_skip", "num_edits",
    "num_components", "num_boxes", "hidden_positions", "first_contact_force", "height_index",
    "angle_index", "root_coordinates", "goal_kind", "goal_component", "strength_component",
)  # fmt: skip
NUMBERS = (
    "duration", "position_scale", "velocity_scale", "velocity_bound", "lowest", "highest",
    "least_angle", "greatest_angle", "state_bound", "action_scale", "goal_weight", "goal_peak",
    "goal_slope", "goal_radius", "goal_outer_slope", "control_weight", "contact_weight",
    "alive_bonus",
)  # fmt: skip
SWITCHES = (
    "recompute_constants", "normal_positions", "normal_velocities", "observe_x_velocity",
    "observe_rotation", "observe_torso", "task_visible", "speed_before_step",
    "bonus_needs_health", "ends_unhealthy",
)  # fmt: skip

PARAMETERS_DTYPE = np.dtype(
    [
        *((name, np.uint64) for name in ADDRESSES),
        *((name, np.int32) for name in COUNTS),
        *((name, np.float64) for name in NUMBERS),
        *((name, np.bool_) for name in SWITCHES),
        ("segment_address", np.uint64, SEGMENTS),
        ("segment_start", np.int32, SEGMENTS),
        ("segment_length", np.int32, SEGMENTS),
        ("nominal_block", np.float64, BLOCK),
        ("nominal_positions", np.float64, POSITIONS),
        ("nominal_velocities", np.float64, VELOCITIES),
        ("state_means", np.float64, POSITIONS + VELOCITIES),
        ("state_deviations", np.float64, POSITIONS + VELOCITIES),
        ("edit_element", np.int32, EDITS),
        ("edit_component", np.int32, EDITS),
        ("edit_inverse", np.uint8, EDITS),
        ("component_kind", np.int32, COMPONENTS),
        ("component_base", np.float64, COMPONENTS),
        ("box_cumulative", np.float64, BOXES),
        ("box_low", np.float64, BOX_VALUES),
        ("box_high", np.float64, BOX_VALUES),
    ],
    align=True,
)
"""What all rows of a worker share. A worker has a MuJoCo model and data of its own, whose
addresses are here; the rest is equal for all workers of a batch."""
