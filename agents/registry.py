"""The agents by name, for the command line."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["AGENT_NAMES", "AgentEntry", "find_agent"]


@dataclass(frozen=True)
class AgentEntry:
    """What the commands need of an agent."""

    name: str
    config: type[Any]
    """Its frozen dataclass."""
    defaults: dict[str, Any]
    """Fields that this name sets."""
    train: Callable[..., Any]
    """``train(config, report, threads)`` answers a module with parameters."""
    restore: Callable[[dict[str, Any]], Any]
    """Configuration to an untrained module of the same shape."""
    adaptive: Callable[..., Any]
    """``adaptive(module, name)`` answers an agent for the evaluation protocol."""

    def configure(self, fields: dict[str, Any]) -> Any:
        """The configuration with some fields set."""
        return self.config(**{**self.defaults, **fields})


AGENT_NAMES = {
    "rl2": "RL²: a recurrent policy that learns within a trial",
    "e-rl2": "E-RL²: RL² whose first three episodes do not count (p=3)",
}
"""Name to one line about it."""


def find_agent(name: str) -> AgentEntry:
    """The entry of an agent; imports torch.

    Raises:
        ValueError: No agent has this name.
    """
    if name not in AGENT_NAMES:
        close = difflib.get_close_matches(name, AGENT_NAMES, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"There is no agent {name!r}; agents are {list(AGENT_NAMES)}.{hint}")

    from agents import rl2
    from agents.recurrent_agent import RecurrentAgent

    def restore(fields: dict[str, Any]) -> Any:
        known = {field.name for field in dataclasses.fields(rl2.RL2Config)}
        if set(fields) != known:
            raise ValueError(
                f"The run's configuration does not fit {name}: expected {sorted(known)}, "
                f"got {sorted(fields)}."
            )
        return rl2.new_policy(rl2.RL2Config(**fields))

    return AgentEntry(
        name=name,
        config=rl2.RL2Config,
        defaults={"explore_episodes": 3} if name == "e-rl2" else {},
        train=rl2.train,
        restore=restore,
        adaptive=RecurrentAgent,
    )
