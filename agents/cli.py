"""The command line: ``metaenvs list | train | evaluate | compare | play | bench``."""

from __future__ import annotations

import argparse
import difflib
import importlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import agents

__all__ = ["main"]

OF_COMMANDS = ("num_envs", "episodes_per_trial", "autoreset_mode", "render_mode")
"""Arguments of an environment that agents and commands set, each its own."""
ONE_RUN = "the ranks that torchrun starts train one run together; leave torchrun out."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit status. Errors a user can mend are one line."""
    if getattr(agents, "DISTRIBUTION", None) != "metaenvs":
        print(
            "metaenvs: another installed distribution has taken the top-level package 'agents' "
            f"({getattr(agents, '__file__', None)}); uninstall it, or use an environment of its "
            "own for metaenvs.",
            file=sys.stderr,
        )
        return 1
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("metaenvs").setLevel(logging.INFO)
    words = sys.argv[1:] if arguments is None else arguments
    parser = _parser(resuming=any(word.split("=")[0] == "--resume" for word in words))
    given, rest = parser.parse_known_args(words)
    if rest and given.command != "train":
        parser.error(f"{given.command} does not know {' '.join(rest)}")
    try:
        run: Any = given.run
        run(given, rest)
    except ImportError as error:
        print(
            f"metaenvs {given.command}: {error}. pip install 'metaenvs[agents]' brings what the "
            "agents need.",
            file=sys.stderr,
        )
        return 1
    except Exception as error:
        if not _is_mendable(error):
            raise
        rank = f"rank {os.environ['RANK']}: " if "RANK" in os.environ else ""
        print(f"metaenvs {given.command}: {rank}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = " metaenvs train --resume FOLDER goes on." if given.command == "train" else ""
        print(f"metaenvs {given.command}: interrupted.{hint}", file=sys.stderr)
        return 130
    return 0


def _is_mendable(error: Exception) -> bool:
    """Whether an error is about what was given, and says so; others are ours, with a traceback."""
    import gymnasium as gym

    kinds = (ValueError, TypeError, FloatingPointError, OSError, gym.error.Error)
    return isinstance(error, kinds)


def _parser(resuming: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="metaenvs", description="Task families and reference agents for meta-RL."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="what there is: ids and agents")
    listing.set_defaults(run=_list)

    training = commands.add_parser(
        "train",
        allow_abbrev=False,  # --seed is the agent's own, not short for --seeds
        help="train an agent on a family",
        description="metaenvs train AGENT ENV_ID [--out FOLDER] [the agent's options]; "
        "metaenvs train AGENT ENV_ID --help-agent names these; "
        "metaenvs train --resume FOLDER lets a run go on that was cut off.",
    )
    if resuming:
        training.add_argument("--resume", type=Path, required=True, metavar="FOLDER")
        training.set_defaults(run=_resume)
    else:
        _add_training_options(training)

    evaluating = commands.add_parser(
        "evaluate", help="let a trained agent adapt to tasks it never met"
    )
    evaluating.add_argument(
        "folder", type=Path, metavar="RUN", help="folder of a run, or of several"
    )
    evaluating.add_argument("--split", help="default: test, where the family has it")
    evaluating.add_argument("--num-tasks", type=int, default=64)
    evaluating.add_argument("--rollouts", type=int, default=4, help="parallel tries of each task")
    evaluating.add_argument("--episodes", type=int, help="default: as in training")
    evaluating.add_argument("--seed", type=int, default=0)
    evaluating.add_argument(
        "--record", nargs="*", default=[], metavar="NAME",
        help="entries of the family's info that come into the table, as at an episode's end",
    )  # fmt: skip
    evaluating.set_defaults(run=_evaluate)

    comparing = commands.add_parser(
        "compare", help="one HTML page of evaluated runs: statistics, intervals, curves"
    )
    comparing.add_argument(
        "folders", type=Path, nargs="+", metavar="RUN", help="folder of a run, or of several"
    )
    comparing.add_argument("--split", help="default: test, or the one that all runs have")
    comparing.add_argument(
        "--from-episode",
        type=int,
        help="score the mean return from this episode (1, 2, ...) on; default: the last alone",
    )
    comparing.add_argument(
        "--out", type=Path, help="default: report.html in the run's folder, or in this one"
    )
    comparing.set_defaults(run=_compare)

    playing = commands.add_parser("play", help="play a trial yourself, beside the agents")
    playing.add_argument("env_id", metavar="ENV_ID")
    playing.add_argument("--run", dest="folder", type=Path, help="a trained agent to play beside")
    playing.add_argument("--window", action="store_true", help="draw to a window (needs pygame)")
    playing.add_argument("--episodes", type=int, default=5)
    playing.add_argument("--seed", type=int, default=0, help="which task, and its episodes")
    playing.add_argument("--env-arguments", help="the family's arguments, as JSON")
    playing.set_defaults(run=_play)

    benching = commands.add_parser("bench", help="measure the package, and peers if installed")
    benching.add_argument("--out", type=Path, default=Path("bench"), help="folder of the table")
    benching.add_argument("--only", nargs="*", metavar="NAME", help="some of the measurements")
    benching.set_defaults(run=_bench)
    return parser


def _add_training_options(training: argparse.ArgumentParser) -> None:
    training.add_argument("agent", metavar="AGENT")
    training.add_argument("env_id", metavar="ENV_ID")
    training.add_argument("--out", type=Path, help="folder of the run (default: runs/...)")
    training.add_argument("--env-arguments", default="{}", help="the family's arguments, as JSON")
    training.add_argument(
        "--threads",
        type=int,
        default=1,
        help="threads of the networks; the result depends on them to rounding only",
    )
    training.add_argument(
        "--checkpoint-every",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="0: after every iteration (default: 60)",
    )
    training.add_argument(
        "--no-cuda-graph",
        action="store_true",
        help="on a GPU, launch the rollouts' kernels one by one",
    )
    training.add_argument(
        "--seeds", type=int, metavar="N", help="train N runs, with --seed and the N - 1 after it"
    )
    training.add_argument(
        "--processes", type=int, default=1, help="how many of these runs at the same time"
    )
    training.add_argument(
        "--ray",
        action="store_true",
        help="train these runs as Ray tasks, here or on the cluster that RAY_ADDRESS names",
    )
    training.add_argument("--help-agent", action="store_true", help="the agent's own options")
    training.set_defaults(run=_train)


def _list(given: argparse.Namespace, rest: list[str]) -> None:
    from agents.registry import AGENT_NAMES
    from metaenvs.registration import IDS

    print("Environments (gymnasium.make, gymnasium.make_vec):")
    for env_id, (_, settings) in IDS.items():
        print(f"  {env_id:36s}{', '.join(f'{key}={value}' for key, value in settings.items())}")
    print("Agents (metaenvs train AGENT ENV_ID):")
    for name, line in AGENT_NAMES.items():
        print(f"  {name:36s}{line}")


def _check_id(env_id: str) -> None:
    """ValueError naming the closest id where there is none; imports the module that one names."""
    import gymnasium as gym

    module, colon, _ = env_id.rpartition(":")
    if colon:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{env_id!r} is of a module that cannot be imported: {error}. Install it, or run "
                "where it lies with PYTHONPATH=."
            ) from error
    name = env_id.removeprefix(f"{module}:")
    if name not in gym.registry:
        known = [name for name in gym.registry if name.startswith("metaenvs/")]
        close = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean {close[0]!r}?" if close else " `metaenvs list` names them."
        raise ValueError(f"There is no environment {env_id!r}.{hint}")


def _read_env_arguments(text: str) -> dict[str, Any]:
    """A JSON object of what is the family's own; ValueError for anything else."""
    try:
        env_arguments = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"--env-arguments must be JSON, got {text!r}.") from error
    if not isinstance(env_arguments, dict):
        raise ValueError(f"--env-arguments must be a JSON object, got {text!r}.")
    if reserved := [name for name in OF_COMMANDS if name in env_arguments]:
        raise ValueError(
            f"--env-arguments are the family's own; {reserved} is for the command and its options "
            "to say. Leave it out."
        )
    return env_arguments


