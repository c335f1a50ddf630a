"""Threads that help: every row is done once, whoever helps, sleeps, is gone or was never there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from metaenvs.kernels import helpers
from metaenvs.kernels.compile import build_callee, build_kernel
from metaenvs.kernels.foreign import address_of, value_at
from metaenvs.kernels.helpers import ALONE, Crew, close_job, next_chunk, open_job
from metaenvs.kernels.row_function import row_function

ARGUMENTS = None
WORK = 3000  # Rounds of arithmetic that make a chunk of some microseconds.


@row_function(inline=False)
def do_chunks(board: Any, worker: Any, done: Any, by: Any) -> None:
    """Count every chunk, and who did it."""
    num_chunks = done.shape[0]
    chunk = next_chunk(board, worker, num_chunks)
    while chunk < num_chunks:
        value = np.uint64(chunk)
        for _ in range(WORK):
            value = value * value + np.uint64(1)
        done[chunk] += 1 + (value == np.uint64(0))
        by[worker] += 1
        chunk = next_chunk(board, worker, num_chunks)


def job(board: Any, address: Any, done: Any, by: Any) -> int:
    """Have the chunks done, by whoever helps."""
    arguments = (board, address, done, by)
    open_job(board, address[0], address_of(arguments), by.shape[0])
    do_chunks(board, 0, done, by)
    close_job(board)
    return 0


def help_with_job(address: Any, worker: Any) -> None:
    """What a helper does."""
    board, _, done, by = value_at(address, ARGUMENTS)
    do_chunks(board, np.int64(worker), done, by)


@pytest.fixture(scope="module")
def compiled() -> tuple[Any, Any]:
    """The job, and what helpers call for it."""
    arguments = (ALONE, np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int64))
    kernel = build_kernel(job, {}, home=__file__, arguments=arguments)
    return kernel, build_callee(help_with_job, {}, home=__file__, arguments=arguments)


def run(compiled: tuple[Any, Any], crew: Crew, num_workers: int, num_chunks: int) -> Any:
    """Chunks done by each worker; every chunk is done once."""
    kernel, callee = compiled
    done, by = np.zeros(num_chunks, np.int64), np.zeros(num_workers, np.int64)
    kernel(crew.board, np.array([callee.address], np.uint64), done, by)
    assert (done == 1).all()
    assert by.sum() == num_chunks
    return by


@pytest.fixture
def crew() -> Any:
    """Three helpers, which are more than cores of a small machine."""
    crew = Crew(3)
    yield crew
    crew.stop()


def until(happened: Any) -> None:
    """Wait, at most a minute, for what is sure to happen."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("num_chunks", [1, 2, 7, 100])
def test_every_chunk_is_done_once(compiled: Any, crew: Crew, num_chunks: int) -> None:
    for _ in range(300):
        run(compiled, crew, 4, num_chunks)


def test_helpers_do_help(compiled: Any, crew: Crew) -> None:
    helped = np.zeros(4, np.int64)

    def happened() -> bool:
        crew.wake()
        helped[:] += run(compiled, crew, 4, 400)
        return bool((helped > 0).all())

    until(happened)


def test_no_more_workers_than_the_job_or_the_board_is_for(compiled: Any, crew: Crew) -> None:
    for _ in range(100):
        assert run(compiled, crew, 2, 50).shape == (2,)
        assert (run(compiled, crew, 9, 50)[4:] == 0).all()


def test_helpers_that_sleep_are_not_waited_for_and_wake(compiled: Any, crew: Crew) -> None:
    for _ in range(3):
        until(lambda: crew.board[helpers.ASLEEP] == 3)
        assert run(compiled, crew, 4, 50)[0] == 50  # Nobody woke them.
        crew.wake()
        assert crew.board[helpers.ASLEEP] == 0
        until(lambda: run(compiled, crew, 4, 400)[1:].sum() > 0 or crew.wake())


def test_helpers_that_are_gone_are_not_waited_for(compiled: Any) -> None:
    crew = Crew(1)
    crew.stop()
    assert run(compiled, crew, 2, 50).tolist() == [50, 0]


def test_who_finds_the_helpers_busy_does_without() -> None:
    """No matter that they are those of another thread: nobody waits."""
    boards: list[Any] = []
    entered, leave = threading.Event(), threading.Event()

    def long_job(board: Any) -> None:
        boards.append(board)
        entered.set()
        leave.wait()

    busy = threading.Thread(target=helpers.run_with_help, args=(long_job,))
    busy.start()
    entered.wait()
    helpers.run_with_help(boards.append)
    leave.set()
    busy.join()
    helpers.run_with_help(boards.append)
    assert [len(board) > 0 for board in boards] == [True, False, True]


def test_what_fails_gives_the_helpers_back() -> None:
    def fail(board: Any) -> None:
        raise RuntimeError("broken")

    boards: list[Any] = []
    with pytest.raises(RuntimeError, match="broken"):
        helpers.run_with_help(fail)
    helpers.run_with_help(boards.append)
    assert len(boards[0]) > 0


PROGRAM = """
import os, sys
import gymnasium as gym, numpy as np
import metaenvs
from metaenvs.kernels.helpers import num_threads

def step():
    env = gym.make_vec("metaenvs/ExplorationBandit-v0", num_envs=400)
    env.reset(seed=0)
    return [float(env.step(np.arange(400) % 5)[1].sum()) for _ in range(30)]

before = step()
if "fork" in sys.argv:
    child = os.fork()
    if child == 0:
        sys.exit(0 if step() == before else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(num_threads(), sum(before))
"""


@pytest.mark.parametrize("how", ["", "fork"])
def test_a_program_ends_while_helpers_look_for_work(how: str) -> None:
    """And a forked child, which has none, gets its own."""
    answers = set()
    for threads in ("1", "3"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": threads}
        command = [sys.executable, "-c", PROGRAM, how]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        told, total = done.stdout.split()
        assert told == threads
        answers.add(total)
    assert len(answers) == 1
