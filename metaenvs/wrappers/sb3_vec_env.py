"""Vector environments of this package as Stable-Baselines3 takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from metaenvs.vector_env import ArrayVectorEnv

__all__ = ["SB3VecEnv"]

Array = npt.NDArray[Any]


class SB3VecEnv(VecEnv):  # type: ignore[misc, unused-ignore]
    """A vector environment of this package behind Stable-Baselines3's ``VecEnv``.

    Rewards become float32; ``infos`` have ``terminal_observation`` and ``TimeLimit.truncated`` of
    rows that have just ended, and are empty elsewhere. :meth:`seed` holds for the next reset.

    Args:
        env: With ``autoreset_mode=AutoresetMode.SAME_STEP``, which is when Stable-Baselines3
            begins a finished row anew.

    Raises:
        ValueError: An environment in another mode.
    """

    def __init__(self, env: ArrayVectorEnv) -> None:
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise ValueError(
                "SB3VecEnv needs an environment with autoreset_mode=AutoresetMode.SAME_STEP, "
                f"got {env.metadata.get('autoreset_mode')}."
            )
        self._env = env
        self._actions: Array | None = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Array:
        """Begin a new trial in every row, with the seeds that :meth:`seed` left."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observation, _ = self._env.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        return np.asarray(observation)

    def step_async(self, actions: Array) -> None:
        """Keep the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Step; the dictionaries tell what a learner needs of trials that have just ended."""
        if self._actions is None:
            raise RuntimeError("Call step_async before step_wait.")
        actions, self._actions = self._actions, None
        observation, reward, terminated, truncated, info = self._env.step(actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(done):
            infos[row]["terminal_observation"] = info["final_obs"][row]
            infos[row]["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
        return observation, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute, once for each row asked for."""
        value = getattr(self._env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the environment, which all rows share."""
        self._require_all(indices)
        setattr(self._env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the environment, which all rows share; its answer for each row."""
        self._require_all(indices)
        return list(self._env.call(method_name, *method_args, **method_kwargs))

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """False for each row: there are no environments of one row that could be wrapped."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[Array | None]:
        """Pictures of the rows; none without a ``render_mode``."""
        if self.render_mode is None:
            return [None] * self.num_envs
        return list(self._env.render() or ())

    def _require_all(self, indices: Any) -> None:
        if len(set(self._get_indices(indices))) < self.num_envs:
            raise ValueError(
                f"The rows of this batch share one environment; indices must be None, got "
                f"{indices!r}."
            )
