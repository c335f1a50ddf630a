from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import task_samplers
from metaenvs import Tasks
from task_samplers import FixedSampler, ProductGrid, SplitSampler, TaskSampler, UniformSampler


class Handwritten:
    """A sampler that inherits from nothing."""

    n_tasks = 1

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Tasks:
        return Tasks({"goal": np.zeros(n_tasks)})

    def update(self, task_ids: Any, statistics: Any) -> None:
        self.seen = task_ids


def test_anything_with_its_members_is_a_sampler() -> None:
    assert isinstance(Handwritten(), TaskSampler)
    assert not isinstance(object(), TaskSampler)


@pytest.mark.parametrize("kind", [FixedSampler, ProductGrid, SplitSampler, UniformSampler])
def test_samplers_that_do_not_learn_inherit_an_update_that_does_nothing(kind: Any) -> None:
    assert TaskSampler in kind.__mro__
    assert kind.update is TaskSampler.update


def test_update_does_nothing_by_default() -> None:
    sampler = FixedSampler(Tasks({"goal": np.arange(3)}))
    before = sampler.sample(5, np.random.default_rng(0))
    assert sampler.update(sampler.tasks.ids, {"return": np.ones(3)}) is None
    assert sampler.sample(5, np.random.default_rng(0)) == before


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, task_samplers\n"
        "heavy = {'numba', 'torch', 'mujoco', 'agents'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(hasattr(task_samplers, name) for name in task_samplers.__all__)
