"""Which tests run: every one, but the costly ones of the registry only where code differs.

A costly test that is not of an id runs with ``--all-ids`` alone. And what tests of a GPU share.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import pytest

import metaenvs.cuda.batch
from metaenvs.cuda.arrays import NumPyArrays, TorchArrays
from metaenvs.registration import IDS

SAME_CODE = {
    "metaenvs.locomotion.env:Locomotion": {
        "metaenvs/CaDMHalfCheetah-v0",
        "metaenvs/LDMAntGoal-v0",
        "metaenvs/TMCLHopper-v0",
    },
}
"""Families with many ids that are one program and differ in tables: which of them stand for all."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-ids", action="store_true", help="run all costly tests")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "costly: for ids that stand for others, or with --all-ids")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all-ids"):
        return
    left_out = set(_stood_for(items))
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def _stood_for(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    for item in items:
        callspec: Any = getattr(item, "callspec", None)
        env_id = callspec and callspec.params.get("env_id")
        if not item.get_closest_marker("costly"):
            continue
        if env_id is None:
            yield item
        elif env_id in IDS:
            entry_point, _ = IDS[env_id]
            if env_id not in SAME_CODE.get(entry_point, {env_id}):
                yield item


class HostTensors(TorchArrays):
    """Torch's arrays, on the CPU, with kernels in the simulator."""

    def __init__(self) -> None:
        super().__init__("cpu")

    def argument(self, array: Any, dtype: npt.DTypeLike | None = None) -> Any:
        return NumPyArrays().argument(array.numpy(), dtype)

    def stream(self) -> Any:
        return 0


@pytest.fixture
def host_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a simulated GPU have torch's arrays, as a real one has."""
    numba: Any = importlib.import_module("numba")
    if numba.config.ENABLE_CUDASIM:
        monkeypatch.setattr(metaenvs.cuda.batch, "device_arrays", HostTensors)
