"""Which tasks a task space admits, and how they are laid out in memory."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaenvs import Tasks
from metaenvs.task_space import as_tasks, record_dtype_of, validate_tasks

SPACE = gym.spaces.Dict(
    arm=gym.spaces.Discrete(4, start=-1),
    codes=gym.spaces.MultiDiscrete([3, 4]),
    flags=gym.spaces.MultiBinary(3),
    goal=gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
    mass=gym.spaces.Box(0.0, np.inf, (), np.float32),
    tiles=gym.spaces.Box(0, 9, (2, 2), np.uint8),
)
TASK: dict[str, Any] = {
    "arm": 2,
    "codes": [2, 0],
    "flags": [True, False, True],
    "goal": [0.5, -1.0],
    "mass": 3.5,
    "tiles": [[0, 9], [1, 2]],
}


def changed(**values: Any) -> dict[str, Any]:
    return {**TASK, **values}


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_samples_of_the_space_are_admitted_unchanged(seed: int, number: int) -> None:
    SPACE.seed(seed)
    points = [SPACE.sample() for _ in range(number)]
    tasks = Tasks.stack(points)
    assert validate_tasks(tasks, SPACE) == tasks
    for point, task in zip(points, validate_tasks(tasks, SPACE), strict=True):
        assert as_tasks(point, SPACE) == Tasks.stack([task])
        assert {name: np.asarray(value) for name, value in task.items()} in SPACE


def test_a_task_of_plain_python_values_takes_the_space_dtypes() -> None:
    tasks = as_tasks(TASK, SPACE)
    assert len(tasks) == 1
    for name, space in SPACE.items():
        assert tasks[name].dtype == space.dtype
        assert tasks[name].shape == (1, *space.shape)
        np.testing.assert_array_equal(tasks[name][0], np.asarray(TASK[name]))
    same_dtypes = Tasks({name: tasks[name].astype(np.float64) for name in SPACE})
    assert as_tasks(same_dtypes, SPACE).ids == tasks.ids


def test_records_hold_points_of_the_space() -> None:
    dtype = record_dtype_of(SPACE)
    assert dtype.names == tuple(sorted(SPACE))
    for name, space in SPACE.items():
        assert dtype[name].base == space.dtype
        assert dtype[name].shape == space.shape
    assert dtype == as_tasks(TASK, SPACE).to_records().dtype


def test_bounds_belong_to_the_space() -> None:
    for value in (-1, 2):
        assert as_tasks(changed(arm=value), SPACE)["arm"] == value
    assert as_tasks(changed(mass=0.0, goal=[-1.0, 1.0], tiles=np.zeros((2, 2))), SPACE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"arm": 3}, r"'arm' must lie in Discrete\(4, start=-1\), got 3 in task 0"),
        ({"arm": -2}, "'arm' must lie in"),
        ({"arm": 1.5}, "'arm' must lie in.*got 1.5"),
        ({"arm": np.uint64(2**63)}, "'arm' must lie in"),
        ({"arm": 2**70}, "'arm'.*must be numeric"),
        ({"arm": [1]}, r"'arm' must have shape \(\), got \(1,\)"),
        ({"arm": "left"}, "'arm' must be numeric"),
        ({"arm": None}, r"'arm'.* must be numeric"),
        ({"arm": 1 + 2j}, "'arm' must be numeric"),
        ({"codes": [3, 0]}, r"'codes' must lie in MultiDiscrete\(\[3 4\]\), got \[3, 0\]"),
        ({"codes": [-1, 0]}, "'codes' must lie in"),
        ({"flags": [2, 0, 0]}, "'flags' must lie in"),
        ({"flags": [1, 0]}, r"'flags' must have shape \(3,\), got \(2,\)"),
        ({"goal": [0.0, 1.1]}, r"'goal' must lie in.*got \[0.0, 1.1\]"),
        ({"goal": [0.0, np.nan]}, "'goal' must be finite"),
        ({"goal": [[0.0, 0.5]]}, r"'goal' must have shape \(2,\), got \(1, 2\). For many.*Tasks"),
        ({"mass": -0.1}, "'mass' must lie in"),
        ({"mass": np.inf}, "'mass' must be finite"),
        ({"mass": 1e300}, "'mass' must lie in.*1e\\+300"),
        ({"tiles": [[0, 10], [0, 0]]}, "'tiles' must lie in"),
        ({"tiles": [[0, 256], [0, 0]]}, "'tiles' must lie in"),
        ({"tiles": [0, 1, 2, 3]}, r"'tiles' must have shape \(2, 2\), got \(4,\)"),
        ({"colour": 1}, r"name exactly .*: unknown \['colour'\].*applied whole"),
    ],
)
def test_one_task_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_tasks(changed(**values), SPACE)


def test_names_missing_and_unknown_are_told_together() -> None:
    task = changed(colour=1)
    del task["arm"], task["mass"]
    with pytest.raises(ValueError, match=r"missing \['arm', 'mass'\] and unknown \['colour'\]"):
        as_tasks(task, SPACE)


@pytest.mark.parametrize("name", sorted(SPACE))
def test_the_first_offending_task_is_named(name: str) -> None:
    tasks = Tasks.stack([TASK] * 5)
    values = tasks[name].astype(np.float64)
    values[3:] = -7.0
    wrong = Tasks({**{other: tasks[other] for other in SPACE}, name: values})
    with pytest.raises(ValueError, match=rf"{name!r} must lie in.*in task 3\."):
        validate_tasks(wrong, SPACE)
    fraction = tasks[name].astype(np.float64)
    fraction[2:] += 0.25
    if np.issubdtype(SPACE[name].dtype, np.integer):
        wrong = Tasks({**{other: tasks[other] for other in SPACE}, name: fraction})
        with pytest.raises(ValueError, match=rf"{name!r} must lie in.*in task 2\."):
            validate_tasks(wrong, SPACE)


def test_tasks_of_wrong_shapes() -> None:
    tasks = Tasks.stack([TASK] * 2)
    wrong = Tasks({**{name: tasks[name] for name in SPACE}, "mass": np.ones((2, 1))})
    with pytest.raises(ValueError, match=r"'mass' must have shape \(\) in each task, got \(1,\)"):
        as_tasks(wrong, SPACE)


@pytest.mark.parametrize("thing", [3, [TASK], "arm", None])
def test_what_is_neither_a_task_nor_tasks(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"Expected a task \(a mapping of .*'arm'.*or Tasks, got"):
        as_tasks(thing, SPACE)


def test_no_tasks_at_all_are_fine() -> None:
    assert len(validate_tasks(as_tasks(TASK, SPACE)[:0], SPACE)) == 0
