"""A game against a memory-one opponent is a decision process of five states: exact values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaenvs.matrix_games.games import NUM_CODES, code_after, mirrored
from metaenvs.tasks import Tasks

__all__ = ["as_mdp"]


def as_mdp(opponents: npt.ArrayLike, payoffs: npt.NDArray[np.float64]) -> Tasks:
    """The processes that the first player faces.

    With :mod:`metaenvs.tabular.values` they give values of strategies and best responses; state 0
    is the start, and a policy is ``stack([p, 1 - p], -1)`` of probabilities of cooperation ``p``.

    Args:
        opponents: (n, 5), probabilities of cooperation, each in the opponent's order of codes.
        payoffs: (2, 2, 2): player, first player's action, second player's action.

    Returns:
        n tasks of ``transitions`` (5, 2, 5) and ``rewards`` (5, 2), float64.

    Raises:
        ValueError: Opponents of another shape, or with numbers outside [0, 1].
    """
    tables = np.asarray(opponents, np.float64)
    if tables.ndim != 2 or tables.shape[1] != NUM_CODES:
        raise ValueError(f"opponents must have shape (n, {NUM_CODES}), got {tables.shape}.")
    if not ((tables >= 0) & (tables <= 1)).all():
        raise ValueError("opponents must hold probabilities of cooperation, from 0 to 1.")
    cooperates = tables[:, [mirrored(code) for code in range(NUM_CODES)]]
    laws = np.stack([cooperates, 1 - cooperates], -1)
    transitions = np.zeros((len(tables), NUM_CODES, 2, NUM_CODES))
    for own in range(2):
        for other in range(2):
            transitions[:, :, own, code_after(own, other)] = laws[:, :, other]
    rewards = np.einsum("nco,ao->nca", laws, payoffs[0])
    return Tasks({"transitions": transitions, "rewards": rewards})
