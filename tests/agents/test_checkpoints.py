"""A checkpoint is whole and this run's, or it is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from agents.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint
from agents.rl2 import RL2Config, RL2Policy, start, train
from agents.training_state import TrainingState, read_state

CONFIG = RL2Config(
    env_id="metaenvs/ExplorationBandit-v0", num_envs=8, total_env_steps=100, hidden_size=8
)
FIELDS = dataclasses.asdict(CONFIG)


@pytest.fixture(scope="module")
def trained() -> TrainingState[RL2Policy]:
    state = start(CONFIG)
    train(CONFIG, state=state)
    return state


@pytest.fixture
def folder(trained: TrainingState[RL2Policy], tmp_path: Path) -> Path:
    write_checkpoint(tmp_path, trained, "rl2", FIELDS)
    return tmp_path


def read(folder: Path, agent: str = "rl2", fields: dict[str, Any] = FIELDS) -> Any:
    state = start(CONFIG)
    read_checkpoint(folder, state, agent, fields)
    return state


def test_gives_back_what_was_written(folder: Path, trained: TrainingState[RL2Policy]) -> None:
    assert [path.name for path in folder.iterdir()] == [CHECKPOINT]
    (written, counters), (read_back, others) = read_state(trained), read_state(read(folder))
    assert counters == others
    assert set(written) == set(read_back)
    for name, array in written.items():
        assert array.dtype == read_back[name].dtype
        np.testing.assert_array_equal(array, read_back[name])


def test_is_a_plain_safetensors_file(folder: Path, trained: TrainingState[RL2Policy]) -> None:
    arrays = load_file(folder / CHECKPOINT)
    np.testing.assert_array_equal(
        arrays["module/value.weight"], trained.module.value.weight.detach().numpy()
    )


def test_any_byte_missing_or_changed_is_noticed(folder: Path) -> None:
    path = folder / CHECKPOINT
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for size in [0, 7, *rng.integers(8, len(content), 5).tolist(), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="damaged"):
            read(folder)
    tensors_at = 8 + int.from_bytes(content[:8], "little")
    for place in rng.integers(tensors_at, len(content), 20):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        with pytest.raises(ValueError, match="does not have its digest"):
            read(folder)
    steps_at = content.index(b"120", content.index(b"env_steps"))
    path.write_bytes(content[:steps_at] + b"121" + content[steps_at + 3 :])
    with pytest.raises(ValueError, match="does not have its digest"):
        read(folder)


def test_foreign_and_newer_files_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="belongs to another run, of rl2"):
        read(folder, agent="e-rl2")
    with pytest.raises(ValueError, match="belongs to another run"):
        read(folder, fields={**FIELDS, "seed": 1})
    arrays = load_file(folder / CHECKPOINT)
    save_file(arrays, folder / CHECKPOINT)
    with pytest.raises(ValueError, match="no checkpoint of this package"):
        read(folder)
    header = {"format_version": "2", "training": json.dumps({}), "digest": ""}
    save_file(arrays, folder / CHECKPOINT, header)
    with pytest.raises(ValueError, match="has format 2, this package reads up to 1; update it"):
        read(folder)
    (folder / CHECKPOINT).write_bytes(b"something else altogether")
    with pytest.raises(ValueError, match=r"damaged, or no checkpoint.*remove it to begin the run"):
        read(folder)
    (folder / CHECKPOINT).unlink()
    with pytest.raises(FileNotFoundError, match="has no checkpoint"):
        read(folder)


def test_a_failed_write_leaves_the_one_before(
    folder: Path, trained: TrainingState[RL2Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / CHECKPOINT).read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left.*`metaenvs train --resume"):
        write_checkpoint(folder, trained, "rl2", FIELDS)
    assert (folder / CHECKPOINT).read_bytes() == before
    assert [path.name for path in folder.iterdir()] == [CHECKPOINT]
