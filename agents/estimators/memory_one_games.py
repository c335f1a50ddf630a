"""Exact values of memory-one strategies in iterated games of two players and two actions.

Action 0 is to cooperate, action 1 to defect. A strategy is five probabilities of cooperation: at
the start, and after CC, CD, DC, DD, the player's own last action first. Code of LOLA's
reproductions counts defection as action 0, reads logits of defecting, and orders states the other
way round.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["PRISONERS_DILEMMA", "exact_game_values"]

PRISONERS_DILEMMA = torch.tensor(
    [[[-1.0, -3.0], [0.0, -2.0]], [[-1.0, 0.0], [-3.0, -2.0]]], dtype=torch.float64
)
"""Rewards (player, first player's action, second player's action), Foerster et al. 2018."""

_MIRROR = [0, 1, 3, 2, 4]
"""The states as the other player sees them: CD and DC change places."""


def exact_game_values(
    first: Tensor,
    second: Tensor,
    payoffs: Tensor,
    *,
    discount: float,
    horizon: float = math.inf,
) -> Tensor:
    """Expected discounted returns of both players.

    Args:
        first: (5,), the first player's probabilities of cooperation, float32 or float64.
        second: (5,), the second player's, each in its own order of states.
        payoffs: (2, 2, 2): player, first player's action, second player's action.
        discount: In [0, 1]; below 1 for the infinite horizon.
        horizon: Number of steps, or ``math.inf``.

    Returns:
        (2,), differentiable in both strategies.

    Raises:
        ValueError: If a shape, the discount or the horizon does not fit.
    """
    for name, strategy in (("first", first), ("second", second)):
        if strategy.shape != (5,):
            raise ValueError(
                f"{name} must hold five probabilities of cooperation (start, CC, CD, DC, DD), "
                f"got shape {tuple(strategy.shape)}."
            )
    if payoffs.shape != (2, 2, 2):
        raise ValueError(
            "payoffs must have shape (2, 2, 2): player, first player's action, second player's "
            f"action; got {tuple(payoffs.shape)}."
        )
    if not 0 <= discount <= 1 or (discount == 1 and horizon == math.inf):
        raise ValueError(
            f"discount must lie in [0, 1], below 1 for an infinite horizon; got {discount}."
        )
    mirrored = second[_MIRROR]
    # By state: the law of the joint actions CC, CD, DC, DD, which are the next state.
    joint = torch.stack(
        [
            first * mirrored,
            first * (1 - mirrored),
            (1 - first) * mirrored,
            (1 - first) * (1 - mirrored),
        ],
        -1,
    )
    start, moves = joint[0], joint[1:]
    rewards = payoffs.to(first).reshape(2, 4).T
    if horizon == math.inf:
        identity = torch.eye(4, dtype=first.dtype, device=first.device)
        values: Tensor = torch.linalg.solve(identity - discount * moves, rewards)
        return start @ values
    if horizon < 1 or horizon != int(horizon):
        raise ValueError(f"horizon must be a positive whole number or math.inf, got {horizon}.")
    law, total = start, torch.zeros_like(rewards[0])
    for _ in range(int(horizon)):
        total = total + law @ rewards
        law = discount * law @ moves
    return total
