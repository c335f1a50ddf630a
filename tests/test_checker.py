"""The checker passes a user's own environment that keeps the contract, and names each breach."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from metaenvs import Tasks, check_meta_env
from metaenvs.task_space import as_tasks

SPACES = gym.spaces


class Dial(gym.Env):
    """A user's own environment: turn a dial to a hidden position within three steps."""

    def __init__(self) -> None:
        self.observation_space = SPACES.Box(0, 10, (1,), np.float32)
        self.action_space = SPACES.Discrete(5)
        self.task_space = SPACES.Dict(
            target=SPACES.Discrete(8), speed=SPACES.Box(0, 1, (2,), np.float32)
        )
        self.pinned: dict[str, Any] | None = None

    def draw(self) -> dict[str, Any]:
        speed = self.np_random.random(2).astype(np.float32)
        return {"target": self.np_random.integers(8), "speed": speed}

    def sample_tasks(self, n_tasks: int) -> Tasks:
        return Tasks.stack([self.draw() for _ in range(n_tasks)])

    def set_task(self, task: Any) -> None:
        self.pinned = None if task is None else as_tasks(task, self.task_space)[0]

    def get_task(self) -> dict[str, Any]:
        return dict(self.task)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        options = dict(options or {})
        if set(options) - {"task"}:
            raise ValueError(f"unknown options {sorted(options)}")
        if "task" in options:
            self.set_task(options["task"])
        self.begin_trial()
        return self.observe(), self.info()

    def begin_trial(self) -> None:
        self.task = self.draw() if self.pinned is None else dict(self.pinned)
        self.position, self.time = np.float32(self.task["speed"][0]), 0

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        self.position = np.float32(action) + self.task["speed"][1]
        found = bool(action == self.task["target"])
        return self.observe(), float(found), self.time == 3, False, self.info()

    def observe(self) -> np.ndarray:
        return np.array([self.position], np.float32)

    def info(self) -> dict[str, Any]:
        return {"task_id": int(Tasks.stack([self.task]).ids[0])}


class Dials(gym.vector.VectorEnv):
    """The same as a user's own vector environment."""

    def __init__(self, mode: AutoresetMode, num_envs: int = 3) -> None:
        self.rows = [Dial() for _ in range(num_envs)]
        self.num_envs = num_envs
        self.task_space = self.rows[0].task_space
        self.single_observation_space = self.rows[0].observation_space
        self.single_action_space = self.rows[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {"autoreset_mode": mode}
        self.mode = mode
        self.over = np.zeros(num_envs, np.bool_)

    def sample_tasks(self, n_tasks: int) -> Tasks:
        return self.rows[0].sample_tasks(n_tasks)

    def set_task(self, task: Any, *, mask: Any = None) -> None:
        tasks = None if task is None else as_tasks(task, self.task_space)
        if tasks is not None and len(tasks) not in (1, self.num_envs):
            raise ValueError(f"expected 1 or {self.num_envs} tasks, got {len(tasks)}")
        for index, row in enumerate(self.rows):
            if mask is None or mask[index]:
                row.set_task(None if tasks is None else tasks[index % len(tasks)])

    def get_task(self) -> Tasks:
        return Tasks.stack([row.get_task() for row in self.rows])

    def row_seeds(self, seed: Any) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        return [seed + row for row in range(self.num_envs)] if isinstance(seed, int) else seed

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        options = dict(options or {})
        mask = options.pop("reset_mask", np.ones(self.num_envs, np.bool_))
        if set(options) - {"task"}:
            raise ValueError(f"unknown options {sorted(options)}")
        if "task" in options:
            self.set_task(options["task"], mask=mask)
        for row, row_seed in zip(np.array(self.rows)[mask], self.seeds(seed, mask), strict=True):
            row.reset(seed=row_seed)
        self.over = self.over & ~mask
        return self.observe(), self.info()

    def seeds(self, seed: Any, mask: Any) -> list[int | None]:
        return [value for value, chosen in zip(self.row_seeds(seed), mask, strict=True) if chosen]

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        if self.mode == AutoresetMode.DISABLED and self.over.any():
            raise gym.error.ResetNeeded("finished rows")
        begun = self.over.copy()
        reward = np.zeros(self.num_envs)
        ended = np.zeros(self.num_envs, np.bool_)
        for index, row in enumerate(self.rows):
            if begun[index]:
                self.autoreset(row)
            else:
                _, reward[index], ended[index], _, _ = row.step(actions[index])
        self.over = ended.copy()
        final: dict[str, Any] = {}
        if self.mode == AutoresetMode.SAME_STEP and ended.any():
            final = self.final(ended)
            for row in np.array(self.rows)[ended]:
                self.autoreset(row)
            self.over[:] = False
        info = {**self.info(), **final}
        return self.observe(), reward, ended, np.zeros_like(ended), info

    def autoreset(self, row: Dial) -> None:
        row.begin_trial()

    def final(self, ended: Any) -> dict[str, Any]:
        observations = np.empty(self.num_envs, object)
        observations[:] = [row.observe() for row in self.rows]
        return {"final_obs": observations, "_final_obs": ended, "final_info": self.info()}

    def observe(self) -> np.ndarray:
        return np.stack([row.observe() for row in self.rows])

    def info(self) -> dict[str, Any]:
        return {"task_id": np.array([row.info()["task_id"] for row in self.rows])}


def test_who_keeps_the_contract_passes() -> None:
    check_meta_env(Dial())
    check_meta_env(gym.wrappers.TransformObservation(Dial(), lambda x: x + 1, None))
    for mode in AutoresetMode:
        check_meta_env(Dials(mode))
    check_meta_env(Dials(AutoresetMode.SAME_STEP, num_envs=1))


def test_what_is_no_environment_is_refused() -> None:
    with pytest.raises(TypeError, match=r"gymnasium.Env or VectorEnv, got dict"):
        check_meta_env({})  # type: ignore[arg-type]


def test_the_environment_is_left_unpinned_and_reset() -> None:
    env = Dial()
    check_meta_env(env)
    assert env.pinned is None and env.time == 0


class NoSpace(Dial):
    def __init__(self) -> None:
        super().__init__()
        self.task_space = SPACES.Discrete(8)


class NoGetTask(Dial):
    get_task = None  # type: ignore[assignment]


class GlobalGenerator(Dial):
    def draw(self) -> dict[str, Any]:
        return {**super().draw(), "target": np.random.randint(8)}  # noqa: NPY002


class SamplesAList(Dial):
    def sample_tasks(self, n_tasks: int) -> Any:
        return list(super().sample_tasks(n_tasks))


class SamplesOne(Dial):
    def sample_tasks(self, n_tasks: int) -> Tasks:
        return super().sample_tasks(1)


class SamplesOutside(Dial):
    def draw(self) -> dict[str, Any]:
        return {**super().draw(), "target": np.int64(8)}


class SamplingEnters(Dial):
    def draw(self) -> dict[str, Any]:
        self.task = super().draw()
        return self.task


class TellsTheTaskAtResetOnly(Dial):
    def info(self) -> dict[str, Any]:
        return super().info() if self.time == 0 else {}


class TellsATaskNumber(Dial):
    def info(self) -> dict[str, Any]:
        return {"task_id": int(self.task["target"])}


class DriftsWithinTheTrial(Dial):
    def step(self, action: Any) -> Any:
        self.task["speed"] = self.task["speed"] * np.float32(0.5)
        return super().step(action)


class IgnoresSeeds(Dial):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed=None, options=options)


