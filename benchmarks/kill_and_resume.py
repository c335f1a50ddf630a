"""Kill a run at random moments and compare what it comes to with the undisturbed run.

``python benchmarks/kill_and_resume.py [KILLS] [SECONDS_BETWEEN_CHECKPOINTS]``: E-RL² on Krazy
World (easy) is trained once undisturbed and once killed with signal 9 KILLS (20) times, each time
at a random moment, the start of the process included, and taken up again by ``metaenvs train
--resume``. Ends with status 1 if a file differs.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from agents.metrics_file import METRICS
from agents.runs import PARAMETERS

TRAIN = [sys.executable, "-m", "agents.cli", "train"]
RUN = ["e-rl2", "metaenvs/KrazyWorldEasy-v0", "--num-envs", "16", "--hidden-size", "16"]
STEPS = ["--total-env-steps", "1000000"]


def iterations(folder):
    """How many the metrics hold."""
    path = folder / METRICS
    return max(len(path.read_text().splitlines()) - 1, 0) if path.exists() else 0


def results(folder):
    """The parameters' bytes, and the metrics without the columns of time."""
    with open(folder / METRICS, newline="") as file:
        lines = [
            {name: value for name, value in line.items() if not name.startswith("time/")}
            for line in csv.DictReader(file)
        ]
    return (folder / PARAMETERS).read_bytes(), lines


def main():
    """Train, kill, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kills", type=int, nargs="?", default=20, help="how many (20)")
    parser.add_argument(
        "every", nargs="?", default="0.05", help="seconds between checkpoints (0.05)"
    )
    given = parser.parse_args()
    kills, every = given.kills, given.every
    rng = np.random.default_rng()
    with tempfile.TemporaryDirectory() as name:
        whole, cut = Path(name) / "whole", Path(name) / "cut"
        quiet = {"stdout": subprocess.DEVNULL}
        # A start that compiles would be no measure of the others.
        warm = [*TRAIN, *RUN, "--total-env-steps", "1000", "--out", Path(name) / "warm"]
        subprocess.run(warm, check=True, **quiet)
        new = [*TRAIN, *RUN, *STEPS, "--checkpoint-every", every, "--out"]
        begun = time.monotonic()
        with subprocess.Popen([*new, whole], **quiet) as process:
            while not iterations(whole) and process.poll() is None:
                time.sleep(0.01)
            start = time.monotonic() - begun
        life = time.monotonic() - begun
        print(f"undisturbed: {iterations(whole)} iterations in {life:.1f} s, start {start:.1f} s")
        done = 0
        while done < kills and not (cut / PARAMETERS).exists():
            command = [*TRAIN, "--resume", cut] if (cut / "config.json").exists() else [*new, cut]
            with subprocess.Popen(command, **quiet) as process:
                moment = rng.uniform(0, start + min((life - start) / (2 * kills), start))
                time.sleep(moment)  # never enough in sum to come to the run's end
                if process.poll() is not None:
                    break
                process.kill()
            done += 1
            print(f"kill {done} after {moment:.2f} s: metrics of {iterations(cut)} iterations")
        begun = time.monotonic()
        subprocess.run([*TRAIN, "--resume", cut], check=True, **quiet)
        print(f"taken to its end in {time.monotonic() - begun:.1f} s after {done} kills")
        parameters, metrics = results(whole)
        same = parameters == results(cut)[0], metrics == results(cut)[1]
        print(f"parameters equal bit for bit: {same[0]}; metrics equal: {same[1]}")
    sys.exit(0 if done == kills and all(same) else 1)


if __name__ == "__main__":
    main()
