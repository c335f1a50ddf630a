"""Asking for a device: what is said where there is none."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from metaenvs.cuda.arrays import NumPyArrays, TorchArrays, as_bytes

BANDIT = "metaenvs/ExplorationBandit-v0"


def test_the_cpu_may_be_named() -> None:
    env = gym.make_vec(BANDIT, num_envs=2, device="cpu")
    assert isinstance(env.reset(seed=0)[0], np.ndarray)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match='device must be "cpu" or "cuda", got \'cuda:1\''):
        gym.make_vec(BANDIT, num_envs=2, device="cuda:1")


def test_a_device_is_for_batches() -> None:
    with pytest.raises(TypeError, match=r"device belongs to gymnasium\.make_vec"):
        gym.make(BANDIT, device="cuda")


def test_a_device_draws_no_pictures() -> None:
    with pytest.raises(ValueError, match="leave render_mode out"):
        gym.make_vec(BANDIT, num_envs=2, device="cuda", render_mode="ansi")


@pytest.mark.parametrize("missing", ["numba_cuda", "torch"])
def test_a_missing_package_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find("math")
    )
    with pytest.raises(ImportError, match=rf"{missing.replace('_', '-')}.*metaenvs\[cuda\]"):
        gym.make_vec(BANDIT, num_envs=2, device="cuda")


def test_a_machine_without_a_gpu_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba_cuda")
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"needs an NVIDIA GPU.*torch.*found none"):
        gym.make_vec(BANDIT, num_envs=2, device="cuda")


RECORD = np.dtype(
    [("flag", np.bool_), ("code", np.int16, (2, 2)), ("key", np.uint64), ("share", np.float32)],
    align=True,
)


def test_torch_and_numpy_keep_records_alike() -> None:
    pytest.importorskip("torch")
    records = np.zeros(3, RECORD)
    records["flag"] = [True, False, True]
    records["code"] = np.arange(12).reshape(3, 2, 2)
    records["key"] = 2**64 - 1
    records["share"] = 0.5
    libraries: list[Any] = [NumPyArrays(), TorchArrays("cpu")]
    for library in libraries:
        there = library.upload(as_bytes(records))
        for name in RECORD.names or ():
            field = library.field(there, RECORD, name)
            np.testing.assert_array_equal(library.download(field), records[name])
            assert library.download(field).dtype == records[name].dtype
        library.field(there, RECORD, "share")[:] = library.upload(np.array([1, 2, 3], np.float32))
        changed = library.download(there).reshape(-1).view(RECORD)
        np.testing.assert_array_equal(changed["share"], [1, 2, 3])
        np.testing.assert_array_equal(changed["code"], records["code"])


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int16, np.int64, np.float32, np.float64])
def test_torch_and_numpy_make_arrays_alike(dtype: Any) -> None:
    pytest.importorskip("torch")
    for library in (NumPyArrays(), TorchArrays("cpu")):
        zeros, empty = library.zeros((2, 3), dtype), library.empty((0, 3), dtype)
        assert library.download(zeros).dtype == library.download(empty).dtype == dtype
        assert not library.download(zeros).any() and library.download(empty).shape == (0, 3)
        assert library.cast(zeros, dtype) is zeros
        condition = library.upload(np.array([[True, False, True]]))
        chosen = library.download(library.where(condition, 1, zeros))
        assert chosen.tolist() == [[1, 0, 1]] * 2
        copied = library.copy(zeros)
        copied[:] = 1
        assert not library.download(zeros).any()


def test_bytes_of_rows() -> None:
    assert as_bytes(np.zeros(0, RECORD)).shape == (0, RECORD.itemsize)
    assert as_bytes(np.zeros((0, 3), np.uint64)).shape == (0, 24)
    words = np.arange(6, dtype=np.uint64).reshape(2, 3)
    assert as_bytes(words).shape == (2, 24)
    assert np.shares_memory(as_bytes(words), words)
