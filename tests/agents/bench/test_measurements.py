"""Each measurement at the least effort: the rows it answers, with peers and without.

What a figure is worth is not tested: that depends on the machine.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents import rl2
from agents.bench import (
    bandit,
    cuda_batch,
    cuda_training,
    environments,
    locomotion,
    locomotion_cuda,
    maml,
    maml_cuda,
    overhead,
    peers,
    training,
)
from agents.bench.rows import Row
from agents.bench.timing import Effort

LEAST = Effort(repeats=1, seconds=1e-6, iterations=1, training_share=1e-9, num_seeds=1)


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """On a busy machine the threads of a network this small mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No peer is installed."""
    monkeypatch.setattr(peers, "installed", lambda modules: False)


def absent(rows: list[Row]) -> list[str]:
    return [row.what for row in rows if row.median is None]


def test_installed_looks_for_every_module() -> None:
    assert peers.installed(("numpy", "gymnasium"))
    assert not peers.installed(("numpy", "no_such_module"))


@pytest.mark.usefixtures("alone")
def test_batch_shares_add_up_to_the_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "BATCH_ROWS", 8)
    rows = environments.krazy_world_batch(LEAST)
    assert len(absent(rows)) == 2
    for episodes in (1, 5):
        shares = [
            row.median
            for row in rows
            if row.unit == "%" and row.what.endswith(environments.trial_text(episodes))
        ]
        assert len(shares) == 3
        assert sum(share for share in shares if share is not None) == pytest.approx(100)


@pytest.mark.usefixtures("alone")
def test_single() -> None:
    rows = environments.krazy_world_single(LEAST)
    assert absent(rows) == ["MiniGrid FourRooms, one environment"]


@pytest.mark.usefixtures("alone")
def test_locomotion(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco")
    monkeypatch.setattr(locomotion, "BATCH_SIZES", (3,))
    monkeypatch.setattr(locomotion, "MANY_MODELS", 8)
    for measure in (locomotion.half_cheetah_batch, locomotion.ant_batch):
        rows = measure(LEAST)
        assert len(absent(rows)) == 2
        assert [row.unit for row in rows].count("times") == 1
    assert len(locomotion.locomotion_single(LEAST)) == 6
    assert [row.unit for row in locomotion.locomotion_memory(LEAST)] == ["s", "MiB", "MiB"] * 2


def test_growth_has_a_ratio_for_each_larger_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "BATCH_SIZES", (2, 4, 8))
    rows = environments.cost_growth(LEAST)
    assert [row.unit for row in rows] == ["ns/row step"] * 3 + ["times"] * 2


def test_a_single_block_counts_its_steps() -> None:
    assert environments.single_block(gym.make(environments.KRAZY_WORLD).unwrapped)() == 1024


@pytest.mark.usefixtures("alone")
def test_training_without_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    small = rl2.RL2Config(num_envs=4, hidden_size=8)
    monkeypatch.setattr(training, "CONFIG", small)
    rows = training.rl2_training(LEAST)
    assert absent(rows) == [training.THEIRS]
    assert rows[1].median == training.num_parameters(rl2.new_policy(small))


def test_iterations_are_counted_after_the_first() -> None:
    config = rl2.RL2Config(env_id=bandit.BANDIT, num_envs=4, hidden_size=8)
    steps, seconds = training.rl2_iterations(config, 2)
    assert steps == 2 * 4 * 5
    assert seconds > 0


def test_shares_of_what_a_run_costs_beside_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "RUNS", overhead.RUNS[1:2])
    figures = {row.what.split(": ")[1]: row.median for row in overhead.training_overhead(LEAST)}
    names = ("metrics and progress", "checkpoints, one in 60 s", "evaluation")
    shares = [figures[name] for name in names]
    assert all(share > 0 for share in shares)
    assert figures["together"] == pytest.approx(sum(shares))
    milliseconds = figures["its metrics and progress"] / 1e3
    whole = figures["an iteration"] + milliseconds
    assert figures["metrics and progress"] == pytest.approx(100 * milliseconds / whole)


def test_bandit_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandit, "ROLLOUTS", 2)
    rows = bandit.bandit(LEAST)
    assert [row.unit for row in rows] == ["of the optimum", "s"] * 2


def test_a_policy_that_plays_safe_has_its_share() -> None:
    for explore_episodes, optimum, share in ((0, 2.5, 1.0), (3, 1.5, 2 / 3)):
        config = rl2.RL2Config(
            env_id=bandit.BANDIT, explore_episodes=explore_episodes, hidden_size=8
        )
        policy = rl2.new_policy(config)
        with torch.no_grad():
            for parameter in policy.action.parameters():
                parameter.zero_()
            biases = [p for p in policy.action.parameters() if p.ndim == 1]
            biases[0][0] = 100.0
        np.testing.assert_allclose(bandit.share_of_optimum(policy, config, optimum), share)


@pytest.mark.skipif(importlib.util.find_spec("sb3_contrib") is None, reason="needs sb3-contrib")
@pytest.mark.filterwarnings("ignore")
def test_training_beside_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CONFIG", rl2.RL2Config(num_envs=4, hidden_size=8))
    rows = training.rl2_training(LEAST)
    assert not absent(rows)
    assert rows[-1].what == "ratio to RecurrentPPO"


@pytest.mark.skipif(importlib.util.find_spec("xminigrid") is None, reason="needs xminigrid")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("auto_reset", [True, False])
def test_an_xland_block_counts_its_steps(auto_reset: bool) -> None:
    assert peers.xland_block(2, auto_reset=auto_reset)() == 2 * peers.SCAN_STEPS


def test_maml_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(maml.CONFIG, num_tasks=2, rollouts_per_task=2, hidden_sizes=(4,))
    monkeypatch.setattr(maml, "CONFIG", small)
    monkeypatch.setattr(maml, "PRODUCT_SIZE", 16)
    monkeypatch.setattr(maml, "UNCOUNTED", 0)
    rows = maml.maml_iterations(LEAST)
    assert [row.what for row in rows] == [
        "acting once", "sampling, with adaptation", "sampling, with adaptation", "outer step",
        "iteration", "outer step by TRPO", "matrix product", "iteration over its arithmetic floor",
        "sampling, faster than pytorch-maml-rl", "sampling, faster than pytorch-maml-rl",
        "outer step by TRPO, faster than pytorch-maml-rl",
        "outer step by TRPO, faster than pytorch-maml-rl",
    ]  # fmt: skip
    # Four rollouts of 100 steps, 2 x 4 and 4 x 2 weights, two operations each, 12 passes.
    assert maml.arithmetic_of(small) == 400 * 16 * 2 * 12
    value = [row.median or 0.0 for row in rows]
    assert value[7] == pytest.approx(value[4] / (maml.arithmetic_of(small) / (value[6] * 1e9)))
    assert value[8] == pytest.approx(2.21 / value[1])
    assert value[9] == pytest.approx(value[8] * 135 / value[6])


def test_maml_rows_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(maml.CONFIG, rollouts_per_task=2, hidden_sizes=(4,))
    small = dataclasses.replace(small, env_arguments={"episode_steps": 5})
    monkeypatch.setattr(maml_cuda, "CONFIG", small)
    monkeypatch.setattr(maml_cuda, "NUMBERS_OF_TASKS", (2, 3))
    monkeypatch.setattr(maml, "UNCOUNTED", 0)
    waited: list[None] = []
    rows = maml_cuda.iterations_on("cpu", LEAST, lambda: waited.append(None))
    assert not absent(rows)
    assert waited
    for number in (2, 3):
        of_number = [row for row in rows if row.what.startswith(f"{number} tasks")]
        assert [row.unit for row in of_number[:5]] == ["s"] * 4 + ["GFLOP/s"]
        shares = [row.median for row in of_number[5:]]
        assert len(shares) == maml_cuda.LONGEST
        assert 0 < sum(share or 0.0 for share in shares) <= 100.0


GPU_BENCHES = {
    "numba_cuda": cuda_batch.cuda_batch,
    "numba": maml_cuda.maml_cuda,
    "mujoco_warp": locomotion_cuda.locomotion_cuda,
}


@pytest.mark.parametrize("package", GPU_BENCHES)
def test_without_a_gpu_the_bench_says_so(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(package)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = GPU_BENCHES[package](LEAST)
    assert row.median is None
    assert "skipped" in row.note and "NVIDIA GPU" in row.note


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_batches_on_a_gpu_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_batch, "BATCH_SIZES", (8, 16))
    config = dataclasses.replace(cuda_training.CONFIG, num_envs=8)
    monkeypatch.setattr(cuda_training, "CONFIG", config)
    rows = cuda_batch.cuda_batch(LEAST)
    assert [row.unit for row in rows[:5]] == ["GB/s", *["env steps/s", "%"] * 2]
    assert any("step_rows" in row.what for row in rows)
    assert not absent(rows)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_locomotion_on_a_gpu_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locomotion_cuda, "WORLDS", (8, 16))
    rows = locomotion_cuda.locomotion_cuda(LEAST)
    assert [row.unit for row in rows] == ["env steps/s", *["env steps/s", "times"] * 2] * 2
    assert not absent(rows)
