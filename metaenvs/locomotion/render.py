"""Pictures of a robot without a graphics library, made of its capsules and spheres."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.locomotion.models import mujoco
from metaenvs.locomotion.robots import Robot

__all__ = ["draw_robot", "robot_to_text"]

Image = npt.NDArray[np.uint8]

CAPSULE, SPHERE = int(mujoco.mjtGeom.mjGEOM_CAPSULE), int(mujoco.mjtGeom.mjGEOM_SPHERE)
PIXELS_PER_METRE = 80
HEIGHT, WIDTH = 240, 320
GROUND_ROW = 200
SKY, GROUND, TILES = (236, 240, 244), (190, 196, 190), (176, 182, 176)
TORSO_COLOUR, LIMB_COLOUR, FAR_LIMB_COLOUR = (200, 120, 40), (225, 150, 70), (170, 100, 40)


def draw_robot(model: Any, robot: Robot, states: list[Any]) -> Image:
    """The robot in the middle of the picture (240, 320, 3), as it stands in the last state."""
    data = mujoco.MjData(model)
    data.qpos[:] = states[-1]["positions"][: model.nq]
    mujoco.mj_kinematics(model, data)
    centre = data.xpos[1]
    image = _background(robot, centre)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    order = np.argsort(data.geom_xpos[:, 1] if robot.side_view else data.geom_xpos[:, 2])
    for geom in order[::-1] if robot.side_view else order:
        if model.geom_type[geom] not in (CAPSULE, SPHERE):
            continue
        half = model.geom_size[geom, 1] if model.geom_type[geom] == CAPSULE else 0.0
        axis = data.geom_xmat[geom].reshape(3, 3)[:, 2] * half
        first, last = (
            _pixel(robot, centre, data.geom_xpos[geom] + sign * axis) for sign in (-1, 1)
        )
        inside = (
            _distance(rows, columns, first, last) <= model.geom_size[geom, 0] * PIXELS_PER_METRE
        )
        far = data.geom_xpos[geom, 1] > centre[1] + 0.05
        colour = FAR_LIMB_COLOUR if far and robot.side_view else LIMB_COLOUR
        image[inside] = TORSO_COLOUR if model.geom_bodyid[geom] == 1 else colour
    return image


def _background(robot: Robot, centre: Any) -> Image:
    """Ground with a mark at every metre, so that movement is seen."""
    image = np.full((HEIGHT, WIDTH, 3), SKY if robot.side_view else GROUND, np.uint8)
    columns = np.arange(WIDTH) / PIXELS_PER_METRE + centre[0] - WIDTH / 2 / PIXELS_PER_METRE
    odd_columns = np.floor(columns).astype(np.int64) % 2 == 1
    if robot.side_view:
        image[GROUND_ROW:] = np.where(odd_columns[:, None], TILES, GROUND)
        return image
    rows = centre[1] + (HEIGHT / 2 - np.arange(HEIGHT)) / PIXELS_PER_METRE
    odd_rows = np.floor(rows).astype(np.int64) % 2 == 1
    image[odd_rows[:, None] ^ odd_columns[None]] = TILES
    return image


def _pixel(robot: Robot, centre: Any, point: Any) -> tuple[float, float]:
    """Row and column of a point of the world."""
    column = WIDTH / 2 + (point[0] - centre[0]) * PIXELS_PER_METRE
    if robot.side_view:
        return GROUND_ROW - point[2] * PIXELS_PER_METRE, column
    return HEIGHT / 2 - (point[1] - centre[1]) * PIXELS_PER_METRE, column


def _distance(
    rows: Any, columns: Any, first: tuple[float, float], last: tuple[float, float]
) -> Any:
    """Distance (pixels) of every pixel to the segment between two points."""
    down, right = last[0] - first[0], last[1] - first[1]
    length = max(down * down + right * right, 1e-12)
    along = ((rows - first[0]) * down + (columns - first[1]) * right) / length
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(rows - first[0] - along * down, columns - first[1] - along * right)


def robot_to_text(task: Any, state: Any) -> str:
    """Where the robot is, how fast it went, and its task."""
    lines = [
        f"position ({state['x_position']:.2f}, {state['y_position']:.2f}) m, "
        f"velocity ({state['x_velocity']:.2f}, {state['y_velocity']:.2f}) m/s"
    ]
    lines += [f"{name}: {np.round(task[name], 3).tolist()}" for name in task.dtype.names]
    return "\n".join(lines)
