"""Checks that an environment, one of this package or a user's own, keeps the task contract."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import iterate

from metaenvs.task_space import as_tasks
from metaenvs.tasks import Tasks

__all__ = ["check_meta_env"]

NUM_STEPS = 20
MAX_STEPS = 2000
MANY = 32


def check_meta_env(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> None:
    """Verify the contract on tasks and trials; complements ``gymnasium.utils.env_checker``.

    What an environment promises, on ``env.unwrapped``: ``task_space`` (a ``Dict``),
    ``sample_tasks(n_tasks)``, ``set_task(task)`` (vector: with ``mask``), ``get_task()``,
    ``options={"task": ...}``, on a vector environment ``options={"reset_mask": ...}``, and
    ``info["task_id"]`` at every reset and step. The environment is reset many times, and is left
    unpinned and freshly reset.

    Args:
        env: A single or a vector environment; wrappers are stepped through.

    Raises:
        TypeError: Not an environment of Gymnasium.
        AssertionError: The first promise that is broken: what was expected, what came, and how
            to mend it.
    """
    if not isinstance(env, gym.Env | VectorEnv):
        raise TypeError(f"Expected a gymnasium.Env or VectorEnv, got {type(env).__name__}.")
    _check_surface(env)
    rows = _Rows(env)
    _check_global_generators(rows)
    _check_trial(rows)
    _check_seeds(rows)
    _check_pins(rows)
    _check_options(rows)
    _check_refusals(rows)
    if rows.is_vector:
        _check_row_seeds_and_pins(rows)
        _check_reset_mask(rows)
        _check_autoreset(rows)
    rows.set_task(None)
    rows.reset(seed=0)


def _expect(holds: Any, expected: str, got: Any, mend: str) -> None:
    if not holds:
        raise AssertionError(f"Expected {expected}; got {got}. To mend: {mend}.")


class _Rows:
    """A single or a vector environment seen as rows, so that one check serves both."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.contract = env.unwrapped
        self.space: gym.spaces.Dict = self.contract.task_space
        self.is_vector = isinstance(env, VectorEnv)
        self.num_rows: int = env.num_envs if self.is_vector else 1
        self.mode = env.metadata["autoreset_mode"] if self.is_vector else AutoresetMode.DISABLED
        self.actions = copy.deepcopy(env.action_space)

    def reset(self, **arguments: Any) -> tuple[list[Any], npt.NDArray[Any]]:
        """Observations by row and task ids (n,); the random actions start anew."""
        self.actions.seed(0)
        observation, info = self.env.reset(**arguments)
        return self.split(observation), self.ids(info, "reset")

    def step(self) -> tuple[list[Any], npt.NDArray[Any], npt.NDArray[np.bool_], dict[str, Any]]:
        """Observations by row, rewards, ends of trials (n,) and ``info``, after random actions."""
        observation, reward, terminated, truncated, info = self.env.step(self.actions.sample())
        self.ids(info, "step")
        ended = np.atleast_1d(np.logical_or(terminated, truncated))
        return self.split(observation), np.array(reward, ndmin=1), ended, info

    def split(self, observation: Any) -> list[Any]:
        """Copies of the observations, row by row."""
        if not self.is_vector:
            return [copy.deepcopy(observation)]
        return copy.deepcopy(list(iterate(self.env.observation_space, observation)))

    def ids(self, info: dict[str, Any], when: str) -> npt.NDArray[Any]:
        """``info["task_id"]`` as an array (n,)."""
        ids = np.array(info.get("task_id"), ndmin=1)
        right = ids.shape == (self.num_rows,) and ids.dtype == np.int64
        mend = "put in Tasks.stack([task]).ids[0] of the current task, one int64 for each row"
        _expect(right, f"info['task_id'] at every {when}", info.get("task_id"), mend)
        return ids

    def current(self) -> Tasks:
        """The tasks that ``get_task`` tells, one a row."""
        kind = Tasks if self.is_vector else dict
        return self.validated(self.contract.get_task(), "get_task()", kind, self.num_rows)

    def sample(self, n_tasks: int) -> Tasks:
        """Tasks from the environment's own distribution."""
        given = self.contract.sample_tasks(n_tasks)
        return self.validated(given, f"sample_tasks({n_tasks})", Tasks, n_tasks)

    def validated(self, given: Any, source: str, kind: type, length: int) -> Tasks:
        """``given`` as ``Tasks``, if of this kind and length and in the space."""
        mend = "metaenvs.Tasks holds many tasks, a dict of names to values one"
        _expect(isinstance(given, kind), f"a {kind.__name__} from {source}", type(given), mend)
        try:
            tasks = as_tasks(given, self.space)
        except (TypeError, ValueError) as error:
            mend = "draw and keep whole tasks, inside task_space"
            _expect(False, f"a point of task_space from {source}", f"the complaint {error}", mend)
        _expect(len(tasks) == length, f"{length} tasks from {source}", len(tasks), mend)
        return tasks

    def set_task(self, tasks: Tasks | None, **arguments: Any) -> None:
        """Pin ``Tasks`` in a batch, a dict in a single environment; None unpins."""
        whole: Any = tasks if tasks is None or self.is_vector else tasks[0]
        self.contract.set_task(whole, **arguments)

    def expect_tasks(self, tasks: Tasks, when: str, mend: str) -> None:
        """Whether the current tasks are ``tasks``: one for all rows, or one each."""
        current = self.current()
        same = np.broadcast_to(current.ids == tasks.ids, self.num_rows)
        row = int(np.argmin(same))
        expected = f"{when}, in row {row} the task {tasks[row % len(tasks)]}"
        _expect(same.all(), expected, current[row], mend)

    def trajectory(self, seed: int) -> list[Any]:
        """All that is seen from ``reset(seed=seed)`` to the start of one trial more."""
        seen: list[Any] = [self.reset(seed=seed)]
        for _ in range(NUM_STEPS):
            observations, rewards, ended, info = self.step()
            seen.append((observations, rewards, ended, self.ids(info, "step")))
            if ended.any() and self.mode == AutoresetMode.DISABLED:
                break
        return [*seen, self.reset()]


