"""The rules of Krazy World, one by one, on boards made by hand."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.krazy_world.tiles import (
    DEATH,
    DOOR,
    ENERGY,
    GOAL,
    ICE,
    KEY,
    NORMAL,
    TELEPORTER,
    WALL,
)

DOWN, UP, RIGHT, LEFT = range(4)
UNIT_MOVES = [(1, 0), (-1, 0), (0, 1), (0, -1)]
LETTERS = {
    "#": WALL, ".": NORMAL, "@": NORMAL, "G": GOAL, "T": TELEPORTER, "D": DOOR, "K": KEY,
    "X": DEATH, "I": ICE, "E": ENERGY,
}  # fmt: skip


class Board:
    """A world of 5 by 5 cells from text, "@" the start, played through Gymnasium's API."""

    def __init__(
        self, text: str, moves: list[tuple[int, int]] = UNIT_MOVES, **arguments: Any
    ) -> None:
        letters = "".join(text.split())
        task = {
            "tiles": np.array([LETTERS[letter] for letter in letters], np.uint8),
            "start": np.array(letters.index("@"), np.int16),
            "displacements": np.array(moves, np.int8),
            "tile_codes": np.arange(10, dtype=np.uint8),
        }
        self.env = gym.make(
            "metaenvs/KrazyWorld-v0", preset="easy", **{"energy_start": 20, **arguments}
        )
        self.env.reset(seed=0, options={"task": task})
        self.info: dict[str, Any] = {}

    def act(self, *actions: int) -> tuple[float, bool]:
        """Sum of rewards, and whether the last action ended the episode."""
        total, terminated = 0.0, False
        for action in actions:
            assert not terminated
            _, reward, terminated, _, self.info = self.env.step(action)
            total += float(reward)
        return total, terminated

    def state(self, name: str) -> Any:
        return self.env.get_wrapper_attr("get_state")()[f"states/{name}"][0]

    @property
    def place(self) -> tuple[int, int]:
        return int(self.state("row")), int(self.state("column"))

    @property
    def energy(self) -> int:
        return int(self.state("energy"))

    def tile(self, row: int, column: int) -> int:
        return int(self.state("tiles")[5 * row + column])


def test_default_actions_move_down_up_right_left() -> None:
    board = Board(". . . . . / . . . . . / . . @ . . / . . . . . / . . . . .".replace("/", ""))
    for action, place in [(DOWN, (3, 2)), (UP, (2, 2)), (RIGHT, (2, 3)), (LEFT, (2, 2))]:
        board.act(action)
        assert board.place == place
        assert board.info["tile_type_entered"] == NORMAL


def test_walls_and_borders_block_and_cost_energy() -> None:
    board = Board("@#... ..... ..... ..... .....")
    assert board.act(RIGHT, UP, LEFT) == (0, False)
    assert board.place == (0, 0)
    assert board.energy == 17
    assert board.info["tile_type_entered"] == -1


def test_goal_counts_once_an_episode_and_comes_back() -> None:
    board = Board("@G..G ..... ..... ..... .....", episodes_per_trial=2, episode_steps=6)
    assert board.act(RIGHT) == (1, False)
    assert board.tile(0, 1) == NORMAL
    assert board.act(LEFT, RIGHT, RIGHT, RIGHT) == (0, False)
    assert board.info["goals_collected"] == 1
    assert board.act(RIGHT) == (1, False)  # All goals collected: the episode goes on,
    assert board.info["goals_collected"] == 2
    assert board.info["episode_end"] and not board.info["episode_terminated"]  # to its limit.
    assert board.tile(0, 1) == GOAL
    assert board.place == (0, 0)
    assert board.act(RIGHT) == (1, False)
    assert board.info["goals_collected"] == 1
    assert board.info["trial_goals"] == 3


def test_teleporter_does_not_ping_pong() -> None:
    board = Board("@T... ..... ..... ..... ...T#")
    board.act(RIGHT)
    assert board.place == (4, 3)
    assert board.info["tile_type_entered"] == TELEPORTER
    board.act(RIGHT)  # A wall: standing on the exit does nothing, however long.
    assert board.place == (4, 3)
    assert board.info["tile_type_entered"] == -1
    board.act(LEFT, RIGHT)  # Entering it does.
    assert board.place == (0, 1)


def test_teleporters_pair_in_reading_order() -> None:
    board = Board("T@T.. ..... T.... ..... ....T")
    board.act(LEFT)  # The first end leads to the second,
    assert board.place == (0, 2)
    board.act(LEFT, RIGHT)  # and back;
    assert board.place == (0, 0)
    board.act(DOWN, DOWN)  # the third to the fourth.
    assert board.place == (4, 4)
    board.act(UP, DOWN)
    assert board.place == (2, 0)


def test_key_opens_doors_which_stay_doors() -> None:
    board = Board("K@D.. ..... ..... ..... .....")
    board.act(RIGHT)
    assert board.place == (0, 1)
    assert board.energy == 19
    board.act(LEFT)
    assert board.state("has_key")
    assert board.tile(0, 0) == NORMAL
    board.act(RIGHT, RIGHT)
    assert board.place == (0, 2)
    assert board.info["tile_type_entered"] == DOOR
    assert board.tile(0, 2) == DOOR
    board.act(RIGHT, LEFT, LEFT)
    assert board.place == (0, 1)
    assert board.state("has_key")


def test_key_is_lost_with_the_episode() -> None:
    board = Board("K@D.. ..... ..... ..... .....", episodes_per_trial=2, episode_steps=1)
    board.act(LEFT)
    assert not board.state("has_key")
    board.act(RIGHT)
    assert board.place == (0, 1)


