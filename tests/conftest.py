"""Which tests run: every one, but the costly ones of the registry only where code differs.

A costly test that is not of an id runs with ``--all-ids`` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

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
