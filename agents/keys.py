"""Where a person's keys come from: the terminal, or a window."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ARROWS", "QUIT", "KeySource", "read_sequence", "terminal_keys", "window_keys"]

KeySource = Callable[[], str]
"""Waits for a key and answers its name: "up", "down", "left", "right" or a character."""

QUIT = "q"
ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
"""Last character of what a terminal sends for an arrow key."""
ESCAPE, INTRODUCERS, END_OF_INPUT = "\x1b", "[O", ""


def read_sequence(read_character: Callable[[], str]) -> str:
    """The next key that a terminal sends, character by character; the end of input is ``QUIT``."""
    while True:
        character = read_character()
        if character == END_OF_INPUT:
            return QUIT
        if character != ESCAPE:
            return character
        # An arrow is ESC [ A, or ESC O A where the terminal is in its application mode.
        if read_character() in INTRODUCERS and (last := read_character()) in ARROWS:
            return ARROWS[last]


@contextmanager
def terminal_keys() -> Iterator[KeySource]:
    """Keys as they are pressed, without Enter; the terminal is put back as it was.

    Raises:
        ValueError: Standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise ValueError("Playing needs a terminal to read keys from; --window opens a window.")
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda: read_sequence(lambda: os.read(descriptor, 1).decode("latin-1"))
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def window_keys() -> KeySource:
    """Keys pressed in pygame's window; closing it is ``QUIT``.

    Raises:
        ImportError: pygame is not installed; the message names the extra.
    """
    try:
        import pygame
    except ImportError as error:
        raise ImportError("A window needs pygame: pip install 'metaenvs[render]'") from error
    arrows = {
        pygame.K_UP: "up", pygame.K_DOWN: "down", pygame.K_LEFT: "left", pygame.K_RIGHT: "right",
    }  # fmt: skip

    def read() -> str:
        while True:
            event: Any = pygame.event.wait()
            if event.type == pygame.QUIT:
                return QUIT
            if event.type == pygame.KEYDOWN:
                key = arrows.get(event.key, event.unicode)
                if key:
                    return str(key)

    return read
