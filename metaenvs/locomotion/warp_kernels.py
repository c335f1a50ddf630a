"""Warp kernels of one step: how rows go through tasks, trials and episodes around the physics.

They are :mod:`metaenvs.kernels.trial`, with everything decided on the device: what ends, what
begins, and which actions are refused. A step is :func:`enter`, physics steps each followed by
:func:`note_divergence`, :func:`finish`, :func:`write_blocks`, kinematics, :func:`look`; a reset is
:func:`begin` and the last three.
"""

# No annotations from the future: Warp reads those of its functions as they stand.
import mujoco
import warp as wp

from metaenvs.cuda.rows import FINISHED, ILLEGAL_ACTION, NOT_REFUSED
from metaenvs.kernels.trial import POOL_STREAM as POOL
from metaenvs.locomotion.warp_records import (
    Parameters,
    Physics,
    Reports,
    Results,
    Rows,
    States,
    TaskTables,
    TrialSettings,
)
from metaenvs.locomotion.warp_rules import (
    fold,
    leave_state,
    locate,
    observe,
    random_uniform,
    restore_state,
    reward_of,
    start_episode,
    write_report,
)

__all__ = [
    "align_contacts", "begin", "enter", "finish", "look", "note_divergence", "write_blocks",
]  # fmt: skip

POOL_STREAM = wp.constant(wp.uint64(POOL))

STAYS, ACTS, BEGINS_TRIAL, BEGINS_EPISODE = 0, 1, 2, 3
"""Phases of a row in a step."""

LARGEST = wp.constant(wp.float32(1e10))
"""MuJoCo takes greater numbers for a divergence."""

PLANE = wp.constant(int(mujoco.mjtGeom.mjGEOM_PLANE))
CAPSULE = wp.constant(int(mujoco.mjtGeom.mjGEOM_CAPSULE))
SHORTEST = wp.constant(wp.float32(1e-6))


@wp.kernel(enable_backward=False)
def enter(
    settings: TrialSettings,
    parameters: Parameters,
    physics: Physics,
    rows: Rows,
    states: States,
    tables: TaskTables,
    actions: wp.array2d[wp.float32],
):
    """Decide what each row does, apply its action, and note where it was."""
    row = wp.tid()
    if rows.refused[row] == NOT_REFUSED:
        for index in range(parameters.num_actuators):
            if not wp.isfinite(actions[row, index]):
                rows.refused[row] = ILLEGAL_ACTION
        if rows.finished[row] and not settings.next_step:
            rows.refused[row] = FINISHED
    phase = wp.int32(ACTS)
    if rows.finished[row]:
        phase = BEGINS_TRIAL
    if rows.refused[row] != NOT_REFUSED:
        phase = STAYS
    rows.phase[row] = phase
    strength = parameters.strength_component
    for index in range(parameters.num_actuators):
        control = parameters.action_scale * wp.float64(actions[row, index])
        # Warp may evaluate both sides of an `and`.
        if strength >= 0:  # noqa: SIM102
            if tables.current[row, strength + index] == wp.float64(0.0):
                control = wp.float64(0.0)
        if phase == ACTS:
            physics.controls[row, index] = wp.float32(control)
    for index in range(parameters.num_positions):
        states.last_positions[row, index] = physics.positions[row, index]
    for index in range(parameters.num_velocities):
        states.last_velocities[row, index] = physics.velocities[row, index]
        states.last_warm_start[row, index] = physics.warm_start[row, index]


@wp.kernel(enable_backward=False)
def note_divergence(parameters: Parameters, physics: Physics, rows: Rows, states: States):
    """After a physics step: whether a row came to numbers that MuJoCo warns of."""
    row = wp.tid()
    good = wp.bool(True)
    for index in range(parameters.num_positions):
        good = good and wp.abs(physics.positions[row, index]) <= LARGEST
    for index in range(parameters.num_velocities):
        good = good and wp.abs(physics.velocities[row, index]) <= LARGEST
        good = good and wp.abs(physics.accelerations[row, index]) <= LARGEST
    if not good and rows.phase[row] == ACTS:
        states.diverged[row] = True


@wp.func
def begin_episode(
    parameters: Parameters,
    physics: Physics,
    rows: Rows,
    states: States,
    row: wp.int32,
    episode: wp.int32,
):
    rows.episode[row] = episode
    rows.episode_step[row] = 0
    key = fold(fold(rows.key[row], wp.uint64(rows.trial[row])), wp.uint64(episode))
    start_episode(parameters, physics, states, row, key)


@wp.func
def begin_trial(
    parameters: Parameters,
    physics: Physics,
    rows: Rows,
    states: States,
    tables: TaskTables,
    row: wp.int32,
):
    """Give the row its next task (pinned, or from the pool) and start episode 0."""
    rows.trial[row] = rows.trial[row] + wp.int64(1)
    rows.trial_step[row] = 0
    rows.finished[row] = False
    if rows.pinned[row]:
        rows.entry[row] = -1
        rows.task_id[row] = tables.pin_ids[row]
        for component in range(parameters.num_components):
            tables.current[row, component] = tables.pins[row, component]
    else:
        key = fold(fold(rows.key[row], wp.uint64(rows.trial[row])), POOL_STREAM)
        value = random_uniform(key, 0)
        low = wp.int32(0)
        high = tables.pool.shape[0] - 1
        while low < high:
            middle = (low + high) / 2
            if tables.pool_cumulative[middle] > value:
                high = middle
            else:
                low = middle + 1
        rows.entry[row] = low
        rows.task_id[row] = tables.pool_ids[low]
        for component in range(parameters.num_components):
            tables.current[row, component] = tables.pool[low, component]
    begin_episode(parameters, physics, rows, states, row, 0)


