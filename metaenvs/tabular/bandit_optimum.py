"""The best that can be done in a Bernoulli bandit with hidden means, by dynamic programming."""

from __future__ import annotations

from functools import cache

__all__ = ["best_value"]

Arm = tuple[int, int]
"""Successes and failures that an arm has shown."""


def best_value(num_arms: int, pulls: int) -> float:
    """Greatest expected sum of rewards over a trial, means being uniform on [0, 1].

    What a policy knows is how often each arm has paid and how often it has not; the expected mean
    of an arm is then (successes + 1) / (pulls of it + 2). Arms with the same record are alike.

    Args:
        num_arms: Number of arms.
        pulls: Number of pulls in a trial; time and memory grow with a power of it that
            grows with the number of arms (5 arms, 10 pulls: 0.05 s).
    """

    @cache
    def value(arms: tuple[Arm, ...], left: int) -> float:
        if left == 0:
            return 0.0
        return max(pull(arms, arm, left) for arm in set(arms))

    def pull(arms: tuple[Arm, ...], arm: Arm, left: int) -> float:
        successes, failures = arm
        mean = (successes + 1) / (successes + failures + 2)
        others = list(arms)
        others.remove(arm)
        paid = tuple(sorted([*others, (successes + 1, failures)]))
        unpaid = tuple(sorted([*others, (successes, failures + 1)]))
        return mean * (1 + value(paid, left - 1)) + (1 - mean) * value(unpaid, left - 1)

    return value(((0, 0),) * num_arms, pulls)
