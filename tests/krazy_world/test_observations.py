"""What is observed: against direct NumPy computations from the task and the state."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

import metaenvs  # noqa: F401
from metaenvs import Tasks
from metaenvs.krazy_world.env import COLOURS

AGENT, OUTSIDE = 3, 10
SIZES = {"easy": 5, "medium": 7, "paper": 10}
NUM_ROWS = 24

Array = npt.NDArray[Any]


def make(preset: str, **arguments: Any) -> Any:
    env = gym.make_vec("metaenvs/KrazyWorld-v0", num_envs=NUM_ROWS, preset=preset, **arguments)
    return env.unwrapped


def walk(env: Any, num_steps: int = 30) -> list[tuple[Array, dict[str, Array], Tasks]]:
    """Observations of a random walk with the state and the tasks at that time."""
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    seen = [(observation, env.get_state(), env.get_task())]
    for _ in range(num_steps):
        observation, *_ = env.step(rng.integers(4, size=NUM_ROWS))
        seen.append((observation, env.get_state(), env.get_task()))
    return seen


def coded_boards(state: dict[str, Array], tasks: Tasks) -> Array:
    """Tile codes of the boards as they are now, (rows, N, N), without the agent."""
    codes = np.take_along_axis(
        tasks["tile_codes"].astype(np.int64), state["states/tiles"].astype(np.int64), axis=1
    )
    side = round(codes.shape[1] ** 0.5)
    return codes.reshape(NUM_ROWS, side, side)


def local_windows(state: dict[str, Array], tasks: Tasks) -> Array:
    """The 3 by 3 windows, (rows, 3, 3)."""
    padded = np.pad(coded_boards(state, tasks), ((0, 0), (1, 1), (1, 1)), constant_values=OUTSIDE)
    corners = zip(padded, state["states/row"], state["states/column"], strict=True)
    return np.stack([board[row : row + 3, column : column + 3] for board, row, column in corners])


def whole_boards(state: dict[str, Array], tasks: Tasks) -> Array:
    """The boards with the agent's marker, (rows, N, N)."""
    boards = coded_boards(state, tasks)
    boards[np.arange(NUM_ROWS), state["states/row"], state["states/column"]] = AGENT
    return boards


def positions(state: dict[str, Array], size: int) -> Array:
    return (state["states/row"] * size + state["states/column"])[:, None]


def descriptions(tasks: Tasks) -> Array:
    """The tasks as they are appended to the oracle's observation."""
    parts = [
        tasks["tiles"],
        tasks["start"][:, None],
        tasks["displacements"].reshape(NUM_ROWS, 8) + 3,
        tasks["tile_codes"],
    ]
    return np.concatenate([part.astype(np.int64) for part in parts], axis=1)


@pytest.mark.parametrize("preset", list(SIZES))
def test_local_view_is_window_then_position(preset: str) -> None:
    size = SIZES[preset]
    env = make(preset, permute_codes=True)
    assert env.single_observation_space.nvec.tolist() == [11] * 9 + [size**2]
    outside = 0
    for observation, state, tasks in walk(env):
        window = local_windows(state, tasks).reshape(NUM_ROWS, 9)
        expected = np.concatenate([window, positions(state, size)], axis=1)
        np.testing.assert_array_equal(observation, expected)
        outside += int((window == OUTSIDE).sum())
    assert outside > 0


@pytest.mark.parametrize("preset", list(SIZES))
def test_global_view_is_board_with_marker(preset: str) -> None:
    env = make(preset, view="global", permute_codes=True)
    assert env.single_observation_space.nvec.tolist() == [10] * SIZES[preset] ** 2
    for observation, state, tasks in walk(env):
        boards = whole_boards(state, tasks).reshape(NUM_ROWS, -1)
        np.testing.assert_array_equal(observation, boards)
        assert ((observation == AGENT).sum(axis=1) == 1).all()


@pytest.mark.parametrize("view", ["local", "global"])
@pytest.mark.parametrize("position", [True, False])
def test_parts_follow_in_order(view: str, position: bool) -> None:
    env = make(
        "medium", view=view, observe_position=position, observe_energy=True, task_visible=True
    )
    most_energy = 8 + 8 * 2
    sizes = ([11] * 9 if view == "local" else [10] * 49) + [49] * position + [most_energy + 1, 2]
    sizes += [10] * 49 + [49] + [7] * 8 + [10] * 10
    assert env.single_observation_space.nvec.tolist() == sizes
    for observation, state, tasks in walk(env):
        board = local_windows(state, tasks) if view == "local" else whole_boards(state, tasks)
        parts = [board.reshape(NUM_ROWS, -1)]
        parts += [positions(state, 7)] * position
        parts += [state["states/energy"][:, None], state["states/has_key"][:, None]]
        parts += [descriptions(tasks)]
        np.testing.assert_array_equal(observation, np.concatenate(parts, axis=1))
        assert all(env.single_observation_space.contains(row) for row in observation)


def test_key_and_energy_are_observed() -> None:
    env = make("paper", observe_energy=True)
    keys = []
    for observation, state, _ in walk(env, 60):
        np.testing.assert_array_equal(observation[:, -2], state["states/energy"])
        np.testing.assert_array_equal(observation[:, -1], state["states/has_key"])
        keys.append(observation[:, -1])
    assert set(np.unique(keys)) == {0, 1}