def _train(given: argparse.Namespace, rest: list[str]) -> None:
    from agents import ranks

    with ranks.joined():
        _train_folder(ranks.of_first(lambda: _create(given, rest)))


def _create(given: argparse.Namespace, rest: list[str]) -> Path:
    """Make the folder of a run, or of several, and write what there is to do."""
    import dataclasses

    import tyro

    from agents import ranks
    from agents.many_runs import Manifest, create_runs
    from agents.registry import find_agent
    from agents.runs import RunOptions, create_run
    from metaenvs.cuda.arrays import device_arrays

    entry = find_agent(given.agent)
    _check_id(given.env_id)
    options = RunOptions(given.threads, given.checkpoint_every, not given.no_cuda_graph)
    if not entry.divides and not (options.threads == 1 and ranks.alone()):
        raise ValueError(
            f"{entry.name} learns from too little at once to divide it among threads or ranks; "
            "leave out --threads and torchrun."
        )
    env_arguments = _read_env_arguments(given.env_arguments)
    if given.ray and given.seeds is None:
        raise ValueError("--ray trains several runs: say how many by --seeds.")
    if given.seeds is not None and given.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {given.seeds}.")
    if given.seeds is not None and not ranks.alone():
        raise ValueError(f"--seeds trains several runs: {ONE_RUN}")
    default = entry.configure({"env_id": given.env_id, "env_arguments": env_arguments})
    if given.help_agent:
        rest = ["--help"]
    config = tyro.cli(
        tyro.conf.configure(tyro.conf.SuppressFixed)(entry.config),
        args=rest,
        default=default,
        prog=f"metaenvs train {given.agent} {given.env_id}",
    )
    config = dataclasses.replace(config, env_id=given.env_id, env_arguments=env_arguments)
    short_id = given.env_id.split("/")[-1]
    name = f"{entry.name}-{short_id}-seed{config.seed}"
    if given.seeds is not None:
        name += f"-to-{config.seed + given.seeds - 1}"
    folder = given.out or Path("runs") / name
    try:
        entry.new_module(config)  # refuses what does not fit before a file is written
    except TypeError as error:
        raise TypeError(
            f"{given.env_id} cannot be made for {entry.name}: {error}. An environment needs the "
            "arguments of trials, such as episodes_per_trial; metaenvs.wrappers has them for any."
        ) from error
    if getattr(config, "device", "cpu") == "cuda":
        device_arrays()  # so does this
    if given.seeds is None:
        create_run(folder, entry.name, config, options)
    else:
        seeds = range(config.seed, config.seed + given.seeds)
        fields = dataclasses.asdict(config)
        manifest = Manifest(entry.name, fields, options, list(seeds), given.processes, given.ray)
        create_runs(folder, manifest)
    return folder


