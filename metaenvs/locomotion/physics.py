"""Row functions that put a row into its worker's MuJoCo model and data, and take it out again."""

from __future__ import annotations

from typing import Any

import numpy as np

from metaenvs.kernels.foreign import (
    call_with_two,
    read_float,
    read_int,
    write_float,
    write_int,
)
from metaenvs.kernels.row_function import row_function

__all__ = ["apply_task", "settle", "simulate"]

DOUBLE = np.uint64(8)


@row_function(inline=False)
def copy_in(address: Any, values: Any, count: Any) -> None:
    """Write the first ``count`` of ``values`` to ``address``."""
    for position in range(count):
        write_float(address + np.uint64(position) * DOUBLE, values[position])


@row_function(inline=False)
def copy_out(address: Any, values: Any, count: Any) -> None:
    """Read ``count`` numbers at ``address`` into ``values``."""
    for position in range(count):
        values[position] = read_float(address + np.uint64(position) * DOUBLE)


@row_function
def enter_model(parameters: Any, state: Any, num_segments: Any) -> None:
    """Make the worker's model the row's, in the first ``num_segments`` fields of the block."""
    for segment in range(num_segments):
        start = parameters.segment_start[segment]
        address = parameters.segment_address[segment]
        for position in range(parameters.segment_length[segment]):
            write_float(address + np.uint64(position) * DOUBLE, state.block[start + position])


@row_function
def apply_task(parameters: Any, task: Any, state: Any) -> None:
    """Fill the row's block: the nominal model with the task's factors multiplied in.

    All that a former task changed is overwritten; what MuJoCo derives from masses and inertias
    is derived anew, unless the parameters say that it stays as it was.
    """
    for position in range(state.block.shape[0]):
        state.block[position] = parameters.nominal_block[position]
    for edit in range(parameters.num_edits):
        factor = task[parameters.edit_component[edit]]
        if parameters.edit_inverse[edit]:
            factor = 1.0 / factor
        state.block[parameters.edit_element[edit]] *= factor
    if parameters.recompute_constants:
        enter_model(parameters, state, parameters.num_segments)
        call_with_two(parameters.constants_function, parameters.model, parameters.data)
        for segment in range(parameters.num_edited_segments, parameters.num_segments):
            start = parameters.segment_start[segment]
            address = parameters.segment_address[segment]
            for position in range(parameters.segment_length[segment]):
                state.block[start + position] = read_float(address + np.uint64(position) * DOUBLE)


@row_function
def enter_state(parameters: Any, state: Any) -> None:
    """Put the row's model and state into the worker's."""
    enter_model(parameters, state, parameters.num_segments)
    copy_in(parameters.at_positions, state.positions, parameters.num_positions)
    copy_in(parameters.at_velocities, state.velocities, parameters.num_velocities)
    copy_in(parameters.at_warm_start, state.warm_start, parameters.num_velocities)
    copy_in(parameters.at_controls, state.controls, parameters.num_actuators)


@row_function
def leave_state(parameters: Any, state: Any) -> None:
    """Take the row's state out of the worker's data."""
    copy_out(parameters.at_positions, state.positions, parameters.num_positions)
    copy_out(parameters.at_velocities, state.velocities, parameters.num_velocities)
    copy_out(parameters.at_warm_start, state.warm_start, parameters.num_velocities)
    copy_out(parameters.at_torso, state.torso, 3)
    if parameters.observe_rotation:
        copy_out(parameters.at_rotation, state.rotation, 9)


@row_function
def has_warned(parameters: Any) -> Any:
    """Whether MuJoCo has warned in this worker, whose counters of warnings then are 1 again.

    They are kept at 1: a warning makes one 2, or, where MuJoCo starts its data anew because of
    it, all others 0. MuJoCo prints the first of a kind only, hence nothing.
    """
    warned = False
    for kind in range(parameters.num_warnings):
        address = parameters.at_warnings + np.uint64(kind) * np.uint64(parameters.warning_stride)
        if read_int(address) != 1:
            warned = True
            write_int(address, 1)
    return warned


@row_function
def all_finite(address: Any, count: Any) -> Any:
    """Whether ``count`` numbers at ``address`` are finite."""
    for position in range(count):
        if not np.isfinite(read_float(address + np.uint64(position) * DOUBLE)):
            return False
    return True


@row_function
def settle(parameters: Any, state: Any) -> None:
    """After positions and velocities were set: what ``mj_forward`` makes of them."""
    for position in range(state.warm_start.shape[0]):
        state.warm_start[position] = 0.0
    for position in range(state.controls.shape[0]):
        state.controls[position] = 0.0
    enter_state(parameters, state)
    call_with_two(parameters.forward_function, parameters.model, parameters.data)
    has_warned(parameters)
    leave_state(parameters, state)
    for position in range(parameters.num_contact_forces):
        state.contact_forces[position] = 0.0


@row_function
def simulate(parameters: Any, state: Any) -> Any:
    """Step the physics with the row's controls; False where it diverged, and the row stayed.

    Divergence is any warning of MuJoCo's (a number that is not finite or beyond 1e10 among
    positions, velocities or accelerations, a singular inertia, a full contact list). Worker and
    row stay usable: every number that a step starts from is written before it.
    """
    enter_state(parameters, state)
    for _ in range(parameters.frame_skip):
        call_with_two(parameters.step_function, parameters.model, parameters.data)
        if has_warned(parameters):
            return False
    if not all_finite(parameters.at_positions, parameters.num_positions):
        return False
    if not all_finite(parameters.at_velocities, parameters.num_velocities):
        return False
    leave_state(parameters, state)
    if parameters.num_contact_forces > 0:
        call_with_two(parameters.forces_function, parameters.model, parameters.data)
        copy_out(parameters.at_contact_forces, state.contact_forces, parameters.num_contact_forces)
    return True
