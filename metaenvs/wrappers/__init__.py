"""Wrappers that give foreign environments the trials of the native families."""

from __future__ import annotations

from metaenvs.wrappers.trial import TrialEnv
from metaenvs.wrappers.vector_trial import TrialVectorEnv

__all__ = ["TrialEnv", "TrialVectorEnv"]
