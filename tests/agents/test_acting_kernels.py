"""Helpers that take some of the tasks change no number."""

from __future__ import annotations

import itertools
import time
from functools import partial
from typing import Any

import numpy as np
import pytest

from agents.acting_kernels import NetworkStep
from agents.register_tiles import BLOCK
from agents.task_record import _compiled_act
from metaenvs.kernels.helpers import ALONE, num_threads, run_with_help

WIDTHS = (6, 64, 64, 4)
NUM_TASKS, ROLLOUTS, NUM_STEPS, THREADS = 40, 20, 3, 2
MOST_SECONDS = 60.0
"""A helper that other programs keep from its core comes too late for some jobs."""


def networks(generator: np.random.Generator) -> tuple[list[Any], list[Any]]:
    """Weights, those of the last layer transposed, and biases."""
    weights, biases = [], []
    for width, next_width in itertools.pairwise(WIDTHS):
        weights.append(generator.normal(size=(NUM_TASKS, width, next_width)).astype(np.float32))
        biases.append(generator.normal(size=(NUM_TASKS, next_width)).astype(np.float32))
    weights[-1] = np.ascontiguousarray(weights[-1].swapaxes(1, 2))
    return weights, biases


@pytest.mark.skipif(num_threads() == 1, reason="one core: nobody can help")
@pytest.mark.parametrize("categorical", [False, True])
def test_help_changes_no_number(categorical: bool) -> None:
    generator = np.random.default_rng(0)
    weights, biases = networks(generator)
    features = generator.normal(size=(NUM_TASKS * ROLLOUTS, WIDTHS[0])).astype(np.float32)
    shape = (NUM_TASKS, ROLLOUTS) if categorical else (NUM_TASKS, ROLLOUTS, WIDTHS[-1])
    noise = (generator.uniform if categorical else generator.normal)(size=shape)
    noise = noise.astype(np.float32)
    deviations = np.ones((NUM_TASKS, 0 if categorical else WIDTHS[-1]), np.float32)
    kernel, callee = _compiled_act(len(weights), categorical)

    def acted(run: Any) -> tuple[list[Any], Any]:
        """What is written, and the scratch of each worker."""
        *read, means = (np.zeros((*shape[:2], NUM_STEPS, width), np.float32) for width in WIDTHS)
        actions = np.zeros(shape, np.int64 if categorical else np.float32)
        scratch = tuple(np.zeros((THREADS, BLOCK, bias.shape[1]), np.float32) for bias in biases)
        for step in range(NUM_STEPS):
            now = NetworkStep(
                number=step,
                features=features,
                noise=noise,
                read=tuple(read),
                weights=tuple(weights),
                biases=tuple(biases),
                deviations=deviations,
                means=means,
                actions=actions,
                scratch=scratch,
            )
            run(callee.address, now)
        return [*read, means, actions], scratch[0]

    alone, of_one = acted(partial(kernel, ALONE))
    assert of_one[0].any()
    assert not of_one[1].any()
    latest = time.monotonic() + MOST_SECONDS
    while time.monotonic() < latest:
        helped, of_both = acted(partial(run_with_help, kernel))
        for one, other in zip(alone, helped, strict=True):
            np.testing.assert_array_equal(one, other)
        if of_both[1].any():
            return
    raise AssertionError(f"No helper did anything in {MOST_SECONDS} seconds.")
