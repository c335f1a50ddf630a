"""Pictures show the robot, its pose and that it moves."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.locomotion.render import FAR_LIMB_COLOUR, LIMB_COLOUR, TORSO_COLOUR
from metaenvs.locomotion.robots import ROBOTS

pytest.importorskip("mujoco")

SETTINGS = {
    "half_cheetah": "DOMINOHalfCheetah", "ant": "DOMINOAnt", "hopper": "DOMINOHopper",
    "walker2d": "RandomParametersWalker2d", "slim_humanoid": "CaDMSlimHumanoid",
    "swimmer": "RIASwimmer",
}  # fmt: skip


def count(image: Any, *colours: tuple[int, int, int]) -> int:
    return sum(int((image == np.array(colour)).all(axis=-1).sum()) for colour in colours)


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_whole_robot_is_in_the_picture(robot: str) -> None:
    env = gym.make(f"metaenvs/{SETTINGS[robot]}-v0", render_mode="rgb_array").unwrapped
    env.reset(seed=3)
    first: Any = env.render()
    assert first.shape == (240, 320, 3) and first.dtype == np.uint8
    assert count(first, TORSO_COLOUR) > 100
    assert count(first, LIMB_COLOUR, FAR_LIMB_COLOUR) > 200
    borders = np.concatenate([first[0], first[-1], first[:, 0], first[:, -1]])
    assert count(borders, TORSO_COLOUR, LIMB_COLOUR, FAR_LIMB_COLOUR) == 0
    for _ in range(5):
        env.step(env.action_space.sample())
    assert (env.render() != first).any()


def test_the_text_tells_place_and_task() -> None:
    env = gym.make("metaenvs/DOMINOAnt-v0", render_mode="ansi").unwrapped
    env.reset(seed=0, options={"task": {"leg_mass_scale": 1.25, "leg_damping_scale": 0.75}})
    text = str(env.render())
    assert "leg_mass_scale: 1.25" in text and "leg_damping_scale: 0.75" in text
    assert text.startswith("position (")