def test_unlimited_energy_is_observed_as_nothing() -> None:
    env = make("easy", observe_energy=True)
    assert env.single_observation_space.nvec[-2:].tolist() == [1, 2]
    assert all((observation[:, -2] == 0).all() for observation, _, _ in walk(env, 5))


def test_energy_beyond_the_codes_is_cut_off() -> None:
    env = make("easy", energy_start=1000, observe_energy=True)
    assert env.single_observation_space.nvec[-2] == 255
    for observation, state, _ in walk(env, 5):
        assert (state["states/energy"] > 254).all()
        assert (observation[:, -2] == 254).all()


def test_large_boards_use_wider_codes() -> None:
    env = make("paper", size=16)
    assert env.single_observation_space.dtype == np.int16
    for observation, state, tasks in walk(env):
        window = local_windows(state, tasks).reshape(NUM_ROWS, 9)
        expected = np.concatenate([window, positions(state, 16)], axis=1)
        np.testing.assert_array_equal(observation, expected)


@pytest.mark.parametrize("view", ["local", "global"])
def test_one_hot_expands_the_codes(view: str) -> None:
    arguments = {"view": view, "permute_codes": True, "observe_energy": True}
    plain, one_hot = make("easy", **arguments), make("easy", **arguments, one_hot=True)
    sizes = plain.single_observation_space.nvec
    assert one_hot.single_observation_space == gym.spaces.Box(0, 1, (int(sizes.sum()),), np.uint8)
    for (codes, *_), (vectors, *_) in zip(walk(plain), walk(one_hot), strict=True):
        parts = [np.eye(size)[codes[:, column]] for column, size in enumerate(sizes)]
        np.testing.assert_array_equal(vectors, np.concatenate(parts, axis=1))


@pytest.mark.parametrize("view", ["local", "global"])
@pytest.mark.parametrize("pixels", [1, 4])
def test_image_paints_the_codes(view: str, pixels: int) -> None:
    env = make("easy", image=True, view=view, cell_pixels=pixels, permute_codes=True)
    side = pixels * (3 if view == "local" else 5)
    assert env.single_observation_space == gym.spaces.Box(0, 255, (side, side, 3), np.uint8)
    for observation, state, tasks in walk(env):
        codes = local_windows(state, tasks) if view == "local" else whole_boards(state, tasks)
        expected = COLOURS[codes].repeat(pixels, axis=1).repeat(pixels, axis=2)
        np.testing.assert_array_equal(observation, expected)


def test_colours_differ() -> None:
    assert len(np.unique(COLOURS, axis=0)) == len(COLOURS) == OUTSIDE + 1


@pytest.mark.parametrize("view", ["local", "global"])
@pytest.mark.parametrize("image", [False, True])
def test_permutation_is_nothing_but_relabelling(view: str, image: bool) -> None:  # K8
    arguments: dict[str, Any] = {"view": view, "image": image, "cell_pixels": 1}
    if not image:
        arguments["observe_position"] = False
    worlds = make("easy", permute_codes=True, **arguments).sample_tasks(NUM_ROWS)
    identity = np.tile(np.arange(10, dtype=np.uint8), (NUM_ROWS, 1))
    unpermuted = Tasks({**{name: worlds[name] for name in worlds.keys()}, "tile_codes": identity})  # noqa: SIM118
    permuted_env, plain_env = make("easy", **arguments), make("easy", **arguments)
    permuted, _ = permuted_env.reset(seed=1, options={"task": worlds})
    plain, _ = plain_env.reset(seed=1, options={"task": unpermuted})
    # Beyond the board nothing is permuted.
    codes = np.concatenate([worlds["tile_codes"], np.full((NUM_ROWS, 1), OUTSIDE)], axis=1)
    rng = np.random.default_rng(0)
    changed = False
    for _ in range(20):
        for row in range(NUM_ROWS):
            if image:
                pairs = {
                    tuple(COLOURS[tile]): COLOURS[code] for tile, code in enumerate(codes[row])
                }
                expected = [pairs[tuple(pixel)] for pixel in plain[row].reshape(-1, 3)]
                np.testing.assert_array_equal(permuted[row].reshape(-1, 3), expected)
            else:
                np.testing.assert_array_equal(permuted[row], codes[row][plain[row]])
        changed = changed or not np.array_equal(permuted, plain)
        actions = rng.integers(4, size=NUM_ROWS)
        permuted, *outcome, info = permuted_env.step(actions)
        plain, *plain_outcome, plain_info = plain_env.step(actions)
        np.testing.assert_array_equal(outcome, plain_outcome)
        for name in set(info) - {"task_id", "_task_id"}:
            np.testing.assert_array_equal(info[name], plain_info[name])
    assert changed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"view": "both"}, "view must be 'local' or 'global'"),
        ({"image": True, "observe_position": True}, "image=True shows tiles only"),
        ({"image": True, "observe_energy": True}, "image=True shows tiles only"),
        ({"image": True, "task_visible": True}, "image=True shows tiles only"),
        ({"image": True, "cell_pixels": 0}, "cell_pixels must be at least 1"),
        ({"image": True, "one_hot": True}, "one_hot needs an observation of codes"),
    ],
)
def test_views_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("easy", **arguments)
