"""Threads that help a kernel with its rows, and that nobody waits for where they sleep.

A kernel that wants help opens a job on the board: what to call, and with what. The calling thread
works like the others, and when nothing is left it closes the job and waits for those helpers only
that are still at it. A helper that the operating system has put aside, because other programs want
the cores, finds the job closed when it comes back. With a barrier, the calling thread would stand
still until then: milliseconds, where a step takes microseconds.

A helper looks at the board all the time for some tenths of a millisecond after its last job, and
between naps for some hundredths of a second (on Windows, whose naps are longer, for half a second
and more); then it sleeps until it is woken. Waking it takes Python's lock from the calling thread,
for longer than a small job takes; a nap takes nothing.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from metaenvs.kernels.compile import build_kernel
from metaenvs.kernels.foreign import add_to_word, call_with_two, read_word
from metaenvs.kernels.row_function import row_function

__all__ = [
    "ALONE",
    "Crew",
    "close_job",
    "next_chunk",
    "num_threads",
    "open_job",
    "run_with_help",
]

LINE = 8
"""Words of 64 bits that lie in one line of a cache: what one core writes to has its own."""

EPOCH, FUNCTION, ARGUMENT, WORKERS, STOP, YIELD, NAP, NAP_LENGTH = range(8)
INSIDE, ASLEEP, TICKETS = LINE, 2 * LINE, 3 * LINE
"""Where things are on the board. The epoch is odd while a job is open; every worker has a line of
the tickets."""

WORD_BYTES = 8

LOOKS_ALONE = 300
"""Looks at the board between which a helper keeps its core to itself."""

LOOKS_AWAKE = 600
"""Looks before it naps; after the first ones, other programs go before."""

LOOKS = 1000
"""Looks at the board before a helper sleeps."""

_NAP = np.array([0, 50_000], np.int64)  # Seconds and nanoseconds.

ALONE = np.zeros(0, np.int64)
"""The board of a kernel that is to have no help."""


@row_function
def word(board: Any, place: Any) -> Any:
    """The address of a place on the board."""
    return np.uint64(board.ctypes.data) + np.uint64(WORD_BYTES * place)


@row_function
def open_job(board: Any, function: Any, argument: Any, num_workers: Any) -> None:
    """Ask the helpers to call ``function(argument, worker)``, a C function (void*, void*).

    The calling thread is worker 0. Workers are ``num_workers``, or as many as the board is for.
    """
    num_workers = min(num_workers, (board.shape[0] - TICKETS) // LINE)
    board[FUNCTION] = function
    board[ARGUMENT] = argument
    board[WORKERS] = num_workers
    for worker in range(num_workers):
        board[TICKETS + LINE * worker] = 0
    add_to_word(word(board, EPOCH), 1)


@row_function
def next_chunk(board: Any, worker: Any, num_chunks: Any) -> Any:
    """What ``worker`` is to do next, of chunks 0 to ``num_chunks - 1``; or a number beyond.

    Every worker begins with chunks that it has in every job of this size: what they need is in its
    caches. Then it takes those that the others have left. Nobody else is given the same.
    """
    num_workers = board[WORKERS]
    for turn in range(num_workers):
        whose = (worker + turn) % num_workers
        first = whose * num_chunks // num_workers
        chunk = first + add_to_word(word(board, TICKETS + LINE * whose), 1)
        if chunk < (whose + 1) * num_chunks // num_workers:
            return chunk
    return num_chunks


@row_function
def close_job(board: Any) -> None:
    """Wait for the helpers that are at work; no further one will begin."""
    add_to_word(word(board, EPOCH), 1)
    looks = 0
    while read_word(word(board, INSIDE)) > 0:
        looks += 1
        if looks > LOOKS_ALONE:
            call_with_two(np.uint64(board[YIELD]), np.uint64(0), np.uint64(0))


def serve(board: Any, worker: Any) -> None:
    """Help with jobs until there has been none for long, or until told to stop."""
    done = 0
    looks = 0
    while looks < LOOKS and read_word(word(board, STOP)) == 0:
        epoch = read_word(word(board, EPOCH))
        looks += 1
        if epoch % 2 == 1 and epoch != done:
            done = epoch
            looks = 0
            # Whoever closes the job either sees that somebody is inside, or is seen to have
            # closed it: both sides write before they read.
            add_to_word(word(board, INSIDE), 1)
            if read_word(word(board, EPOCH)) == epoch and worker < board[WORKERS]:
                call_with_two(
                    np.uint64(board[FUNCTION]), np.uint64(board[ARGUMENT]), np.uint64(worker)
                )
            add_to_word(word(board, INSIDE), -1)
        elif looks > LOOKS_AWAKE:
            call_with_two(np.uint64(board[NAP]), np.uint64(board[NAP_LENGTH]), np.uint64(0))
        elif looks > LOOKS_ALONE:
            call_with_two(np.uint64(board[YIELD]), np.uint64(0), np.uint64(0))


def num_threads() -> int:
    """How many threads a step may run on: one a core, or what ``NUMBA_NUM_THREADS`` says."""
    numba: Any = importlib.import_module("numba")
    return int(numba.config.NUMBA_NUM_THREADS)


def run_with_help(kernel: Callable[..., Any], *arguments: Any) -> Any:
    """Run ``kernel(board, *arguments)``.

    Where another thread has the helpers, it is to do without them.
    """
    crew = _crew()
    if not crew.free.acquire(blocking=False):
        return kernel(ALONE, *arguments)
    try:
        if crew.board[ASLEEP]:
            crew.wake()
        return kernel(crew.board, *arguments)
    finally:
        crew.free.release()


class Crew:
    """The helpers of this process, and their board.

    Args:
        num_helpers: Threads beside the calling one.
    """

    def __init__(self, num_helpers: int) -> None:
        self.board: npt.NDArray[np.int64] = np.zeros(TICKETS + LINE * (num_helpers + 1), np.int64)
        self.board[YIELD] = yield_address()
        self.board[NAP], self.board[NAP_LENGTH] = nap_call()
        self.free = threading.Lock()
        self._awake = threading.Condition()
        example = (self.board, np.int64(1))
        compiled = build_kernel(serve, {}, home=__file__, arguments=example)
        self._threads = [
            threading.Thread(
                target=self._live, args=(compiled, worker), name=f"metaenvs-{worker}", daemon=True
            )
            for worker in range(1, num_helpers + 1)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Have all of them look at the board."""
        with self._awake:
            self.board[ASLEEP] = 0
            self._awake.notify_all()

    def stop(self) -> None:
        """End the threads: when Python goes, they must not look at memory that is gone."""
        self.board[STOP] = 1
        self.wake()
        for thread in self._threads:
            thread.join()

    def _live(self, serve: Callable[..., Any], worker: int) -> None:
        while not self.board[STOP]:
            serve(self.board, worker)
            with self._awake:
                if not self.board[STOP]:
                    self.board[ASLEEP] += 1
                    self._awake.wait()


def yield_address() -> int:
    """Where the C function lies by which a thread lets others have its core."""
    if sys.platform == "win32":
        return _address_of(ctypes.windll.kernel32.SwitchToThread)
    return _address_of(ctypes.CDLL(None).sched_yield)


def nap_call() -> tuple[int, int]:
    """Where that lies by which it sleeps for a short while, and what it is called with."""
    if sys.platform == "win32":
        return _address_of(ctypes.windll.kernel32.SleepEx), 1  # A millisecond.
    return _address_of(ctypes.CDLL(None).nanosleep), _NAP.ctypes.data


def _address_of(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


_current: Crew | None = None
_starting = threading.Lock()


def _crew() -> Crew:
    """That of this process, which begins with the first call."""
    global _current
    if _current is None:
        with _starting:
            if _current is None:
                _current = Crew(num_threads() - 1)
                atexit.register(_current.stop)
    return _current


def _forget_crew() -> None:
    global _current, _starting
    _current, _starting = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_crew)  # Threads do not survive a fork.
