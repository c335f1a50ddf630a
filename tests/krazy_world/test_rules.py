"""The rules of Krazy World against an independent object-style oracle."""

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

LIVELY: dict[str, Any] = {
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
            "tile_types_visited": float(np.float32(len(self.visited) / len(self.present))),
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
        for row in np.flatnonzero(begins).tolist():
            task = contract.get_task()[row]
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
        for row in np.flatnonzero(terminated).tolist():
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
