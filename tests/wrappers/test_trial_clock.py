from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metaenvs.kernels import trial
from metaenvs.wrappers.trial_clock import TrialClock

LIMITS = st.none() | st.integers(1, 6)
NO_LIMIT = np.iinfo(np.int32).max


def engine_flags(terminates: bool, row: Any, settings: Any) -> tuple[bool, ...]:
    """What the engine's own row function, uncompiled, says of one step of one row."""
    told: dict[str, bool] = {}
    names = {"step": lambda *_: (0.0, terminates),
             "write_report": lambda *a: told.update(episode_end=bool(a[4])),
             "observe": lambda *_: None,
             "fold": lambda *_: 0,
             "begin_episode": lambda *_: None}  # fmt: skip
    originals = {name: getattr(trial, name) for name in names}
    flags: dict[str, list[Any]] = {"terminated": [None], "truncated": [None]}
    batch = SimpleNamespace(rows=[row], tasks=[None], states=[None])
    result = SimpleNamespace(
        observation=[None], reward=[0.0], report=[None], final_observation=np.zeros(0), **flags
    )
    try:
        for name, function in names.items():
            setattr(trial, name, function)
        trial.advance(0, settings, None, batch, [0], result)
    finally:
        for name, function in originals.items():
            setattr(trial, name, function)
    return bool(flags["terminated"][0]), bool(flags["truncated"][0]), told["episode_end"]


@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=25),
    st.integers(1, 3),
    LIMITS,
    LIMITS,
)
def test_the_rule_is_that_of_the_engine(
    terminations: list[list[bool]], episodes: int, steps: int | None, trial_steps: int | None
) -> None:
    clock = TrialClock(
        3, episodes_per_trial=episodes, episode_steps=steps, max_episode_steps=trial_steps
    )
    settings = SimpleNamespace(
        episodes_per_trial=episodes,
        episode_steps=steps or NO_LIMIT,
        max_episode_steps=trial_steps or NO_LIMIT,
        same_step=False,
    )
    rows = [
        SimpleNamespace(
            finished=False, key=0, trial=0, episode=0, episode_step=0, trial_step=0, task_id=0
        )
        for _ in range(3)
    ]
    everywhere = np.ones(3, np.bool_)
    for terminated in terminations:
        flags = clock.step(np.array(terminated), ~everywhere, everywhere)
        ended = flags.terminated | flags.truncated
        for index, row in enumerate(rows):
            expected = engine_flags(terminated[index], row, settings)
            assert tuple(bool(flag[index]) for flag in flags) == expected
            assert clock.episode[index] == row.episode
            if ended[index]:
                row.finished, row.trial_step, row.episode_step, row.episode = False, 0, 0, 0
            elif expected[2]:
                row.episode += 1
                row.episode_step = 0
        clock.begin_trial(ended)
        clock.begin_episode(flags.episode_end & ~ended)


def test_rows_that_are_not_stepped_stay() -> None:
    clock = TrialClock(2, episodes_per_trial=2, episode_steps=1, max_episode_steps=None)
    flags = clock.step(
        np.array([True, True]), np.array([False, True]), stepped=np.array([True, False])
    )
    assert flags.episode_end.tolist() == [True, False]
    assert not flags.terminated.any()
    assert not flags.truncated.any()
