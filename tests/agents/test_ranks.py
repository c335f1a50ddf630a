"""Two ranks train what one process trains; each runs this file."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents import maml, ranks, rl2
from agents.checkpoints import CHECKPOINT
from agents.maml import MAMLConfig
from agents.metrics_file import METRICS
from agents.rl2 import RL2Config
from agents.runs import CONFIG, PARAMETERS, RunOptions, create_run
from agents.training_run import train_run
from agents.training_state import read_state, write_state

BANDIT = "metaenvs/ExplorationBandit-v0"
WORLD = "metaenvs/KrazyWorldEasy-v0"
CONFIGS: dict[str, Any] = {
    # A minibatch of two of nine rows: often a rank has none of it.
    "RL2": RL2Config(
        env_id=BANDIT, num_envs=9, num_minibatches=4, total_env_steps=200, hidden_size=8
    ),
    "E-RL2, trials of all lengths, some cut": RL2Config(
        env_id=WORLD, env_arguments={"max_episode_steps": 40}, num_envs=7, episodes_per_trial=2,
        explore_episodes=1, total_env_steps=900, hidden_size=8,
    ),
    "RL2, real actions": RL2Config(
        env_id="metaenvs/PointCorners-v0", env_arguments={"episode_steps": 10}, num_envs=5,
        episodes_per_trial=2, total_env_steps=300, hidden_size=8,
    ),
    "MAML": MAMLConfig(
        env_id=BANDIT, num_tasks=5, rollouts_per_task=4, hidden_sizes=(8,), inner_steps=2,
        total_env_steps=200,
    ),
    "E-MAML": MAMLConfig(
        env_id=WORLD, num_tasks=5, rollouts_per_task=3, hidden_sizes=(8,), outer="ppo",
        correction_weight=1.0, total_env_steps=3000,
    ),
    "ProMP": MAMLConfig(
        env_id=BANDIT, num_tasks=5, rollouts_per_task=4, hidden_sizes=(8,), outer="ppo", epochs=3,
        inner_estimator="lvc", inner_divergence_weight=0.1, total_env_steps=150,
    ),
}  # fmt: skip


def algorithm(config: Any) -> Any:
    return rl2 if isinstance(config, RL2Config) else maml


def trained(config: Any) -> dict[str, Any]:
    """Parameters and metrics; the whole state after the second iteration."""
    kept: list[Any] = []
    metrics: list[dict[str, float]] = []
    module = algorithm(config).train(
        config, metrics.append, keep=lambda state: kept.append(read_state(state))
    )
    return {"parameters": numbers_of(module), "metrics": metrics, "state": kept[1]}


def resumed(config: Any, state: Any) -> list[torch.Tensor]:
    """Parameters of a training that goes on from such a state."""
    begun = algorithm(config).start(config)
    write_state(begun, *state)
    return numbers_of(algorithm(config).train(config, state=begun))


def numbers_of(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in module.parameters()]


def exchange() -> dict[str, Any]:
    """What the functions of ``agents.ranks`` give of the numbers 1, 2 and 3, 4, 5."""
    mine = torch.tensor([[1.0, 2.0], [3.0, 4.0, 5.0]][ranks.number()])
    try:
        ranks.share(1, "num_envs")
    except ValueError as error:
        refusal = str(error)
    return {
        "alone": ranks.alone(),
        "share": ranks.share(5, "num_envs"),
        "refusal": refusal,
        "everyone": ranks.everyone(len(mine)),
        "of first": ranks.of_first(mine.tolist),
        "totals": ranks.totals([mine[:2], mine.sum()]),
        "mean": ranks.mean(mine),
        "deviation": ranks.deviation(mine),
    }


def left_behind() -> str:
    """What rank 0 is told when rank 1 ends in the middle of a training."""

    def report(metrics: dict[str, float]) -> None:
        if ranks.number() == 1:
            os._exit(9)

    try:
        rl2.train(CONFIGS["RL2"], report)
    except ConnectionError as error:
        return str(error)
    return "nothing"


def main() -> None:
    torch.set_num_threads(1)
    with ranks.joined():
        results: dict[str, Any] = {"exchange": exchange()}
        for name, config in CONFIGS.items():
            results[name] = trained(config)
            results[name]["resumed"] = resumed(config, results[name]["state"])
        path = Path(sys.argv[1]) / f"rank{ranks.number()}.pickle"
        path.write_bytes(pickle.dumps(results))
        results["left behind"] = left_behind()
        path.write_bytes(pickle.dumps(results))


# ------------------------------------------------------------------ the tests

TOLERANCE = 1e-5
"""Between two orders of summing float32 numbers, after some steps of Adam."""
TOLERANCE_OF_TRPO = 1e-4
"""Conjugate gradients make more of a difference in rounding; as between numbers of threads."""


def tolerance(name: str) -> float:
    return TOLERANCE_OF_TRPO if name == "MAML" else TOLERANCE


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two ranks made of all configurations, by rank."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env={**os.environ, **told, "RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 9]
    return [pickle.loads((folder / f"rank{rank}.pickle").read_bytes()) for rank in range(2)]


@pytest.mark.parametrize("name", CONFIGS)
def test_two_ranks_train_what_one_process_trains(name: str, results: list[dict[str, Any]]) -> None:
    config = CONFIGS[name]
    alone, together = trained(config), results[0][name]
    assert len(alone["metrics"]) == len(together["metrics"]) >= 3
    for one, two in zip(alone["metrics"], together["metrics"], strict=True):
        assert list(one) == list(two)
        for metric in one:
            if not metric.startswith("time/"):
                assert two[metric] == pytest.approx(one[metric], rel=1e-4, abs=1e-5), metric
    untrained = numbers_of(algorithm(config).new_policy(config))
    moved = max(
        float((one - other).abs().max())
        for one, other in zip(alone["parameters"], untrained, strict=True)
    )
    assert moved > 100 * tolerance(name)
    for one, two in zip(alone["parameters"], together["parameters"], strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=tolerance(name))


@pytest.mark.parametrize("name", CONFIGS)
def test_ranks_do_not_drift_apart(name: str, results: list[dict[str, Any]]) -> None:
    first, second = (result[name] for result in results)
    for one, two in zip(first["parameters"], second["parameters"], strict=True):
        assert torch.equal(one, two)
    (arrays, _), (others, _) = first["state"], second["state"]
    assert all(np.array_equal(array, others[key]) for key, array in arrays.items())


@pytest.mark.parametrize("name", CONFIGS)
def test_goes_on_with_as_many_ranks_bit_for_bit_and_with_one_to_rounding(
    name: str, results: list[dict[str, Any]]
) -> None:
    whole = results[0][name]["parameters"]
    for one, other in zip(whole, results[0][name]["resumed"], strict=True):
        assert torch.equal(one, other)
    for one, other in zip(whole, resumed(CONFIGS[name], results[0][name]["state"]), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance(name))


def test_what_ranks_exchange(results: list[dict[str, Any]]) -> None:
    for rank, result in enumerate(results):
        told = result["exchange"]
        assert not told["alone"]
        assert told["share"] == [slice(0, 2), slice(2, 5)][rank]
        assert told["refusal"] == "num_envs must be at least the number of ranks, 2, got 1."
        assert told["everyone"] == [2, 3]
        assert told["of first"] == [1.0, 2.0]
        sums, total = told["totals"]
        assert sums.tolist() == [4.0, 6.0]
        assert float(total) == 15
        assert float(told["mean"]) == 3
        assert float(told["deviation"]) == pytest.approx(2**0.5)


def test_alone_everything_is_as_it_was() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert ranks.alone()
    assert ranks.share(5, "num_envs") == slice(0, 5)
    assert ranks.everyone("all") == ["all"]
    assert ranks.totals([values])[0] is values
    assert torch.equal(ranks.mean(values), values.mean())
    assert torch.equal(ranks.deviation(values), values.std(correction=0))


def test_who_is_left_is_told_that_another_rank_has_ended(results: list[dict[str, Any]]) -> None:
    unfinished = pickle.loads(pickle.dumps(results[0]))
    assert unfinished["left behind"].startswith("another rank has ended before its time")


def torchrun(*arguments: str) -> list[str]:
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [sys.executable, *run, "-m", "agents.cli", "train", *arguments]


def test_a_run_under_torchrun_that_loses_a_rank_goes_on_without_torchrun(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = RL2Config(env_id=BANDIT, num_envs=16, total_env_steps=12_000, hidden_size=8)
    create_run(folder, "rl2", config, RunOptions(checkpoint_every=0))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        torchrun("--resume", str(folder)), env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not (folder / CHECKPOINT).exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(last_child(process.pid), signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "SIGKILL" in errors
    assert not (folder / PARAMETERS).exists(), "the run is too short to be cut off"
    train_run(folder)
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, METRICS, PARAMETERS]
    iterations = [line.split(",")[0] for line in (folder / METRICS).read_text().splitlines()[1:]]
    assert iterations == [str(number + 1) for number in range(150)]


def last_child(process: int) -> int:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(children[-1])


@pytest.mark.parametrize("start", [rl2.start, maml.start])
def test_several_ranks_are_refused_a_gpu(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made; on the CPU, and by one process, nothing is refused."""
    ranks.refuse_device("cuda")
    monkeypatch.setattr(ranks, "alone", lambda: False)
    ranks.refuse_device("cpu")
    config = (RL2Config if start is rl2.start else MAMLConfig)(device="cuda")
    with pytest.raises(ValueError, match="device='cuda' is for one process"):
        start(config)


if __name__ == "__main__":
    main()
