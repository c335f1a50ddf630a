"""The agents by name, for the command line."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.training_state import TrainingState

__all__ = ["AGENT_NAMES", "AgentEntry", "find_agent"]


@dataclass(frozen=True)
class AgentEntry:
    """What the commands need of an agent."""

    name: str
    config: type[Any]
    """Its frozen dataclass."""
    defaults: dict[str, Any]
    """Fields that this name sets."""
    start: Callable[[Any], TrainingState[Any]]
    """Configuration to a training that has not begun."""
    train: Callable[..., Any]
    """``train(config, report, threads, state, keep)`` answers a module with parameters."""
    new_module: Callable[[Any], Any]
    """Configuration to an untrained module."""
    adaptive: Callable[..., Any]
    """``adaptive(module, name)`` answers an agent for the evaluation protocol."""
    divides: bool = True
    """Whether ``train`` divides its updates among threads and ranks."""

    def configure(self, fields: dict[str, Any]) -> Any:
        """The configuration with some fields set."""
        return self.config(**{**self.defaults, **fields})

    def read(self, fields: dict[str, Any]) -> Any:
        """The configuration that a run's folder holds; ValueError if it is another agent's."""
        known = {field.name for field in dataclasses.fields(self.config)}
        if set(fields) != known:
            raise ValueError(
                f"The run's configuration does not fit {self.name}: expected {sorted(known)}, "
                f"got {sorted(fields)}."
            )
        try:
            return self.config(**fields)
        except TypeError as error:
            raise ValueError(
                f"The run's configuration does not fit {self.name}: {error}."
            ) from error

    def restore(self, fields: dict[str, Any]) -> Any:
        """The untrained module of the configuration that a run's folder holds."""
        return self.new_module(self.read(fields))


AGENT_NAMES = {
    "rl2": "RL²: a recurrent policy that learns within a trial",
    "e-rl2": "E-RL²: RL² whose first three episodes do not count (p=3)",
    "maml": "MAML: an initialisation that a gradient step adapts, learned by TRPO",
    "e-maml": "E-MAML: MAML with credit for what the inner episodes made possible",
    "promp": "ProMP: MAML with the likelihood ratio's inner Hessian, learned by PPO",
    "lola": "LOLA-DiCE: two players of an iterated game who expect one another to learn",
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

    if name in MAML_DEFAULTS:
        return _maml_entry(name)
    return _lola_entry() if name == "lola" else _rl2_entry(name)


MAML_DEFAULTS: dict[str, dict[str, Any]] = {
    "maml": {},
    # Stadie et al. 2018, appendix B: one step of PPO by Adam.
    "e-maml": {"correction_weight": 1.0, "outer": "ppo", "epochs": 1, "clip": 0.2},
    # Rothfuss et al. 2019, their code.
    "promp": {
        "inner_estimator": "lvc",
        "outer": "ppo",
        "epochs": 5,
        "clip": 0.3,
        "inner_divergence_weight": 5e-4,
        "num_tasks": 40,
        "hidden_sizes": (64, 64),
    },
}


def _rl2_entry(name: str) -> AgentEntry:
    from agents import rl2
    from agents.recurrent_agent import RecurrentAgent

    return AgentEntry(
        name=name,
        config=rl2.RL2Config,
        defaults={"explore_episodes": 3} if name == "e-rl2" else {},
        start=rl2.start,
        train=rl2.train,
        new_module=rl2.new_policy,
        adaptive=RecurrentAgent,
    )


def _maml_entry(name: str) -> AgentEntry:
    from agents import maml
    from agents.maml_agent import MAMLAgent

    return AgentEntry(
        name=name,
        config=maml.MAMLConfig,
        defaults=MAML_DEFAULTS[name],
        start=maml.start,
        train=maml.train,
        new_module=maml.new_policy,
        adaptive=MAMLAgent,
    )


def _lola_entry() -> AgentEntry:
    from agents import lola
    from agents.memory_one_agent import MemoryOneAgent

    return AgentEntry(
        name="lola",
        config=lola.LOLAConfig,
        defaults={},
        start=lola.start,
        train=lambda config, report, threads, state, keep: lola.train(config, report, state, keep),
        new_module=lola.new_players,
        adaptive=MemoryOneAgent,
        divides=False,
    )
