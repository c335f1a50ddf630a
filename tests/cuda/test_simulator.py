"""The tests that need a GPU, run in Numba's simulator of one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NEED_A_DEVICE = (
    "cuda/test_device_rows.py",
    "agents/test_device_rollouts.py",
    "agents/test_device_maml.py",
    "agents/bench/test_cuda_training.py",
)


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda")
def test_rows_on_a_simulated_gpu_are_those_of_the_cpu() -> None:
    """In a process of its own: Numba decides when it is imported."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    finished = subprocess.run(
        [*command, *(str(TESTS / name) for name in NEED_A_DEVICE)],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    report = finished.stdout[-4000:] + finished.stderr[-2000:]
    assert finished.returncode == 0, report
    assert " passed" in report and "skipped" not in report, report
