"""Keys of a terminal and of a window."""

from __future__ import annotations

import os
import pty
import sys
from typing import Any

import pytest

from agents.keys import read_sequence, terminal_keys, window_keys


def test_arrows_are_told_from_characters() -> None:
    typed = iter("3\x1b[A\x1b[B\x1bOC\x1b[D\x1b[Zx")

    def read() -> str:
        return next(typed, "")

    keys = [read_sequence(read) for _ in range(7)]
    assert keys == ["3", "up", "down", "right", "left", "x", "q"]


def test_terminal_gives_keys_at_once_and_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import termios

    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, "r", closefd=False) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            before = termios.tcgetattr(theirs)
            with terminal_keys() as keys:
                os.write(ours, b"\x1b[Aq")
                assert [keys(), keys()] == ["up", "q"]
            assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_pipe_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(ValueError, match="needs a terminal"), terminal_keys():
            pass


def test_window_gives_pressed_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame: Any = pytest.importorskip("pygame")
    pygame.init()
    pygame.display.set_mode((8, 8))
    try:
        pygame.event.clear()
        for key, text in ((pygame.K_LEFT, ""), (pygame.K_LSHIFT, ""), (pygame.K_5, "5")):
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text))
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        read = window_keys()
        assert [read(), read(), read()] == ["left", "5", "q"]
    finally:
        pygame.quit()