def _check_surface(env: Any) -> None:
    space = getattr(env.unwrapped, "task_space", None)
    mend = "set self.task_space = gymnasium.spaces.Dict({...}), an entry for each parameter"
    right = isinstance(space, gym.spaces.Dict) and len(space) > 0
    _expect(right, "a Dict space in env.unwrapped.task_space", space, mend)
    for name in ("sample_tasks", "set_task", "get_task"):
        given = getattr(env.unwrapped, name, None)
        _expect(callable(given), f"a method {name} of env.unwrapped", given, f"define {name}")
    if isinstance(env, VectorEnv):
        mode = env.metadata.get("autoreset_mode")
        mend = "set self.metadata = {**self.metadata, 'autoreset_mode': mode} in __init__"
        right = isinstance(mode, AutoresetMode)
        _expect(right, "a gymnasium AutoresetMode in metadata['autoreset_mode']", repr(mode), mend)


def _check_global_generators(rows: _Rows) -> None:
    def state() -> tuple[Any, ...]:
        numpy_state: Any = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
        return random.getstate(), numpy_state["key"].tobytes(), numpy_state["pos"]

    before = state()
    rows.trajectory(seed=0)
    rows.sample(3)
    mend = "draw from self.np_random, or from a generator of the environment's own"
    left_alone = state() == before
    _expect(left_alone, "no use of the global generators np.random and random", "some", mend)


def _check_trial(rows: _Rows) -> None:
    """``task_id`` is the current task's, which changes only where a trial begins."""
    _, expected = rows.reset(seed=0)
    rows.sample(MANY)
    begun, unended = np.zeros(rows.num_rows, np.bool_), np.ones(rows.num_rows, np.bool_)
    for step in range(MAX_STEPS):
        current = rows.current().ids
        mend = "task_id is Tasks.stack([task]).ids[0], with values of task_space's dtypes"
        _expect((current == expected).all(), f"task_id {current} of get_task()", expected, mend)
        _, _, ended, info = rows.step()
        begun = ended if rows.mode == AutoresetMode.SAME_STEP else begun
        ids = rows.ids(info, "step")
        mend = "exchange the task in reset or at autoreset, nowhere else"
        kept = (ids == expected)[~begun].all()
        _expect(kept, f"trials to keep their tasks {expected}", f"{ids} in step {step}", mend)
        begun, expected, unended = ended, ids, unended & ~ended
        if not unended.any() or (ended.any() and rows.mode == AutoresetMode.DISABLED):
            return


def _check_seeds(rows: _Rows) -> None:
    first, *others = [rows.trajectory(seed) for seed in range(MANY)]
    mend = "derive all randomness from the seed given to reset, and start afresh there"
    same = data_equivalence(first, rows.trajectory(0), exact=True)
    _expect(same, "one trajectory of one seed and the same actions", "two", mend)
    if len(rows.sample(MANY).unique()) > 1:
        mend = "draw the task from the generator that reset has seeded"
        same = all(data_equivalence(first, other, exact=True) for other in others)
        _expect(not same, "different trajectories", f"the same for {MANY} seeds", mend)


