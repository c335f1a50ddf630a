"""Locomotion as Gymnasium environments, single and vector."""

from __future__ import annotations

from metaenvs.env import ArrayEnv
from metaenvs.locomotion.family import locomotion
from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["LocomotionEnv", "LocomotionVectorEnv", "locomotion"]


class LocomotionVectorEnv(ArrayVectorEnv):
    """Many robots in one batch; the manual is :class:`LocomotionEnv`."""

    family = staticmethod(locomotion)


class LocomotionEnv(ArrayEnv):
    """MuJoCo robots whose dynamics or goals are hidden and differ from task to task."""

    vector_env = LocomotionVectorEnv
