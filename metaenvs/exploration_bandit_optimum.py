"""Optimal values of the exploration bandit, by dynamic programming over what is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from metaenvs.exploration_bandit import BEST_REWARD, OTHER_REWARD, SAFE_REWARD

__all__ = ["BanditOptimum", "best_values"]


@dataclass(frozen=True)
class BanditOptimum:
    """What a policy achieves that is optimal for one objective."""

    objective: float
    """Expected reward of the episodes that count."""
    explores_first: bool
    """Whether an optimal first pull is of an arm that is not the safe one."""


def best_values(num_arms: int, episodes: int, explore_episodes: int) -> BanditOptimum:
    """The best expected reward of the episodes after the first ``explore_episodes``.

    With 0 this is RL²'s objective, else E-RL²'s. What a policy knows is how many arms it has tried
    in vain and whether it has found the best; the state space is that.

    Args:
        num_arms: Arms in all, the safe one among them.
        episodes: Pulls in a trial.
        explore_episodes: Pulls whose reward does not count.
    """

    @cache
    def value(pull: int, failures: int, found: bool) -> float:
        if pull == episodes:
            return 0.0
        options = [safe(pull, failures, found)]
        if found:
            options.append(counted(pull) * BEST_REWARD + value(pull + 1, failures, True))
        elif failures < num_arms - 1:
            options.append(explore(pull, failures))
        return max(options)

    def counted(pull: int) -> float:
        return float(pull >= explore_episodes)

    def safe(pull: int, failures: int, found: bool) -> float:
        return counted(pull) * SAFE_REWARD + value(pull + 1, failures, found)

    def explore(pull: int, failures: int) -> float:
        chance = 1.0 / (num_arms - 1 - failures)
        success = counted(pull) * BEST_REWARD + value(pull + 1, failures, True)
        failure = counted(pull) * OTHER_REWARD + value(pull + 1, failures + 1, False)
        return chance * success + (1 - chance) * failure

    return BanditOptimum(
        objective=value(0, 0, False), explores_first=explore(0, 0) > safe(0, 0, False)
    )
