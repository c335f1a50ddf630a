"""A window for ``render_mode="human"``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Window"]


class Window:
    """Shows frames with pygame, at the environment's own rate.

    Args:
        title: Title of the window.
        frames_per_second: At most this many frames are shown in a second.

    Raises:
        ImportError: pygame is not installed; the message names the extra.
    """

    def __init__(self, title: str, frames_per_second: int) -> None:
        try:
            import pygame
        except ImportError as error:
            raise ImportError(
                "render_mode='human' needs pygame: pip install 'metaenvs[render]'."
            ) from error
        self._pygame: Any = pygame
        self._frames_per_second = frames_per_second
        self._title = title
        self._surface: Any = None
        self._clock: Any = None

    def show(self, frame: npt.NDArray[np.uint8]) -> None:
        """Draw a frame (H, W, 3) uint8."""
        pygame = self._pygame
        if self._surface is None:
            pygame.init()
            self._surface = pygame.display.set_mode((frame.shape[1], frame.shape[0]))
            pygame.display.set_caption(self._title)
            self._clock = pygame.time.Clock()
        pygame.event.pump()
        pygame.surfarray.blit_array(self._surface, frame.swapaxes(0, 1))
        pygame.display.flip()
        self._clock.tick(self._frames_per_second)

    def close(self) -> None:
        """Close the window."""
        if self._surface is not None:
            self._pygame.display.quit()
            self._surface = None