class KnowsOneSeed(Dial):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed=None if seed is None else 1, options=options)


class EntersAtOnce(Dial):
    def set_task(self, task: Any) -> None:
        super().set_task(task)
        self.task = self.pinned or self.task


class ForgetsThePin(Dial):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None and options is None:
            self.pinned = None
        return super().reset(seed=seed, options=options)


class NeverUnpins(Dial):
    def set_task(self, task: Any) -> None:
        if task is not None:
            super().set_task(task)


class EatsOptions(Dial):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if options and "task" in options:
            self.set_task(options.pop("task"))
        return super().reset(seed=seed, options=options)


class IgnoresOptions(Dial):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed=seed)


class OptionOfOneTrial(Dial):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        answer = super().reset(seed=seed, options=options)
        self.pinned = None if options else self.pinned
        return answer


class TakesAnyOption(Dial):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        known = {name: value for name, value in (options or {}).items() if name == "task"}
        return super().reset(seed=seed, options=known)


class TakesAnyTask(Dial):
    def set_task(self, task: Any) -> None:
        self.pinned = task


class ComplainsOddly(Dial):
    def set_task(self, task: Any) -> None:
        try:
            super().set_task(task)
        except ValueError as error:
            raise KeyError("riddle") from error


class ChangedByRefusals(Dial):
    def set_task(self, task: Any) -> None:
        self.pinned = None
        super().set_task(task)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (NoSpace, r"a Dict space in env.unwrapped.task_space; got Discrete\(8\)"),
        (NoGetTask, r"a method get_task of env.unwrapped; got None"),
        (GlobalGenerator, r"no use of the global generators"),
        (SamplesAList, r"a Tasks from sample_tasks\(3\); got <class 'list'>"),
        (SamplesOne, r"3 tasks from sample_tasks\(3\); got 1"),
        (SamplesOutside, r"sample_tasks\(3\).*Discrete\(8\), got 8"),
        (SamplingEnters, r"of get_task\(\); got"),
        (TellsTheTaskAtResetOnly, r"info\['task_id'\] at every step; got None"),
        (TellsATaskNumber, r"task_id .* of get_task\(\); got"),
        (DriftsWithinTheTrial, r"trials to keep their tasks"),
        (IgnoresSeeds, r"one trajectory of one seed and the same actions; got two"),
        (KnowsOneSeed, r"different trajectories; got the same for 32 seeds"),
        (EntersAtOnce, r"after set_task and before a reset, in row 0 the task"),
        (ForgetsThePin, r"after set_task and reset\(seed=1\), in row 0 the task"),
        (NeverUnpins, r"several tasks after set_task\(None\); got one"),
        (EatsOptions, r"leave the options \['task'\]; got \[\]"),
        (IgnoresOptions, r"after reset\(options=\{'task': ...\}\), in row 0"),
        (OptionOfOneTrial, r"after reset\(options=\{'task': ...\}\) and another reset"),
        (TakesAnyOption, r"for an unknown option; got no complaint"),
        (TakesAnyTask, r"for set_task with an unknown name; got no complaint"),
        (ComplainsOddly, r"for set_task with an unknown name; got KeyError\('riddle'\)"),
        (ChangedByRefusals, r"after set_task and the refusal of other tasks"),
    ],
)
def test_a_breach_is_named(env: type[Dial], message: str) -> None:
    with pytest.raises(AssertionError, match=rf"(?s)^Expected .*{message}.*To mend: .+"):
        check_meta_env(env())


