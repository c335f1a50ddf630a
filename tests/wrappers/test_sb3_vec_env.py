"""The adapter passes on exactly what our environment says, in Stable-Baselines3's words."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

pytest.importorskip("stable_baselines3")

from metaenvs.wrappers.sb3_vec_env import SB3VecEnv

EASY = "metaenvs/KrazyWorldEasy-v0"
NUM_ROWS = 6


def make(**arguments: Any) -> Any:
    settings: dict[str, Any] = {
        "episodes_per_trial": 2,
        "trial_inputs": "flat",
        "autoreset_mode": AutoresetMode.SAME_STEP,
        **arguments,
    }
    return gym.make_vec(EASY, num_envs=NUM_ROWS, **settings)


def test_spaces_are_those_of_one_row() -> None:
    env = make()
    adapter = SB3VecEnv(env)
    assert adapter.num_envs == NUM_ROWS
    assert adapter.observation_space == env.single_observation_space
    assert adapter.action_space == env.single_action_space


def test_another_reset_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="SAME_STEP"):
        SB3VecEnv(make(autoreset_mode=AutoresetMode.NEXT_STEP))


@pytest.mark.parametrize("max_episode_steps", [None, 7])
def test_it_steps_as_the_environment_does(max_episode_steps: int | None) -> None:
    env = make(max_episode_steps=max_episode_steps)
    adapter = SB3VecEnv(make(max_episode_steps=max_episode_steps))
    adapter.seed(5)
    np.testing.assert_array_equal(adapter.reset(), env.reset(seed=5)[0])
    rng = np.random.default_rng(0)
    ends = {"terminated": 0, "truncated": 0}
    for _ in range(150):
        actions = rng.integers(env.single_action_space.n, size=NUM_ROWS)
        observation, reward, terminated, truncated, info = env.step(actions)
        adapter.step_async(actions)
        seen, rewards, dones, infos = adapter.step_wait()
        np.testing.assert_array_equal(seen, observation)
        np.testing.assert_array_equal(rewards, reward.astype(np.float32))
        assert rewards.dtype == np.float32
        np.testing.assert_array_equal(dones, terminated | truncated)
        assert len(infos) == NUM_ROWS
        for row in range(NUM_ROWS):
            if not dones[row]:
                assert infos[row] == {}
                continue
            cut = bool(truncated[row] and not terminated[row])
            assert infos[row]["TimeLimit.truncated"] is cut
            ends["truncated" if cut else "terminated"] += 1
            terminal = infos[row]["terminal_observation"]
            np.testing.assert_array_equal(terminal, info["final_obs"][row])
            # The trial's last reward is in its last input, the next trial starts without one.
            assert terminal[-2] == rewards[row] and terminal[-1] == 1
            assert seen[row, -2] == 0 and seen[row, -1] == 0
    assert ends["truncated" if max_episode_steps else "terminated"] > 0


def test_seeds_hold_for_one_reset() -> None:
    adapter = SB3VecEnv(make())
    adapter.seed(3)
    first = adapter.reset()
    unseeded = adapter.reset()
    adapter.seed(3)
    np.testing.assert_array_equal(adapter.reset(), first)
    assert not np.array_equal(unseeded, first)


def test_infos_are_not_shared_between_steps() -> None:
    adapter = SB3VecEnv(make())
    adapter.reset()
    actions = np.zeros(NUM_ROWS, np.int64)
    _, _, _, before = adapter.step(actions)
    before[0]["mark"] = True
    _, _, _, after = adapter.step(actions)
    assert "mark" not in after[0]


def test_step_wait_needs_step_async() -> None:
    adapter = SB3VecEnv(make())
    adapter.reset()
    with pytest.raises(RuntimeError, match="step_async"):
        adapter.step_wait()


def test_rows_share_one_environment() -> None:
    adapter = SB3VecEnv(make())
    adapter.reset()
    assert adapter.get_attr("episodes_per_trial", [0, 2]) == [2, 2]
    assert len(adapter.env_method("sample_tasks", 3)) == NUM_ROWS
    adapter.set_attr("note", "shared")
    assert adapter.get_attr("note") == ["shared"] * NUM_ROWS
    assert adapter.env_is_wrapped(gym.Wrapper, 1) == [False]
    with pytest.raises(ValueError, match="share one environment"):
        adapter.set_attr("note", 1, indices=[0])
    with pytest.raises(ValueError, match="share one environment"):
        adapter.env_method("sample_tasks", 3, indices=0)


def test_pictures() -> None:
    assert list(SB3VecEnv(make()).get_images()) == [None] * NUM_ROWS
    adapter = SB3VecEnv(make(render_mode="rgb_array"))
    adapter.reset()
    images = adapter.get_images()
    assert len(images) == NUM_ROWS
    assert images[0] is not None and images[0].shape[-1] == 3
    adapter.close()
