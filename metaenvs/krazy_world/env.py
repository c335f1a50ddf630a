"""Krazy World as Gymnasium environments, single and vector."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.env import ArrayEnv
from metaenvs.family import ArrayFamily
from metaenvs.krazy_world.observations import observe_codes, observe_image
from metaenvs.krazy_world.presets import preset_settings, world_parameters
from metaenvs.krazy_world.render import draw_world, world_to_text
from metaenvs.krazy_world.rules import (
    REPORT_FIELDS,
    report,
    start_episode,
    state_dtype,
    step,
)
from metaenvs.krazy_world.tiles import OUTSIDE
from metaenvs.krazy_world.worlds import check_worlds, draw_task, task_space
from metaenvs.spaces import codes_space
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["KrazyWorldEnv", "KrazyWorldVectorEnv", "krazy_world"]

NUM_TEST_WORLDS = 64

COLOURS = np.array(
    [
        (0, 0, 0), (255, 255, 255), (255, 223, 0), (0, 0, 255), (255, 140, 0), (192, 192, 192),
        (255, 0, 255), (255, 0, 0), (75, 0, 130), (0, 255, 0), (64, 64, 64),
    ],
    np.uint8,
)  # fmt: skip
"""Colour of each code in images."""


def krazy_world(
    *,
    preset: str = "paper",
    view: str = "local",
    image: bool = False,
    cell_pixels: int = 4,
    observe_position: bool | None = None,
    observe_energy: bool = False,
    dense_reward: bool = False,
    ensure_reachable: int = 0,
    task_visible: bool = False,
    **settings: Any,
) -> ArrayFamily:
    """The family in one configuration; arguments are described in :class:`KrazyWorldEnv`."""
    world = preset_settings(preset, settings)
    if view not in ("local", "global"):
        raise ValueError(f"view must be 'local' or 'global', got {view!r}.")
    if observe_position is None:
        observe_position = view == "local" and not image
    if image and (observe_position or observe_energy or task_visible):
        raise ValueError(
            "image=True shows tiles only: it excludes observe_position, observe_energy and "
            "task_visible."
        )
    if cell_pixels < 1:
        raise ValueError(f"cell_pixels must be at least 1, got {cell_pixels}.")
    parameters = world_parameters(world)
    parameters["colours"] = COLOURS
    parameters["cell_pixels"] = cell_pixels
    parameters["dense_reward"] = dense_reward
    parameters["local_view"] = view == "local"
    parameters["observe_position"] = observe_position
    parameters["observe_energy"] = observe_energy
    parameters["task_visible"] = task_visible

    num_cells = world.size**2
    observation_space: gym.spaces.Box | gym.spaces.MultiDiscrete
    if image:
        side = (3 if view == "local" else world.size) * cell_pixels
        observation_space = gym.spaces.Box(0, 255, (side, side, 3), np.uint8)
    else:
        sizes = [OUTSIDE + 1] * 9 if view == "local" else [OUTSIDE] * num_cells
        sizes += [num_cells] * observe_position
        sizes += [int(parameters["energy_levels"][0]), 2] * observe_energy
        sizes += ([OUTSIDE] * num_cells + [num_cells] + [7] * 8 + [10] * 10) * task_visible
        observation_space = codes_space(sizes)

    accept = None
    if ensure_reachable:
        if not 0 < ensure_reachable <= world.num_goals:
            raise ValueError(
                f"ensure_reachable must be from 0 to num_goals={world.num_goals}, "
                f"got {ensure_reachable}."
            )

        def accept(tasks: Any) -> npt.NDArray[np.bool_]:
            from metaenvs.krazy_world.planner import best_plans

            plans = best_plans(tasks, world)
            return np.array([plan.goals >= ensure_reachable for plan in plans], np.bool_)

    return ArrayFamily(
        task_space=task_space(world.size),
        observation_space=observation_space,
        action_space=gym.spaces.Discrete(4),
        parameters=parameters,
        state_dtype=state_dtype(world.size),
        draw_task=draw_task,
        start_episode=start_episode,
        step=step,
        observe=observe_image if image else observe_codes,
        report=report,
        report_fields=REPORT_FIELDS,
        episode_steps=world.episode_steps,
        n_tasks={"test": NUM_TEST_WORLDS},
        check_tasks=check_worlds,
        accept_tasks=accept,
        render=_render,
        render_text=_render_text,
    )


def _render(parameters: Any, task: Any, states: list[Any]) -> npt.NDArray[np.uint8]:
    size, state = int(parameters["size"]), states[-1]
    return draw_world(
        state["tiles"].reshape(size, size),
        int(state["row"]) * size + int(state["column"]),
        energy=int(state["energy"]),
        energy_start=int(parameters["energy_start"]),
        has_key=bool(state["has_key"]),
        goals_collected=int(state["goals"]),
        trail=[int(past["row"]) * size + int(past["column"]) for past in states],
        dead=bool(state["death_cause"]),
    )


def _render_text(parameters: Any, task: Any, states: list[Any]) -> str:
    size, state = int(parameters["size"]), states[-1]
    return world_to_text(
        state["tiles"].reshape(size, size),
        int(state["row"]) * size + int(state["column"]),
        energy=int(state["energy"]),
        has_key=bool(state["has_key"]),
        goals_collected=int(state["goals"]),
    )


class KrazyWorldVectorEnv(ArrayVectorEnv):
    """Many Krazy Worlds in one batch; the manual is :class:`KrazyWorldEnv`."""

    family = staticmethod(krazy_world)


class KrazyWorldEnv(ArrayEnv):
    """MANUAL"""

    vector_env = KrazyWorldVectorEnv
