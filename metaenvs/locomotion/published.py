"""All published task sets."""

from __future__ import annotations

from collections.abc import Mapping

from metaenvs.locomotion.changed_dynamics import CHANGED_DYNAMICS
from metaenvs.locomotion.changed_goals import CHANGED_GOALS
from metaenvs.locomotion.settings import Setting

__all__ = ["PUBLISHED"]

PUBLISHED: Mapping[str, Setting] = {**CHANGED_DYNAMICS, **CHANGED_GOALS}
"""By the name of the id, without its namespace and version."""