def _resume(given: argparse.Namespace, rest: list[str]) -> None:
    if rest:
        raise ValueError(
            f"--resume lets a run go on as it was begun, and takes no more: leave out "
            f"{' '.join(rest)}."
        )
    from agents import ranks

    with ranks.joined():
        _train_folder(given.resume)


def _train_folder(folder: Path) -> None:
    from agents import ranks
    from agents.many_runs import has_manifest, train_runs
    from agents.training_run import train_run

    if ranks.of_first(lambda: has_manifest(folder)):
        if not ranks.alone():
            raise ValueError(f"{folder} holds several runs: {ONE_RUN}")
        runs = train_runs(folder)
        told = f"{len(runs)} runs are"
    else:
        train_run(folder)
        told = "the run is"
    if ranks.number() == 0:
        print(f"Trained; {told} in {folder}. Next: metaenvs evaluate {folder}")


def _evaluate(given: argparse.Namespace, rest: list[str]) -> None:
    from agents.evaluate_run import evaluate_run
    from agents.many_runs import runs_of

    for name in ("num_tasks", "rollouts", "episodes"):
        value = getattr(given, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1, got {value}.")
    for folder in runs_of(given.folder):
        evaluate_run(
            folder, split=given.split, num_tasks=given.num_tasks, rollouts=given.rollouts,
            episodes=given.episodes, seed=given.seed, record=given.record,
        )  # fmt: skip


def _compare(given: argparse.Namespace, rest: list[str]) -> None:
    from agents.evaluation.comparison import compare_runs
    from agents.evaluation.report import write_report
    from agents.many_runs import runs_of

    runs = [run for folder in given.folders for run in runs_of(folder)]
    comparison = compare_runs(runs, given.split)
    folder = given.folders[0] if len(given.folders) == 1 else Path()
    out = given.out or folder / "report.html"
    write_report(out, comparison, given.from_episode)
    print("Report:", out)


def _play(given: argparse.Namespace, rest: list[str]) -> None:
    from agents.play import play

    _check_id(given.env_id)
    if given.episodes < 1:
        raise ValueError(f"--episodes must be at least 1, got {given.episodes}.")
    env_arguments = None
    if given.env_arguments is not None:
        env_arguments = _read_env_arguments(given.env_arguments)
    play(
        given.env_id, folder=given.folder, window=given.window, episodes=given.episodes,
        seed=given.seed, env_arguments=env_arguments,
    )  # fmt: skip


def _bench(given: argparse.Namespace, rest: list[str]) -> None:
    from agents.bench.run import run_bench

    run_bench(given.out, given.only)


if __name__ == "__main__":
    sys.exit(main())
