"""A trial of several episodes of one task, for any ``gymnasium.Env``."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import create_empty_array

from metaenvs.trial_inputs import TrialInputsKind
from metaenvs.wrappers.foreign_inputs import ForeignInputs
from metaenvs.wrappers.task_contract import (
    FORWARDED,
    TaskKeeper,
    find_contract,
    refuse_nested_trials,
)
from metaenvs.wrappers.trial_clock import TrialClock

__all__ = ["TrialEnv"]

ALWAYS = np.ones(1, np.bool_)


class TrialEnv(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Gives a foreign environment the trials that the native families have by themselves.

    The end of an episode inside a trial is an ordinary step: its reward is that of the last
    action, its observation the start of the next episode, and ``info`` (the one of the last
    action) tells the rest: ``episode_end``, ``episode_terminated``, ``episode_index`` and, with
    more than one episode, ``episode_final_obs`` (zeros in other steps). The trial's end is
    ``terminated``, or ``truncated`` where ``max_episode_steps`` cuts it. With one episode the
    flags are the episode's own.

    Episodes are restarted by ``env.reset`` with the options that the trial was reset with and
    without a seed: seeds are for trials. An environment that keeps the task contract has one
    task for the whole trial. There :attr:`unwrapped` is this wrapper, because pins must be heard
    here: ``env.unwrapped.set_task(task)`` pins from the next trial on, and what had been pinned
    before the wrapping is undone. Any other environment is simply reset.

    Args:
        env: The environment; time limits of its episodes belong inside.
        episodes_per_trial: Episodes of one task in a trial.
        episode_steps: Limit of an episode in steps; None leaves it to ``env``.
        max_episode_steps: Limit of a trial in steps; None is no limit.
        trial_inputs: "dict" or "flat" to observe the previous action, reward and episode end as
            well (see :class:`metaenvs.trial_inputs.TrialInputs`).

    Raises:
        ValueError: A number below 1, trials inside trials, or a space that ``trial_inputs``
            cannot lay out.

    Example:
        >>> import gymnasium as gym
        >>> from metaenvs.wrappers import TrialEnv
        >>> env = TrialEnv(gym.make("CartPole-v1"), episodes_per_trial=2, trial_inputs="flat")
        >>> env.observation_space.shape  # 4 numbers, 2 actions, reward and episode end
        (8,)
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        episodes_per_trial: int = 1,
        episode_steps: int | None = None,
        max_episode_steps: int | None = None,
        trial_inputs: TrialInputsKind | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            episodes_per_trial=episodes_per_trial,
            episode_steps=episode_steps,
            max_episode_steps=max_episode_steps,
            trial_inputs=trial_inputs,
        )
        gym.Wrapper.__init__(self, env)
        refuse_nested_trials(env)
        self._clock = TrialClock(
            1,
            episodes_per_trial=episodes_per_trial,
            episode_steps=episode_steps,
            max_episode_steps=max_episode_steps,
        )
        self.episodes_per_trial = episodes_per_trial
        self._in_episodes = episodes_per_trial > 1
        self._inputs: ForeignInputs | None = None
        if trial_inputs is not None:
            self._inputs = ForeignInputs(trial_inputs, env.observation_space, env.action_space)
            self.observation_space = self._inputs.space
        self._contract = find_contract(env)
        self._keeper: TaskKeeper | None = None
        if self._contract is not None and self._in_episodes:
            self._keeper = TaskKeeper(self._contract)
        self._no_observation = _first(create_empty_array(env.observation_space, n=1))
        self._options: dict[str, Any] | None = None
        self._in_trial = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new trial.

        Args:
            seed: For ``env``, at the start of the trial only.
            options: For ``env``, at the start of every episode of the trial; ``"task"``, where
                the contract is kept, pins this task.
        """
        if self._keeper is not None:
            if options is not None and "task" in options:
                self._keeper.set_task(options["task"])
                options = {name: value for name, value in options.items() if name != "task"}
            self._keeper.release()
        self._options = None if options is None else dict(options)
        observation, info = self.env.reset(seed=seed, options=options)
        if self._keeper is not None:
            self._keeper.hold()
        self._clock.begin_trial(ALWAYS)
        self._in_trial = True
        if self._inputs is not None:
            observation = _first(self._inputs.start(np.asarray(observation)[None]))
        return observation, {**info, **self._trial_info(False, False)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Act; answers observation, reward, terminated, truncated, ``info``.

        Raises:
            gymnasium.error.ResetNeeded: Before the first reset or after the trial's end.
        """
        if not self._in_trial:
            raise gym.error.ResetNeeded("No trial is in progress; call reset() to begin one.")
        observation, reward, terminated, truncated, info = self.env.step(action)
        flags = self._clock.step(
            np.array([terminated], np.bool_), np.array([truncated], np.bool_), ALWAYS
        )
        trial_terminated, trial_truncated, episode_end = (bool(flag[0]) for flag in flags)
        self._in_trial = not (trial_terminated or trial_truncated)
        info = {**info, **self._trial_info(episode_end, bool(terminated))}
        if self._in_episodes:
            final = observation if episode_end else self._no_observation
            info["episode_final_obs"] = copy.deepcopy(final)
        if episode_end and self._in_trial:
            options = None if self._options is None else dict(self._options)
            observation, _ = self.env.reset(options=options)
            self._clock.begin_episode(ALWAYS)
        if self._inputs is not None:
            observation = _first(
                self._inputs.after(
                    np.asarray(observation)[None],
                    np.asarray(action)[None],
                    np.array([reward], np.float64),
                    np.array([episode_end]),
                    None,
                )
            )
        return observation, reward, trial_terminated, trial_truncated, info

    @property
    def unwrapped(self) -> gym.Env[Any, Any]:
        """The bare environment; this wrapper where it keeps tasks for whole trials."""
        return self.env.unwrapped if self._keeper is None else self

    @property
    def _np_random(self) -> np.random.Generator | None:  # type: ignore[override]
        # Gymnasium's checker reads it from what is unwrapped.
        return self.env.unwrapped._np_random

    def __getattr__(self, name: str) -> Any:
        # A method would be there for environments without the contract, too.
        if name == "set_task" and self._contract is not None:
            return (self._keeper or self._contract).set_task
        if name in FORWARDED and self._contract is not None:
            return getattr(self._contract, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _trial_info(self, episode_end: bool, episode_terminated: bool) -> dict[str, Any]:
        return {
            "episode_index": int(self._clock.episode[0]),
            "episode_end": episode_end,
            "episode_terminated": episode_terminated,
        }


def _first(value: Any) -> Any:
    """Row 0 of a batch of one."""
    if isinstance(value, dict):
        return {name: _first(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_first(part) for part in value)
    if not isinstance(value, np.ndarray):
        return None
    return value[0] if value.ndim > 1 else value.item()
