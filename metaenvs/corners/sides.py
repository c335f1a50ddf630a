"""On which sides the four corners lie: 0 left below, 1 right below, 2 left above, 3 right above."""

from __future__ import annotations

from typing import Any

from metaenvs.kernels.row_function import row_function

__all__ = ["corner_x", "corner_y"]


@row_function
def corner_x(corner: Any) -> Any:
    """-1 for a corner on the left, 1 on the right."""
    return 2 * (corner % 2) - 1


@row_function
def corner_y(corner: Any) -> Any:
    """-1 for a corner below, 1 above."""
    return 2 * (corner // 2) - 1
