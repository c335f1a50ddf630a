"""The rules of Krazy World: against an independent object-style oracle, and board by board."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metaenvs  # noqa: F401
from metaenvs.krazy_world import rules
from metaenvs.krazy_world.presets import PRESETS, preset_settings, world_parameters

WALL, NORMAL, GOAL, TELEPORTER, DOOR, KEY, DEATH, ICE, ENERGY = 0, 1, 2, 4, 5, 6, 7, 8, 9
DYNAMICS = ["default", "simple", "moderate", "hard"]
DOWN, UP, RIGHT, LEFT = range(4)
UNIT_MOVES = [(1, 0), (-1, 0), (0, 1), (0, -1)]

LIVELY = {
    "size": 7, "num_goals": 6, "num_keys": 1, "num_teleporter_pairs": 3, "energy_start": 12,
    "energy_fraction": 0.1, "death_fraction": 0.03, "ice_fraction": 0.3,
}  # fmt: skip
"""A crowded board in which random steps meet everything there is."""


class Oracle:
    """One agent in one world, written from the specification's text alone."""

    def __init__(
        self, task: dict[str, Any], energy_start: int | None, replenish: int, dense: bool
    ) -> None:
        cells = [int(tile) for tile in task["tiles"]]
        self.size = round(len(cells) ** 0.5)
        self.first_board = {divmod(cell, self.size): tile for cell, tile in enumerate(cells)}
        self.start = divmod(int(task["start"]), self.size)
        self.moves = [(int(down), int(right)) for down, right in task["displacements"]]
        ends = sorted(place for place, tile in self.first_board.items() if tile == TELEPORTER)
        pairs = list(zip(ends[::2], ends[1::2], strict=True))
        self.exits = {**dict(pairs), **{second: first for first, second in pairs}}
        self.goals = [place for place, tile in self.first_board.items() if tile == GOAL]
        self.present = set(cells) - {WALL}
        self.energy_start, self.replenish, self.dense = energy_start, replenish, dense
        self.visited: set[int] = set()
        self.trial_deaths = self.trial_goals = 0
        self.reset()

    def reset(self) -> None:
        self.board = dict(self.first_board)
        self.place = self.start
        self.energy = self.energy_start
        self.has_key = False
        self.episode_goals = self.steps = self.cause = 0
        self.entered = -1

    def distance(self) -> int:
        row, column = self.place
        return sum(abs(row - other) + abs(column - another) for other, another in self.goals)

    def may_enter(self, place: tuple[int, int]) -> bool:
        tile = self.board.get(place, WALL)
        return tile != WALL and (tile != DOOR or self.has_key)

    def act(self, action: int) -> tuple[float, bool]:
        before, goals_before = self.distance(), self.episode_goals
        down, right = self.moves[action]
        self.entered = -1
        sliding = (down, right) != (0, 0)
        while sliding:
            target = (self.place[0] + down, self.place[1] + right)
            if not self.may_enter(target):
                break
            self.place = target
            sliding = self.resolve(self.board[target])
        if self.energy is not None:
            self.energy -= 1
            if self.energy < 1 and not self.cause:
                self.cause = 2
        self.steps += 1
        collected = self.episode_goals - goals_before
        reward = before - self.distance() + 3 * collected if self.dense else collected
        return float(reward), self.cause != 0

    def resolve(self, tile: int) -> bool:
        """Do what the tile under the agent does; whether the agent slides on."""
        self.entered = tile
        self.visited.add(tile)
        if tile == DEATH:
            self.cause = 1
            self.trial_deaths += 1
        elif tile == TELEPORTER:
            self.place = self.exits[self.place]
        elif tile in (GOAL, KEY, ENERGY):
            self.board[self.place] = NORMAL
            if tile == GOAL:
                self.episode_goals += 1
                self.trial_goals += 1
            elif tile == KEY:
                self.has_key = True
            elif self.energy is not None:
                self.energy += self.replenish
        return tile == ICE

    def info(self) -> dict[str, float]:
        return {
            "goals_collected": self.episode_goals,
            "tile_type_entered": self.entered,
            "death_cause": self.cause,
            "tile_types_visited": np.float32(len(self.visited)) / np.float32(len(self.present)),
            "trial_deaths": self.trial_deaths,
            "trial_goals": self.trial_goals,
        }

    def state(self) -> dict[str, Any]:
        return {
            "row": self.place[0],
            "column": self.place[1],
            "energy": -1 if self.energy is None else self.energy,
            "has_key": self.has_key,
            "tiles": [self.board[place] for place in sorted(self.board)],
        }


