"""Memory is used again, and never while anything still reads it."""

from __future__ import annotations

import gc
import threading

import pytest
import torch

from agents import recycled_memory
from agents.recycled_memory import recycled


@pytest.fixture(autouse=True)
def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    monkeypatch.setattr(recycled_memory, "_waiting", [])


def test_what_is_gone_leaves_its_memory_to_the_next() -> None:
    tensor = recycled(4, 100)
    address = tensor.data_ptr()
    del tensor
    assert recycled(300).data_ptr() == address


def test_memory_is_not_used_again_while_a_part_is_read() -> None:
    tensor = recycled(4, 100)
    tensor.fill_(1.0)
    part, array = tensor[2:3].mT, tensor[0].numpy()
    del tensor
    recycled(4, 100).fill_(2.0)
    assert float(part.sum()) == 100.0
    assert array.sum() == 100.0
    held = recycled(4, 100)
    del part, array
    assert held.data_ptr() != recycled(4, 100).data_ptr()


def test_small_tensors_do_not_take_large_blocks_and_not_all_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = recycled(1000)
    address = large.data_ptr()
    del large
    assert recycled(499).data_ptr() != address
    monkeypatch.setattr(recycled_memory, "MOST_KEPT", 1000)
    monkeypatch.setattr(recycled_memory, "_waiting", [])
    several = [recycled(600) for _ in range(3)]
    del several
    assert len(recycled_memory._waiting) == 1


def test_threads_never_share_memory() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(200):
            tensor = recycled(64)
            tensor.fill_(float(number))
            if not torch.equal(tensor, torch.full((64,), float(number))):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
