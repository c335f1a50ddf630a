"""The product grid of parameter values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from metaenvs.tasks import Tasks
from task_samplers.fixed import FixedSampler

__all__ = ["ProductGrid", "product_grid"]


def product_grid(values: Mapping[str, npt.ArrayLike]) -> Tasks:
    """Every combination of the values, the last parameter changing fastest.

    Args:
        values: Parameter names to their values, an array with the value on the first axis:
            numbers (n,), or arrays (n, ...) for a parameter that is an array.

    Returns:
        ``Tasks`` whose number is the product of the numbers of values.

    Raises:
        ValueError: No parameter, or one without values.

    Example:
        >>> from task_samplers import product_grid
        >>> grid = product_grid({"mass": [0.5, 2.0], "goal": [[0, 1], [1, 0], [1, 1]]})
        >>> len(grid), grid["mass"].tolist()
        (6, [0.5, 0.5, 0.5, 2.0, 2.0, 2.0])
    """
    arrays = {name: np.asarray(value) for name, value in values.items()}
    if not arrays:
        raise ValueError("product_grid needs at least one parameter, got none.")
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) == 0:
            raise ValueError(
                f"product_grid needs a list of values of {name!r}, got {values[name]!r}; "
                "for a parameter that stays the same, give a list of one value."
            )
    indices = np.indices([len(array) for array in arrays.values()]).reshape(len(arrays), -1)
    return Tasks(
        {name: array[index] for (name, array), index in zip(arrays.items(), indices, strict=True)}
    )


class ProductGrid(FixedSampler):
    """Draws uniformly from a product grid; :attr:`tasks` is the grid itself.

    Args:
        values: As in :func:`product_grid`.
    """

    def __init__(self, values: Mapping[str, npt.ArrayLike]) -> None:
        super().__init__(product_grid(values))