def _check_pins(rows: _Rows) -> None:
    rows.reset(seed=0)
    before, candidates = rows.current(), rows.sample(MANY).unique()
    other = int(np.argmax(candidates.ids != before.ids[0]))
    task = candidates[other : other + 1]
    rows.set_task(task)
    mend = "keep the task aside and enter it where the next trial begins"
    rows.expect_tasks(before, "after set_task and before a reset", mend)
    mend = "a pinned task stays through every reset, seeded or not, until set_task(None)"
    for seed in (None, 1, 2, None):
        rows.reset(seed=seed)
        rows.expect_tasks(task, f"after set_task and reset(seed={seed})", mend)
    rows.set_task(None)
    mend = "after set_task(None), the next trial and all after it draw their tasks again"
    rows.expect_tasks(task, "after set_task(None) and before a reset", mend)
    if len(candidates) > 1:
        drawn = {int(rows.reset()[1][0]) for _ in range(MANY)}
        _expect(len(drawn) > 1, "several tasks after set_task(None)", "one", mend)


def _check_options(rows: _Rows) -> None:
    task = rows.sample(1)
    given: dict[str, Any] = {"task": task if rows.is_vector else task[0]}
    if rows.is_vector:
        given["reset_mask"] = np.ones(rows.num_rows, np.bool_)
    options = dict(given)
    rows.reset(seed=0)
    rows.reset(options=options)
    unchanged = list(options) == list(given) and all(options[key] is given[key] for key in given)
    mend = "copy the dictionary before taking anything out"
    _expect(unchanged, f"reset to leave the options {list(given)}", list(options), mend)
    mend = "options={'task': task} is set_task(task) followed by the reset"
    rows.expect_tasks(task, "after reset(options={'task': ...})", mend)
    rows.reset(seed=1)
    rows.expect_tasks(task, "after reset(options={'task': ...}) and another reset", mend)
    rows.set_task(None)


def _check_refusals(rows: _Rows) -> None:
    """What is wrong is refused, and changes nothing."""
    task = rows.sample(1)
    rows.set_task(task)
    rows.reset(seed=0)
    whole = {name: task[name] for name in rows.space}
    first = next(iter(whole))
    wrong = {
        "an unknown name": Tasks({**whole, "no_such_parameter": np.zeros(1)}),
        f"a wrong shape of {first!r}": Tasks({**whole, first: np.stack([whole[first]] * 2, -1)}),
    }
    if len(whole) > 1:
        wrong[f"{first!r} missing"] = Tasks({name: whole[name] for name in whole if name != first})
    for name, space in rows.space.items():
        beyond = _beyond(space)
        if beyond is not None:
            wrong[f"{name!r} out of bounds"] = Tasks({**whole, name: beyond[None]})
    if rows.is_vector:
        wrong["num_envs + 1 tasks"] = Tasks.concatenate([task] * (rows.num_rows + 1))
    for fault, tasks in wrong.items():
        options = {"task": tasks if rows.is_vector else tasks[0]}
        _expect_refusal(f"set_task with {fault}", rows.set_task, tasks)
        _expect_refusal(f"options['task'] with {fault}", rows.env.reset, options=options)
    _expect_refusal("an unknown option", rows.env.reset, options={"no_such_option": 1})
    rows.reset()
    mend = "validate (metaenvs.task_space.as_tasks) before changing anything"
    rows.expect_tasks(task, "after set_task and the refusal of other tasks", mend)
    rows.set_task(None)


def _beyond(space: gym.Space[Any]) -> npt.NDArray[Any] | None:
    """A value above the bounds of a leaf of the task space, None where it has none."""
    if isinstance(space, gym.spaces.Box):
        high = space.high.astype(np.float64)
        return np.asarray(high + 1 + np.abs(high)) if np.isfinite(high).all() else None
    if isinstance(space, gym.spaces.Discrete):
        return np.asarray(space.start + space.n)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return np.asarray(space.start + space.nvec.astype(np.int64))
    return np.full(space.shape or (), 2)