def compare_with_oracle(
    num_rows: int, num_steps: int, preset: str, dense: bool, **settings: Any
) -> list[dict[str, float]]:
    """Random steps in trials of two episodes; the infos that were met."""
    world = preset_settings(preset, settings)
    env = gym.make_vec(
        "metaenvs/KrazyWorld-v0", num_envs=num_rows, preset=preset, dense_reward=dense,
        episodes_per_trial=2, episode_steps=25, **settings,
    )  # fmt: skip
    env.reset(seed=5)
    rng = np.random.default_rng(5)
    contract: Any = env.unwrapped
    begins = np.ones(num_rows, np.bool_)
    oracles: list[Any] = [None] * num_rows
    met = []
    for _ in range(num_steps):
        for row in np.flatnonzero(begins):
            task = contract.get_task()[int(row)]
            oracles[row] = Oracle(task, world.energy_start, world.energy_replenish, dense)
        actions = rng.integers(4, size=num_rows)
        _, rewards, terminated, truncated, info = env.step(actions)
        assert not truncated.any()
        for row, oracle in enumerate(oracles):
            if oracle is None:  # This step reset the row.
                assert rewards[row] == 0 and not terminated[row]
                continue
            reward, dead = oracle.act(int(actions[row]))
            over = dead or oracle.steps >= 25
            expected = oracle.info()
            assert rewards[row] == reward
            assert info["episode_terminated"][row] == dead
            assert info["episode_end"][row] == over
            assert {name: info[name][row] for name in expected} == expected
            met.append(expected)
            if over and not terminated[row]:
                oracle.reset()
        state = contract.get_state()
        for row, oracle in enumerate(oracles):
            if oracle is None:
                continue
            for name, value in oracle.state().items():
                assert np.array_equal(state[f"states/{name}"][row], value), name
        # A row that ended begins anew in the next step, and can be compared from then on.
        begins = np.array([oracle is None for oracle in oracles])
        for row in np.flatnonzero(terminated):
            oracles[row] = None
    env.close()
    return met


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("preset", list(PRESETS))
def test_environment_agrees_with_oracle(preset: str, dynamics: str) -> None:
    dense = (list(PRESETS).index(preset) + DYNAMICS.index(dynamics)) % 2 == 1
    compare_with_oracle(12, 60, preset, dense, dynamics=dynamics)


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("energy_start", [12, None])
def test_environment_agrees_with_oracle_on_crowded_boards(
    dynamics: str, energy_start: int | None
) -> None:
    settings = {**LIVELY, "energy_start": energy_start, "dynamics": dynamics}
    met = compare_with_oracle(32, 300, "paper", dynamics == "simple", **settings)
    everything = {-1, NORMAL, GOAL, TELEPORTER, DOOR, KEY, DEATH, ICE, ENERGY}
    assert {info["tile_type_entered"] for info in met} == everything
    causes = {0, 1} if energy_start is None else {0, 1, 2}
    assert {info["death_cause"] for info in met} == causes
    assert max(info["trial_deaths"] for info in met) == 2


class Record:
    """A structured scalar whose fields are attributes, as row functions want them."""

    def __init__(self, dtype: Any, record: Any = None) -> None:
        self.__dict__["record"] = np.zeros(1, dtype)[0] if record is None else record

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["record"][name]

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["record"][name] = value


@pytest.mark.parametrize("dynamics", ["simple", "moderate"])
def test_row_functions_run_uncompiled_alike(dynamics: str) -> None:
    settings = {**LIVELY, "dynamics": dynamics}
    world = preset_settings("paper", settings)
    env = gym.make("metaenvs/KrazyWorld-v0", preset="paper", n_tasks=12, **settings)
    parameters = Record(None, world_parameters(world)[0])
    state, fields = Record(rules.state_dtype(7)), Record(rules.REPORT_FIELDS)
    key = np.uint64(0)
    rng = np.random.default_rng(0)
    for record in env.get_wrapper_attr("pool").to_records():
        task = Record(None, record)
        drawn = {name: record[name] for name in record.dtype.names}
        oracle = Oracle(drawn, world.energy_start, world.energy_replenish, dense=False)
        for episode in range(3):
            oracle.reset()
            rules.start_episode(parameters, task, state, episode, key)
            dead = False
            while not dead:
                action = int(rng.integers(4))
                reward, dead = rules.step(parameters, task, state, action, key)
                assert (reward, dead) == oracle.act(action)
                rules.report(parameters, task, state, fields)
                for name, value in oracle.info().items():
                    assert getattr(fields, name) == value
                for name, value in oracle.state().items():
                    assert np.array_equal(getattr(state, name), value)


# ---------------------------------------------------------------------- boards made by hand

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
            total += reward
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
