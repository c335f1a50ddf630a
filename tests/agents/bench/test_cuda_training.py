"""The bench of training on a GPU, dry: on one, or in Numba's simulator of one."""

from __future__ import annotations

import dataclasses

import pytest

from agents.bench import cuda_training
from agents.bench.timing import Effort
from metaenvs.cuda.arrays import device_available

pytestmark = [
    pytest.mark.skipif(
        not device_available(), reason="no NVIDIA GPU (tests/cuda/test_simulator.py simulates one)"
    ),
    pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning"),
]


def test_training_is_measured_and_profiled(monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(
        cuda_training.CONFIG,
        env_id="metaenvs/ExplorationBandit-v0",
        num_envs=4,
        hidden_size=4,
    )
    monkeypatch.setattr(cuda_training, "CONFIG", config)
    rows = cuda_training.rl2_on_gpu("some", Effort(repeats=1, seconds=1e-6, iterations=1))
    assert [row.unit for row in rows[:3]] == ["env steps/s", "env steps/s", "times"]
    assert all(row.measurement == "some" and row.median for row in rows)
    for label in (cuda_training.CAPTURED, cuda_training.LAUNCHED):
        shares = [row.median for row in rows if row.what.startswith(f"iteration of {label}: ")]
        busy, *kernels = [share for share in shares if share is not None]
        assert 0 < busy <= 100
        assert kernels == sorted(kernels, reverse=True) and 20 < sum(kernels) <= 100.001
        assert len(kernels) == cuda_training.SHOWN_KERNELS