def test_death_ends_without_penalty() -> None:
    board = Board("@X... ..... ..... ..... .....")
    assert board.act(RIGHT) == (0, True)
    assert board.info["death_cause"] == 1
    assert board.info["trial_deaths"] == 1
    with pytest.raises(gym.error.ResetNeeded):
        board.act(LEFT)


def test_death_on_a_tile_goes_before_exhaustion() -> None:
    board = Board("@X... ..... ..... ..... .....", energy_start=1)
    assert board.act(RIGHT) == (0, True)
    assert board.info["death_cause"] == 1


def test_energy_runs_out() -> None:
    board = Board("@.... ..... ..... ..... .....", energy_start=2)
    assert board.act(RIGHT) == (0, False)
    assert board.act(RIGHT) == (0, True)
    assert board.info["death_cause"] == 2
    assert board.info["trial_deaths"] == 0


def test_energy_picked_up_with_the_last_unit_survives() -> None:
    board = Board("@E... ..... ..... ..... .....", energy_start=1)
    assert board.act(RIGHT) == (0, False)
    assert board.energy == 8
    assert board.tile(0, 1) == NORMAL
    board.act(LEFT, RIGHT)
    assert board.energy == 6


def test_goal_reached_with_the_last_unit_counts() -> None:
    assert Board("@G... ..... ..... ..... .....", energy_start=1).act(RIGHT) == (1, True)


def test_unlimited_energy() -> None:
    board = Board("@E... ..... ..... ..... .....", energy_start=None)
    assert board.act(*[RIGHT, LEFT] * 20) == (0, False)
    assert board.tile(0, 1) == NORMAL


@pytest.mark.parametrize(
    ("row", "stop"),
    [
        ("@III#", 3),  # At a wall,
        ("@IIII", 4),  # at the border,
        ("@IID.", 2),  # at a locked door,
        ("@II..", 3),  # on what is no ice.
    ],
)
def test_ice_slides_until_blocked_free_of_energy(row: str, stop: int) -> None:
    board = Board(f"{row} ..... ..... ..... .....")
    assert board.act(RIGHT) == (0, False)
    assert board.place == (0, stop)
    assert board.energy == 19
    board.act(UP)  # Blocked on the ice: it does not slide by itself.
    assert board.place == (0, stop)
    assert board.energy == 18


def test_ice_slides_into_an_unlocked_door() -> None:
    board = Board("K@IDI ..... ..... ..... .....")
    board.act(LEFT, RIGHT, RIGHT)
    assert board.place == (0, 3)
    board.act(RIGHT)
    assert board.place == (0, 4)


def test_ice_slides_into_death() -> None:
    board = Board("@IIX. ..... ..... ..... .....")
    assert board.act(RIGHT) == (0, True)
    assert board.info["death_cause"] == 1
    assert board.place == (0, 3)


def test_ice_slides_into_goal_and_stops_there() -> None:
    board = Board("@IGI. ..... ..... ..... .....")
    assert board.act(RIGHT) == (1, False)
    assert board.place == (0, 2)


def test_ice_slides_into_energy_with_the_last_unit() -> None:
    board = Board("@IE.. ..... ..... ..... .....", energy_start=1)
    assert board.act(RIGHT) == (0, False)
    assert board.energy == 8


def test_ice_slides_into_teleporter_whose_exit_ends_the_slide() -> None:
    board = Board("@IT.. ..... ..... .TI.. .....")
    board.act(RIGHT)
    assert board.place == (3, 1)


def test_metrics_count_tiles_slid_over() -> None:
    board = Board("@II.. ....G ..... ..... #....")
    board.act(RIGHT)
    assert board.info["tile_type_entered"] == NORMAL
    assert board.info["tile_types_visited"] == pytest.approx(2 / 3)  # Ice and normal, not the goal.


def test_zero_displacement_is_a_move_that_changes_nothing() -> None:
    board = Board("@I#.. ..... ..... ..... .....", moves=[(0, 0), (-1, 0), (0, 1), (0, -1)])
    board.act(RIGHT)
    assert board.place == (0, 1)
    assert board.act(DOWN) == (0, False)
    assert board.place == (0, 1)
    assert board.energy == 18
    assert board.info["tile_type_entered"] == -1


def test_long_moves_jump_and_slide_by_the_whole_displacement() -> None:
    board = Board("@#I#G .X... ..... ..... .....", moves=[(2, 0), (1, 1), (0, 2), (-3, 0)])
    assert board.act(2) == (1, False)  # Over walls, by ice, onto the goal.
    assert board.place == (0, 4)
    board = Board("@#... .I... ..I.. ..... .....", moves=[(2, 0), (1, 1), (0, 2), (-3, 0)])
    board.act(1)
    assert board.place == (3, 3)
    assert board.energy == 19
    board.act(3, 3)  # The second would leave the board.
    assert board.place == (0, 3)


def test_dense_reward_by_hand() -> None:
    board = Board("@.G.. ..... ..... ..... ....G", dense_reward=True)
    assert board.act(RIGHT) == (2, False)  # One step nearer to both goals.
    assert board.act(RIGHT) == (2 + 3, False)
    assert board.act(RIGHT) == (0, False)  # Away from the collected one, towards the other.
    assert board.act(UP) == (0, False)


def test_displacements_given_with_the_task() -> None:
    board = Board("..... ..... ..@.. ..... .....", moves=[(0, -1), (1, 0), (-1, 0), (0, 1)])
    board.act(0)
    assert board.place == (2, 1)
    board.act(1)
    assert board.place == (3, 1)
