"""The vector environment of array families on a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from metaenvs.batch_state import check_alike
from metaenvs.cuda.batch import CudaBatch, DeviceResult
from metaenvs.cuda.inputs import DeviceInputs
from metaenvs.cuda.rows import FINISHED
from metaenvs.observation_view import LAST_STEP
from metaenvs.options import read_reset_mask, refuse_unknown_options
from metaenvs.seeding import derive_key, row_keys
from metaenvs.spaces import shape_of
from metaenvs.vector_env import SAMPLE_KEY_STREAM, ArrayVectorEnv

__all__ = ["CudaVectorEnv", "on_device"]

Array = npt.NDArray[Any]


class CudaVectorEnv(ArrayVectorEnv):
    """A batch whose rows live on a GPU: torch tensors on it go in and out.

    ``gymnasium.make_vec(id, num_envs, device="cuda")`` makes one. A row does there what the row
    of the same seed does on the CPU; states, pools and tasks may be carried from one to the other.
    Differences from :class:`metaenvs.vector_env.ArrayVectorEnv`:

    - :meth:`step` never waits for the device. A row whose action is refused stands still instead
      of stopping them all (reward 0, nothing ends, its trial inputs are zero), and so do rows
      that are over in DISABLED mode; :meth:`check` and :meth:`reset` raise the error.
    - ``info`` holds tensors. In SAME_STEP mode ``final_obs`` is dense, of the observation's shape,
      and it, ``final_info`` and their masks are there at every step.
    - There are no pictures.

    In Numba's simulator (``NUMBA_ENABLE_CUDASIM=1``) the arrays are NumPy's.
    """

    batch_type = CudaBatch
    _batch: CudaBatch  # type: ignore[assignment]

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:
        if arguments.get("render_mode") is not None:
            raise ValueError(
                "device='cuda' draws no pictures: leave render_mode out, or set_state of an "
                "environment on the CPU to this one's get_state and render that."
            )
        super().__init__(num_envs, **arguments)
        one_hot, kind = arguments.get("one_hot", False), arguments.get("trial_inputs")
        space = self._family.action_space
        dtype = np.int64 if isinstance(space, gym.spaces.Discrete) else space.dtype
        self._no_actions = self._batch.arrays.zeros((num_envs, *shape_of(space)), dtype)
        self._inputs = DeviceInputs(
            self._batch.arrays, self._family, one_hot, kind, self._no_actions
        )
        self._started = np.zeros(num_envs, np.bool_)
        self._all_rows = self._batch.arrays.upload(self._everywhere)

    @property
    def device(self) -> str:
        """Where torch says that the tensors are; in the simulator that is the CPU."""
        return self._batch.arrays.device

    @property
    def placement(self) -> object | None:
        """Stands for where the rows, their pins and their pool lie on the device.

        Steps that were captured in a CUDA graph may be replayed as long as it is the same object;
        everything that a step changes is on the device. None where steps cannot be captured.
        """
        return self._batch.standing

    # ------------------------------------------------------------------ Gymnasium's vector API

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """As on the CPU; waits for the device.

        Raises:
            ValueError: Also where a step before was given an action out of range.
            gymnasium.error.ResetNeeded: Where a finished row was stepped before in DISABLED mode.
        """
        refuse_unknown_options(options)
        arrays = self._batch.arrays
        if options is not None and "reset_mask" in options:
            mask = options["reset_mask"]
            options = {
                **options,
                "reset_mask": mask if isinstance(mask, np.ndarray) else arrays.download(mask),
            }
        mask = read_reset_mask(options, self.num_envs)
        self.check()
        keys, given = row_keys(seed, self.num_envs, first_time=~self._started)
        if not (self._started | mask).all():
            raise ValueError("options['reset_mask'] leaves out rows that were never reset.")
        if options is not None and "task" in options:
            self.set_task(options["task"], mask=mask)
        seeded = given & mask
        if seeded.all():
            self._sample_key = derive_key(keys[0], SAMPLE_KEY_STREAM)
            self._num_sampled = 0
        observation, reports = self._batch.begin(mask, seeded, keys)
        self._started |= mask
        inputs = self._inputs.after_reset(observation, mask)
        return inputs, self._device_info(reports, arrays.upload(mask))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Act in every row, without waiting for the device.

        Args:
            actions: A tensor on the device, (num_envs,) of integers or (num_envs, ...) of floats;
                what is elsewhere is copied there.

        Returns:
            Observation, reward (float64), terminated, truncated (bool), ``info``: fresh tensors.

        Raises:
            ValueError: Actions of a wrong shape or kind.
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        legal = self._as_actions(actions)
        tasks = self._batch.task_fields() if self._task_in_info and self._same_step else None
        result = self._batch.step(legal)
        terminated, truncated = result.terminated, result.truncated
        info = self._device_info(result.report, self._all_rows)
        over = terminated | truncated
        observation = self._inputs.after_step(
            result.observation, legal, result.reward, info["episode_end"], result.fresh
        )
        if self._in_trials:
            info["episode_final_obs"] = self._inputs.encode(result.final_observation)
            info["_episode_final_obs"] = info["episode_end"] | over
        if self._same_step:
            self._add_device_final(info, result, legal, over, tasks)
        return observation, result.reward, terminated, truncated, info

    def check(self) -> None:
        """Wait for the device, and raise the error of rows that stand still since a step.

        Their step is as if it had not been, and they can go on.

        Raises:
            ValueError: Actions out of range.
            gymnasium.error.ResetNeeded: Rows that were over and not reset, in DISABLED mode.
        """
        refusals = self._batch.take_refusals()
        rows = np.flatnonzero(refusals).tolist()
        if not rows:
            return
        if refusals[rows[0]] == FINISHED:
            raise gym.error.ResetNeeded(
                f"Rows {rows[:8]} had finished their trial when they were stepped; reset them "
                "(options={'reset_mask': mask} for some of a batch) before the next step."
            )
        raise ValueError(
            f"actions must lie in {self.single_action_space}; those of rows {rows[:8]} did not in "
            "a step since the last check() or reset(), and the rows stood still from then on."
        )

    def require_reset(self) -> None:
        """Raise ``gymnasium.error.ResetNeeded`` unless every row has begun a trial."""
        if not self._started.all():
            raise gym.error.ResetNeeded("Call reset() first: no trial has begun.")

    # ------------------------------------------------------------------ exact state

    def get_state(self) -> dict[str, Array]:
        """As on the CPU, where it may be put into a batch made alike; waits for the device."""
        return {**super().get_state(), **self._inputs.get_state()}

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Restore what :meth:`get_state` gave, here or on the CPU, of an environment made alike.

        Raises:
            ValueError: Arrays missing, unknown, or of other shapes or dtypes; nothing is changed.
        """
        check_alike(self.get_state(), state, optional=LAST_STEP)
        self._batch.load(state)
        self._sample_key = np.uint64(state["sample_key"][0])
        self._num_sampled = int(state["num_sampled"][0])
        self._started = np.asarray(state["rows/trial"]) >= 0
        self._inputs.set_state(state)

    def __reduce__(self) -> tuple[Any, ...]:
        return _new_on_device, (type(self).__bases__[1],), self.__getstate__()

    # ------------------------------------------------------------------ the inside

    def _as_actions(self, actions: Any) -> Any:
        """Actions in the kernels' dtype, on the device; their range is the kernel's to check."""
        self.require_reset()
        arrays, like = self._batch.arrays, self._no_actions
        adopted = arrays.adopt(actions)
        if adopted.shape != like.shape:
            raise ValueError(
                f"actions must have shape {tuple(like.shape)}, got {tuple(adopted.shape)}."
            )
        kind, wanted = (str(array.dtype).removeprefix("torch.") for array in (adopted, like))
        if not kind.startswith(("int", "uint") if wanted == "int64" else ("int", "uint", "float")):
            raise ValueError(f"actions must be {wanted} numbers, got dtype {kind}.")
        return arrays.cast(adopted, wanted)

    def _device_info(self, reports: Any, mask: Any) -> dict[str, Any]:
        """Named tensors of a batch of reports, each with its mask as Gymnasium has it."""
        info: dict[str, Any] = {}
        for name, values in self._batch.fields(reports, self._batch.report_dtype).items():
            info[name], info[f"_{name}"] = values, mask
        if self._task_in_info:
            info["task"], info["_task"] = self._batch.task_fields(), mask
        return info

    def _add_device_final(
        self, info: dict[str, Any], result: DeviceResult, actions: Any, ended: Any, tasks: Any
    ) -> None:
        """SAME_STEP: the observation and info with which trials (of ``tasks``) just ended."""
        final_info: dict[str, Any] = {}
        reports = self._batch.fields(result.final_report, self._batch.report_dtype)
        for name, values in reports.items():
            final_info[name], final_info[f"_{name}"] = values, ended
        if self._in_trials:
            final_info["episode_final_obs"] = info["episode_final_obs"]
            final_info["_episode_final_obs"] = ended
        if tasks is not None:
            final_info["task"], final_info["_task"] = tasks, ended
        info["final_obs"] = self._inputs.at_end(
            result.final_observation, actions, result.reward, ended
        )
        info["_final_obs"] = ended
        info["final_info"], info["_final_info"] = final_info, ended


def on_device(family_env: type[ArrayVectorEnv], device: str) -> type[ArrayVectorEnv]:
    """The class of a family's vector environments on ``device``; ValueError for an unknown one."""
    if device != "cuda":
        raise ValueError(
            f'device must be "cpu" or "cuda", got {device!r}. Which GPU it is, torch.cuda.'
            "set_device or CUDA_VISIBLE_DEVICES says."
        )
    return _class_on_device(family_env)


_CLASSES: dict[type[ArrayVectorEnv], type[ArrayVectorEnv]] = {}


def _class_on_device(family_env: type[ArrayVectorEnv]) -> type[ArrayVectorEnv]:
    made: type[ArrayVectorEnv] = type(f"Cuda{family_env.__name__}", (CudaVectorEnv, family_env), {})
    return _CLASSES.setdefault(family_env, made)


def _new_on_device(family_env: type[ArrayVectorEnv]) -> ArrayVectorEnv:
    """An instance before its state is set: classes made here are not found by their name."""
    return object.__new__(_class_on_device(family_env))