@wp.kernel(enable_backward=False)
def begin(
    parameters: Parameters,
    physics: Physics,
    rows: Rows,
    states: States,
    tables: TaskTables,
    mask: wp.array[wp.bool],
):
    """Begin a new trial in the rows of ``mask``."""
    row = wp.tid()
    rows.phase[row] = STAYS
    if mask[row]:
        rows.phase[row] = BEGINS_TRIAL
        rows.refused[row] = NOT_REFUSED
        begin_trial(parameters, physics, rows, states, tables, row)


@wp.kernel(enable_backward=False)
def finish(
    settings: TrialSettings,
    parameters: Parameters,
    physics: Physics,
    rows: Rows,
    states: States,
    tables: TaskTables,
    results: Results,
    reports: Reports,
    final_reports: Reports,
):
    """Reward and ends of what each row did, and the beginning of what follows."""
    row = wp.tid()
    phase = rows.phase[row]
    results.reward[row] = wp.float64(0.0)
    results.terminated[row] = False
    results.truncated[row] = False
    if phase != ACTS or states.diverged[row]:
        restore_state(parameters, physics, states, row)
    if phase == STAYS:
        write_report(reports, rows, states, row, False, False)
    if phase == BEGINS_TRIAL:
        begin_trial(parameters, physics, rows, states, tables, row)
    if phase == ACTS:
        terminated = wp.bool(True)
        if states.diverged[row]:
            states.x_velocity[row] = wp.float64(0.0)
            states.y_velocity[row] = wp.float64(0.0)
            states.reward_goal[row] = wp.float64(0.0)
            states.reward_rest[row] = wp.float64(0.0)
        else:
            leave_state(parameters, physics, states, row)
            terminated = reward_of(parameters, physics, states, tables.current, row)
            results.reward[row] = states.reward_goal[row] + states.reward_rest[row]
        rows.episode_step[row] = rows.episode_step[row] + 1
        rows.trial_step[row] = rows.trial_step[row] + 1
        out_of_time = rows.trial_step[row] >= settings.max_episode_steps
        episode_end = terminated or rows.episode_step[row] >= settings.episode_steps
        trial_terminated = terminated
        trial_truncated = not terminated and (episode_end or out_of_time)
        if settings.episodes_per_trial > 1:
            trial_terminated = episode_end and rows.episode[row] + 1 >= settings.episodes_per_trial
            trial_truncated = not trial_terminated and out_of_time
        episode_end = episode_end or trial_truncated
        trial_end = trial_terminated or trial_truncated
        results.terminated[row] = trial_terminated
        results.truncated[row] = trial_truncated
        write_report(reports, rows, states, row, episode_end, terminated)
        if episode_end and results.final_observation.shape[0] > 0:
            observe(parameters, physics, states, tables.current, row, results.final_observation)
        if trial_end and settings.same_step:
            write_report(final_reports, rows, states, row, episode_end, terminated)
            rows.phase[row] = BEGINS_TRIAL
            begin_trial(parameters, physics, rows, states, tables, row)
        elif trial_end:
            rows.finished[row] = True
        elif episode_end:
            rows.phase[row] = BEGINS_EPISODE
            begin_episode(parameters, physics, rows, states, row, rows.episode[row] + 1)


@wp.kernel(enable_backward=False)
def write_blocks(rows: Rows, tables: TaskTables):
    """Give the rows that begin a trial the models of their tasks."""
    row, element = wp.tid()
    if rows.phase[row] == BEGINS_TRIAL:
        entry = rows.entry[row]
        if entry < 0:
            tables.blocks[row, element] = tables.pin_blocks[row, element]
        else:
            tables.blocks[row, element] = tables.pool_blocks[entry, element]


@wp.kernel(enable_backward=False)
def look(
    parameters: Parameters,
    physics: Physics,
    rows: Rows,
    states: States,
    tables: TaskTables,
    results: Results,
    reports: Reports,
):
    """Observe all rows, and find out where those are that have begun an episode."""
    row = wp.tid()
    phase = rows.phase[row]
    if phase == BEGINS_TRIAL or phase == BEGINS_EPISODE:
        locate(parameters, physics, states, row)
    if phase == BEGINS_TRIAL:
        write_report(reports, rows, states, row, False, False)
    results.fresh[row] = phase == BEGINS_TRIAL or phase == STAYS
    observe(parameters, physics, states, tables.current, row, results.observation)


@wp.kernel(enable_backward=False)
def align_contacts(
    num_contacts: wp.array[wp.int32],
    geom_types: wp.array[wp.int32],
    geom_rotations: wp.array2d[wp.mat33],
    geoms: wp.array[wp.vec2i],
    worlds: wp.array[wp.int32],
    frames: wp.array[wp.mat33],
):
    """Turn the friction pyramid of a capsule on a plane along the capsule, however steep it is.

    So does MuJoCo; MuJoCo Warp 4.0 does it only below 60 degrees (as MJX, mujoco issue 2774), and
    Ant's legs are steeper.
    """
    contact = wp.tid()
    if contact < num_contacts[0]:
        plane = geoms[contact][0]
        capsule = geoms[contact][1]
        if geom_types[plane] == PLANE and geom_types[capsule] == CAPSULE:
            rotation = geom_rotations[worlds[contact], capsule]
            axis = wp.vec3(rotation[0, 2], rotation[1, 2], rotation[2, 2])
            frame = frames[contact]
            normal = wp.vec3(frame[0, 0], frame[0, 1], frame[0, 2])
            along = axis - normal * wp.dot(normal, axis)
            if wp.length(along) > SHORTEST:
                along = wp.normalize(along)
                across = wp.cross(normal, along)
                frames[contact] = wp.matrix_from_rows(normal, along, across)
