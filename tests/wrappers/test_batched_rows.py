from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from hypothesis import given
from hypothesis import strategies as st

from metaenvs.wrappers.batched_rows import choose_info, choose_rows

NUM_ENVS = 4
ROW_INFOS = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(0, 9),
        "share": st.floats(0, 1),
        "text": st.sampled_from(["a", "bc"]),
        "array": st.builds(lambda value: np.full(2, value), st.integers(1, 5)),
        "deep": st.fixed_dictionaries({}, optional={"now": st.integers(1, 9)}),
    },
)
BATCHES = st.lists(ROW_INFOS, min_size=NUM_ENVS, max_size=NUM_ENVS)
MASKS = st.lists(st.booleans(), min_size=NUM_ENVS, max_size=NUM_ENVS)


def gather(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The batch that Gymnasium's own collector makes of the rows' infos."""
    collector = VectorEnv()
    collector.num_envs = NUM_ENVS
    info: dict[str, Any] = {}
    for index, row in enumerate(rows):
        info = collector._add_info(info, row, index)
    return info


def entries(info: dict[str, Any], row: int) -> dict[str, Any]:
    """What ``info`` tells of one row, by its masks."""
    told = {}
    for name, value in info.items():
        if name[0] != "_" and info[f"_{name}"][row]:
            told[name] = entries(value, row) if isinstance(value, dict) else value[row].tolist() \
                if isinstance(value[row], np.generic | np.ndarray) else value[row]  # fmt: skip
    return told


@given(BATCHES, BATCHES, MASKS)
def test_info_is_what_gymnasium_collects_from_the_rows(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], mask: list[bool]
) -> None:
    chosen = choose_info(gather(ours), gather(theirs), np.array(mask))
    expected = gather([b if taken else a for a, b, taken in zip(ours, theirs, mask, strict=True)])
    for row in range(NUM_ENVS):
        assert entries(chosen, row) == entries(expected, row)


@given(BATCHES, MASKS)
def test_nothing_of_cleared_rows_is_left(rows: list[dict[str, Any]], mask: list[bool]) -> None:
    cleared = choose_info(gather(rows), {}, np.array(mask))
    for row in range(NUM_ENVS):
        assert entries(cleared, row) == ({} if mask[row] else entries(gather(rows), row))


def test_shapes_that_differ_become_objects() -> None:
    rows = np.array([True, False])
    chosen = choose_info({"a": np.zeros((2, 3))}, {"a": np.ones((2, 1))}, rows)
    assert [len(value) for value in chosen["a"]] == [1, 3]


def test_observations_that_do_not_stack() -> None:
    space = gym.spaces.Tuple([gym.spaces.Text(4), gym.spaces.Box(0, 9, (2,), np.int64)])
    ours = (("a", "b"), np.array([[1, 1], [2, 2]]))
    theirs = (("c", "d"), np.array([[3, 3], [4, 4]]))
    text, numbers = choose_rows(space, np.array([True, False]), theirs, ours)
    assert text == ("c", "b")
    assert numbers.tolist() == [[3, 3], [2, 2]]
    assert ours[1].tolist() == [[1, 1], [2, 2]]