class NoMode(Dials):
    def __init__(self, mode: AutoresetMode) -> None:
        super().__init__(mode)
        self.metadata = {"autoreset_mode": "NextStep"}


class SeedsByIndex(Dials):
    def row_seeds(self, seed: Any) -> list[int | None]:
        seeds = super().row_seeds(seed)
        return [None if value is None else 7 * value + row for row, value in enumerate(seeds)]


class PinsOneForAll(Dials):
    def set_task(self, task: Any, *, mask: Any = None) -> None:
        if isinstance(task, Tasks) and len(task) == self.num_envs:
            task = task[:1]
        super().set_task(task, mask=mask)


class PinsEverywhere(Dials):
    def set_task(self, task: Any, *, mask: Any = None) -> None:
        super().set_task(task)


class TakesAnyNumber(Dials):
    def set_task(self, task: Any, *, mask: Any = None) -> None:
        if isinstance(task, Tasks) and len(task) > self.num_envs:
            task = task[: self.num_envs]
        super().set_task(task, mask=mask)


class ResetsAllRows(Dials):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        known = {name: value for name, value in (options or {}).items() if name != "reset_mask"}
        return super().reset(seed=seed, options=known)


class DisturbsStreams(Dials):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        answer = super().reset(seed=seed, options=options)
        if options and "reset_mask" in options:
            self.rows[-1].time += 1
        return answer


class MaskResetsNothing(Dials):
    def seeds(self, seed: Any, mask: Any) -> list[int | None]:
        return [0] * int(mask.sum()) if not mask.all() else super().seeds(seed, mask)


class LosesThePin(Dials):
    def autoreset(self, row: Dial) -> None:
        row.set_task(None)
        row.begin_trial()


class RewardsTheReset(Dials):
    def step(self, actions: Any) -> Any:
        begun = self.over.copy()
        observation, reward, *flags = super().step(actions)
        return observation, reward + begun, *flags


class NoFinal(Dials):
    def final(self, ended: Any) -> dict[str, Any]:
        return {}


class FinalOfTheNextTrial(Dials):
    def final(self, ended: Any) -> dict[str, Any]:
        return {**super().final(ended), "final_info": {"task_id": np.zeros(self.num_envs, int)}}


class StepsTheFinished(Dials):
    def step(self, actions: Any) -> Any:
        self.over[:] = False
        return super().step(actions)


NEXT_STEP, SAME_STEP, DISABLED = (
    AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
)  # fmt: skip


@pytest.mark.parametrize(
    ("env", "mode", "message"),
    [
        (NoMode, NEXT_STEP, r"AutoresetMode in metadata\['autoreset_mode'\]; got 'NextStep'"),
        (SeedsByIndex, NEXT_STEP, r"of seeds 10, 11, \.\.\."),
        (PinsOneForAll, NEXT_STEP, r"after set_task\(one task a row\), in row 1"),
        (PinsEverywhere, NEXT_STEP, r"after set_task\(task, mask=only row 0\), in row 1"),
        (TakesAnyNumber, NEXT_STEP, r"set_task with num_envs \+ 1 tasks; got no complaint"),
        (ResetsAllRows, NEXT_STEP, r"leave the other rows' observations and tasks"),
        (DisturbsStreams, NEXT_STEP, r"go on as without the masked reset"),
        (MaskResetsNothing, NEXT_STEP, r"new trials after masked resets; got 32 times one"),
        (LosesThePin, NEXT_STEP, r"after set_task and autoreset"),
        (LosesThePin, SAME_STEP, r"after set_task and autoreset"),
        (RewardsTheReset, NEXT_STEP, r"reward 0 and no flag after the end"),
        (NoFinal, SAME_STEP, r"info\['final_obs'\] where a trial ended"),
        (FinalOfTheNextTrial, SAME_STEP, r"the ended trial's task_id in final_info"),
        (StepsTheFinished, DISABLED, r"an error where a finished row is stepped; got none"),
    ],
)
def test_a_breach_of_batches_is_named(env: type[Dials], mode: AutoresetMode, message: str) -> None:
    with pytest.raises(AssertionError, match=rf"(?s)^Expected .*{message}.*To mend: .+"):
        check_meta_env(env(mode))
