"""Draws from Dirichlet distributions of any concentration, in row functions.

With small concentrations nearly all of the mass falls on one entry and the others' gamma variates
lie far below the least float64: they are kept as logarithms until they are normalised.
"""

from __future__ import annotations

import math
from typing import Any

from metaenvs.kernels.random import fold, random_uniform
from metaenvs.kernels.row_function import row_function

__all__ = ["draw_dirichlet", "draw_log_gamma"]


@row_function
def positive_uniform(key: Any, counter: Any) -> Any:
    """A float64 uniform on (0, 1], which has a logarithm."""
    return 1.0 - random_uniform(key, counter)


@row_function(inline=False)
def draw_log_gamma(key: Any, concentration: Any) -> Any:
    """Logarithm (float64) of a gamma variate of this shape and scale 1.

    Marsaglia and Tsang 2000: a variate of shape ``concentration + 1`` by rejection, times a
    uniform number to the power of ``1 / concentration``.
    """
    shift = concentration + 2.0 / 3.0
    spread = 1.0 / math.sqrt(9.0 * shift)
    attempt = 0
    while True:
        radius = math.sqrt(-2.0 * math.log(positive_uniform(key, 4 * attempt)))
        normal = radius * math.cos(2.0 * math.pi * random_uniform(key, 4 * attempt + 1))
        root = 1.0 + spread * normal
        if root > 0.0:
            cube = root * root * root
            bound = 0.5 * normal * normal + shift - shift * cube + shift * math.log(cube)
            if math.log(positive_uniform(key, 4 * attempt + 2)) < bound:
                uniform = positive_uniform(key, 4 * attempt + 3)
                return math.log(shift * cube) + math.log(uniform) / concentration
        attempt += 1


@row_function(inline=False)
def draw_dirichlet(law: Any, key: Any, concentration: Any) -> None:
    """Fill ``law`` (entries,), float64, from the symmetric Dirichlet distribution."""
    greatest = -math.inf
    for entry in range(law.shape[0]):
        law[entry] = draw_log_gamma(fold(key, entry), concentration)
        greatest = max(greatest, law[entry])
    total = 0.0
    for entry in range(law.shape[0]):
        law[entry] = math.exp(law[entry] - greatest)
        total += law[entry]
    for entry in range(law.shape[0]):
        law[entry] /= total
