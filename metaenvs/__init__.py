"""Task families for meta-reinforcement learning, behind Gymnasium's API.

Importing this package registers its environments: ``gymnasium.make("metaenvs/KrazyWorld-v0")``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from metaenvs.registration import register_all

if TYPE_CHECKING:
    from metaenvs.checker import check_meta_env
    from metaenvs.tasks import Tasks

__all__ = ["Tasks", "__version__", "check_meta_env"]

__version__ = "0.1.0"

LAZY = {"Tasks": "metaenvs.tasks", "check_meta_env": "metaenvs.checker"}


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(importlib.import_module(LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


register_all()
