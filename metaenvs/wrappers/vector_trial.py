"""A trial of several episodes of one task, for any ``gymnasium.vector.VectorEnv``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import (
    AsyncVectorEnv,
    AutoresetMode,
    SyncVectorEnv,
    VectorEnv,
    VectorWrapper,
)
from gymnasium.vector.utils import batch_space, create_empty_array, iterate

from metaenvs.arguments import autoreset_mode_of
from metaenvs.options import read_reset_mask
from metaenvs.trial_inputs import TrialInputsKind
from metaenvs.wrappers.batched_rows import choose_info, choose_rows
from metaenvs.wrappers.foreign_inputs import ForeignInputs
from metaenvs.wrappers.task_contract import (
    FORWARDED,
    VectorTaskKeeper,
    find_contract,
    refuse_nested_trials,
)
from metaenvs.wrappers.trial_clock import TrialClock

__all__ = ["TrialVectorEnv"]

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

if TYPE_CHECKING:
    AnyVectorWrapper = VectorWrapper[Any, Any, Any, Any, Any]
else:
    AnyVectorWrapper = VectorWrapper  # not generic at run time in Gymnasium 1.1


class TrialVectorEnv(AnyVectorWrapper, gym.utils.RecordConstructorArgs):
    """The vector form of :class:`metaenvs.wrappers.TrialEnv`, with every autoreset mode.

    Each row has its own trial; all that is said there of episodes, options, seeds, pins and
    :attr:`unwrapped` holds here for each row. Entries of ``info`` come with Gymnasium's masks.

    ``NEXT_STEP`` has a price: no foreign environment can step some rows only, so a row that
    begins a new trial is reset, stepped along with the others for nothing, and reset again.
    ``SAME_STEP`` and ``DISABLED`` cost nothing.

    Args:
        env: The environment, made with ``AutoresetMode.DISABLED``, giving NumPy arrays.
        episodes_per_trial: Episodes of one task in a trial.
        episode_steps: Limit of an episode in steps; None leaves it to ``env``.
        max_episode_steps: Limit of a trial in steps; None is no limit.
        trial_inputs: "dict" or "flat" to observe the previous action, reward and episode end as
            well (see :class:`metaenvs.trial_inputs.TrialInputs`).
        autoreset_mode: When a finished row begins its next trial.

    Raises:
        ValueError: ``env`` resets by itself, has trials already, or is a ``SyncVectorEnv`` or
            ``AsyncVectorEnv`` of environments with the task contract (wrap each of them in a
            ``TrialEnv`` instead); a number below 1; a space that ``trial_inputs`` cannot lay out.

    Example:
        >>> import gymnasium as gym
        >>> from gymnasium.vector import AutoresetMode
        >>> from metaenvs.wrappers import TrialVectorEnv
        >>> envs = gym.make_vec(
        ...     "CartPole-v1", num_envs=3, vectorization_mode="sync",
        ...     vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED},
        ... )
        >>> envs = TrialVectorEnv(envs, episodes_per_trial=2, autoreset_mode="SameStep")
        >>> envs.metadata["autoreset_mode"]
        <AutoresetMode.SAME_STEP: 'SameStep'>
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        *,
        episodes_per_trial: int = 1,
        episode_steps: int | None = None,
        max_episode_steps: int | None = None,
        trial_inputs: TrialInputsKind | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            episodes_per_trial=episodes_per_trial,
            episode_steps=episode_steps,
            max_episode_steps=max_episode_steps,
            trial_inputs=trial_inputs,
            autoreset_mode=autoreset_mode,
        )
        VectorWrapper.__init__(self, env)
        _require_disabled(env)
        refuse_nested_trials(env)
        self._clock = TrialClock(
            env.num_envs,
            episodes_per_trial=episodes_per_trial,
            episode_steps=episode_steps,
            max_episode_steps=max_episode_steps,
        )
        self.episodes_per_trial = episodes_per_trial
        self._in_episodes = episodes_per_trial > 1
        self.autoreset_mode = autoreset_mode_of(autoreset_mode)
        self.metadata = {**env.metadata, "autoreset_mode": self.autoreset_mode}
        self._inputs: ForeignInputs | None = None
        if trial_inputs is not None:
            self._inputs = ForeignInputs(
                trial_inputs, env.single_observation_space, env.single_action_space
            )
            self.single_observation_space = self._inputs.space
            self.observation_space = batch_space(self._inputs.space, env.num_envs)
        self._contract = find_contract(env)
        self._keeper: VectorTaskKeeper | None = None
        if self._in_episodes:
            _refuse_rows_with_contract(env)
            if self._contract is not None:
                self._keeper = VectorTaskKeeper(self._contract, env.num_envs)
        self._options: list[dict[str, Any] | None] = [None] * env.num_envs
        self._begun = np.zeros(env.num_envs, np.bool_)
        self._finished = np.zeros(env.num_envs, np.bool_)
        self._fresh = np.zeros(env.num_envs, np.bool_)
        self._last: tuple[Array, Array, Mask] | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new trial in all rows or in some.

        Args:
            seed: For ``env``, at the start of the trial only.
            options: ``"reset_mask"``: a Boolean array (num_envs,), the rows to reset; the others
                go on. ``"task"``, where the contract is kept, pins this task (or ``Tasks``, one
                a row). The rest is for ``env``, at the start of every episode of these trials.

        Returns:
            Observations and ``info`` of all rows; masks in ``info`` mark the rows reset.
        """
        rows = read_reset_mask(options, self.num_envs)
        if not (rows | self._begun).all():
            raise ValueError("options['reset_mask'] leaves out rows that were never reset.")
        passed = {name: value for name, value in (options or {}).items() if name != "reset_mask"}
        if self._keeper is not None:
            if "task" in passed:
                self._keeper.set_task(passed.pop("task"), mask=rows)
            self._keeper.release(rows)
        kept = passed or None
        if not rows.all():
            passed = {**passed, "reset_mask": rows.copy()}
        observation, info = self.env.reset(seed=seed, options=passed or None)  # type: ignore[arg-type]
        self._begin_trials(rows, kept)
        info = {**info, **self._trial_info(rows)}
        if self._inputs is not None:
            if self._last is None:
                observation = self._inputs.start(observation)
            else:
                observation = self._inputs.after(observation, *self._last, self._fresh)
        return observation, info

    def step(self, actions: Any) -> tuple[Any, Array, Mask, Mask, dict[str, Any]]:
        """Act in every row; answers observation, reward, terminated, truncated, ``info``.

        Raises:
            gymnasium.error.ResetNeeded: Before the first reset, or a finished row in DISABLED
                mode.
        """
        waiting = self._ready()
        nowhere = np.zeros_like(waiting)
        observation, reward, terminated, truncated, info = self.env.step(actions)
        reward = np.where(waiting, np.zeros((), reward.dtype), reward)
        episode_terminated = np.asarray(terminated, np.bool_) & ~waiting
        flags = self._clock.step(episode_terminated, np.asarray(truncated, np.bool_), ~waiting)
        episode_end = flags.episode_end
        trial_end = flags.terminated | flags.truncated
        same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        info = {**info, **self._trial_info(~nowhere, episode_end, episode_terminated)}
        finals: dict[str, Any] = {}
        if self._in_episodes:
            final = self._at_ends(observation, episode_end)
            finals = {"episode_final_obs": final, "_episode_final_obs": episode_end}
        if same_step and trial_end.any():
            told = {**info, **finals}
            finals.update(self._finals(observation, actions, reward, told, trial_end))
        inner = episode_end & ~trial_end
        begins = trial_end if same_step else waiting
        if (inner | begins).any():
            observation, info = self._restart(inner, begins, observation, info)
        self._finished = nowhere if same_step else trial_end
        self._fresh = begins
        if self._inputs is not None:
            self._last = (np.array(actions), reward.copy(), episode_end.copy())
            observation = self._inputs.after(observation, *self._last, begins)
        return observation, reward, flags.terminated, flags.truncated, {**info, **finals}

    @property
    def unwrapped(self) -> VectorEnv[Any, Any, Any]:  # type: ignore[override]
        """The bare environment; this wrapper where it keeps tasks for whole trials."""
        return self.env.unwrapped if self._keeper is None else self

    def __getattr__(self, name: str) -> Any:
        # A method would be there for environments without the contract, too.
        if name == "set_task" and self._contract is not None:
            return (self._keeper or self._contract).set_task
        if name in FORWARDED and self._contract is not None:
            return getattr(self._contract, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # ------------------------------------------------------------------ the inside

    def _ready(self) -> Mask:
        """Rows that wait for a new trial (num_envs,), made fit to be stepped."""
        if not self._begun.all():
            raise gym.error.ResetNeeded("Call reset() first: no trial has begun.")
        waiting = self._finished
        if waiting.any():
            if self.autoreset_mode != AutoresetMode.NEXT_STEP:
                raise gym.error.ResetNeeded(
                    f"Rows {np.flatnonzero(waiting)[:8].tolist()} have finished their trial; "
                    "reset them (options={'reset_mask': mask} for some of a batch) before the "
                    "next step."
                )
            # Even where all rows wait: what a row draws may not depend on the others.
            self.env.reset(options={"reset_mask": waiting.copy()})
        return waiting

    def _restart(
        self, inner: Mask, begins: Mask, observation: Any, info: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Start the next episode in rows ``inner`` and a new trial in rows ``begins``."""
        if self._keeper is not None and begins.any():
            self._keeper.release(begins)
        for row in np.flatnonzero(begins):
            self._options[row] = None
        remaining = inner | begins
        while remaining.any():
            # Rows whose trials were reset with the same options restart together.
            options = self._options[int(np.argmax(remaining))]
            alike = remaining & np.array([other is options for other in self._options])
            start, start_info = self.env.reset(
                options={**(options or {}), "reset_mask": alike.copy()}
            )
            observation = choose_rows(self.env.single_observation_space, alike, start, observation)
            if (alike & begins).any():
                info = choose_info(info, start_info, alike & begins)
            remaining &= ~alike
        self._clock.begin_episode(inner)
        if begins.any():
            self._begin_trials(begins, None)
            info = choose_info(info, {**info, **self._trial_info(begins)}, begins)
        return observation, info

    def _begin_trials(self, rows: Mask, options: dict[str, Any] | None) -> None:
        """Note that a trial has begun in ``rows``, reset with ``options``."""
        if self._keeper is not None:
            self._keeper.hold(rows)
        for row in np.flatnonzero(rows):
            self._options[row] = options
        self._clock.begin_trial(rows)
        self._begun |= rows
        self._finished = self._finished & ~rows
        self._fresh = self._fresh | rows

    def _trial_info(
        self, mask: Mask, episode_end: Mask | None = None, episode_terminated: Mask | None = None
    ) -> dict[str, Any]:
        """What ``info`` tells of trials, for the rows of ``mask``; nothing has ended if None."""
        nowhere = np.zeros_like(mask)
        entries = {
            "episode_index": self._clock.episode,
            "episode_end": nowhere if episode_end is None else episode_end,
            "episode_terminated": nowhere if episode_terminated is None else episode_terminated,
        }
        info: dict[str, Any] = {}
        for name, values in entries.items():
            info[name], info[f"_{name}"] = values.copy(), mask.copy()
        return info

    def _at_ends(self, observation: Any, ends: Mask) -> Any:
        """The observations of the rows ``ends``, zeros elsewhere."""
        space = self.env.single_observation_space
        nothing = create_empty_array(space, self.num_envs)
        return choose_rows(space, ends, observation, nothing) if ends.any() else nothing

    def _finals(
        self, observation: Any, actions: Any, reward: Array, info: dict[str, Any], ends: Mask
    ) -> dict[str, Any]:
        """SAME_STEP: the observation and ``info`` with which the trials of ``ends`` ended."""
        final = choose_rows(self.env.single_observation_space, ends, observation, observation)
        if self._inputs is not None:
            final = self._inputs.after(final, actions, reward, np.ones_like(ends), None)
        objects = np.full(self.num_envs, None, object)
        for row, single in enumerate(iterate(self.observation_space, final)):
            if ends[row]:
                objects[row] = single
        final_info = choose_info(info, {}, ~ends)
        return {
            "final_obs": objects, "_final_obs": ends,
            "final_info": final_info, "_final_info": ends,
        }  # fmt: skip


def _require_disabled(env: VectorEnv[Any, Any, Any]) -> None:
    """ValueError unless the environment leaves resetting to its caller."""
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.DISABLED:
        raise ValueError(
            f"TrialVectorEnv needs an environment in AutoresetMode.DISABLED, {env} has "
            f"{'no autoreset_mode in its metadata' if mode is None else mode}; make it with "
            "vector_kwargs={'autoreset_mode': AutoresetMode.DISABLED} (or autoreset_mode=, if "
            "it is native) and pass this wrapper the mode that you want."
        )


def _refuse_rows_with_contract(env: VectorEnv[Any, Any, Any]) -> None:
    """ValueError where rows would draw new tasks inside a trial and nobody could keep them."""
    bare = env.unwrapped
    if isinstance(bare, SyncVectorEnv | AsyncVectorEnv) and any(
        bare.call("has_wrapper_attr", "set_task")
    ):
        raise ValueError(
            f"{bare} is made of environments that keep the task contract, which it cannot pass "
            "on row by row. Wrap each of them in metaenvs.wrappers.TrialEnv instead, with the "
            "same episodes_per_trial, and use the vector environment without this wrapper."
        )