def _expect_refusal(what: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    complaint = "no complaint"
    try:
        call(*args, **kwargs)
    except (TypeError, ValueError):
        return
    except Exception as error:
        complaint = repr(error)
    mend = "say what was expected in a ValueError or TypeError, and change nothing"
    _expect(False, f"a ValueError or TypeError for {what}", complaint, mend)


def _check_row_seeds_and_pins(rows: _Rows) -> None:
    _, ids = rows.reset(seed=10)
    _, shifted = rows.reset(seed=11)
    _, listed = rows.reset(seed=[10 + row for row in range(rows.num_rows)])
    mend = "row r of reset(seed=i) has the seed i + r, a list gives one each, and no index enters"
    same = (ids[1:] == shifted[:-1]).all() and (ids == listed).all()
    _expect(same, f"tasks {ids} of seeds 10, 11, ...", f"{shifted} from 11 on, {listed}", mend)
    each, one = rows.sample(rows.num_rows), rows.sample(1)
    rows.set_task(each)
    rows.reset(seed=0)
    mend = "set_task takes Tasks of length num_envs, one a row, and with mask= pins its rows only"
    rows.expect_tasks(each, "after set_task(one task a row)", mend)
    rows.set_task(one, mask=np.arange(rows.num_rows) == 0)
    rows.reset()
    each = Tasks.concatenate([one, each[1:]])
    rows.expect_tasks(each, "after set_task(task, mask=only row 0)", mend)
    rows.set_task(None)


def _check_reset_mask(rows: _Rows) -> None:
    """A masked reset leaves the other rows where they are, and as they would have gone on."""
    if rows.num_rows == 1:
        return
    mask = np.arange(rows.num_rows) == 0
    mend = "reset only the rows of options['reset_mask'], and touch no generator of the others"
    rows.reset(seed=7)
    before, _, ended, _ = rows.step()
    goes_on = rows.mode != AutoresetMode.DISABLED or not ended.any()
    undisturbed: Any = rows.step()[:3] if goes_on else None
    rows.reset(seed=7)
    rows.step()
    tasks, actions = rows.current(), copy.deepcopy(rows.actions)
    after, _ = rows.reset(options={"reset_mask": mask})
    same = data_equivalence(before[1:], after[1:], exact=True) and rows.current()[1:] == tasks[1:]
    _expect(same, "a masked reset to leave the other rows' observations and tasks", "others", mend)
    if undisturbed is not None:
        rows.actions = actions
        disturbed: Any = rows.step()[:3]
        same = all(
            data_equivalence(one[1:], other[1:], exact=True)
            for one, other in zip(undisturbed, disturbed, strict=True)
        )
        _expect(same, "the other rows to go on as without the masked reset", "a change", mend)
    if len(rows.sample(MANY).unique()) > 1:
        drawn = {int(rows.reset(options={"reset_mask": mask})[1][0]) for _ in range(MANY)}
        _expect(len(drawn) > 1, "new trials after masked resets", f"{MANY} times one task", mend)


def _check_autoreset(rows: _Rows) -> None:
    """What follows the end of a trial in the mode at hand, with the tasks pinned."""
    pinned = rows.sample(rows.num_rows)
    rows.set_task(pinned)
    rows.reset(seed=0)
    for _ in range(MAX_STEPS):
        _, _, ended, info = rows.step()
        if ended.any():
            break
    else:
        gym.logger.warn(f"No trial ended within {MAX_STEPS} steps: autoreset was not checked.")
        return
    if rows.mode == AutoresetMode.SAME_STEP:
        mend = "in SAME_STEP mode, put 'final_obs' and 'final_info', with masks, into info"
        for name in ("final_obs", "_final_obs", "final_info"):
            _expect(name in info, f"info[{name!r}] where a trial ended", sorted(info), mend)
        marked, space = info["_final_obs"], rows.env.single_observation_space
        _expect((marked == ended).all(), f"info['_final_obs'] to be {ended}", marked, mend)
        inside = all(info["final_obs"][row] in space for row in np.flatnonzero(ended))
        _expect(inside, f"final_obs in {space}", info["final_obs"], mend)
        same = (rows.ids(info["final_info"], "end (final_info)") == pinned.ids)[ended].all()
        _expect(same, "the ended trial's task_id in final_info", "another", mend)
    elif rows.mode == AutoresetMode.NEXT_STEP:
        _, rewards, ended_again, _ = rows.step()
        quiet = not rewards[ended].any() and not ended_again[ended].any()
        mend = "in NEXT_STEP mode the step after the end begins a trial, whatever the action"
        _expect(quiet, "reward 0 and no flag after the end", (rewards, ended_again), mend)
    else:
        mend = "in DISABLED mode a finished row waits for options={'reset_mask': mask}"
        try:
            rows.env.step(rows.actions.sample())
        except Exception:
            rows.reset(options={"reset_mask": ended})
        else:
            _expect(False, "an error where a finished row is stepped", "none", mend)
    rows.step()
    rows.expect_tasks(pinned, "after set_task and autoreset", "autoreset keeps pinned tasks")
