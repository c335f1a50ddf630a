"""Locomotion on a GPU: MuJoCo Warp's physics behind the vector environment."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

from metaenvs.cuda.vector_env import CudaVectorEnv
from metaenvs.locomotion.env import LocomotionVectorEnv

__all__ = ["WARP_CPU", "WarpVectorEnv"]

WARP_CPU = "warp-cpu"
"""The device that stands for a GPU where there is none: Warp's own on the CPU, one thread."""

INSTALL = "pip install 'metaenvs[warp]'"


class WarpVectorEnv(CudaVectorEnv, LocomotionVectorEnv):
    """Many robots on a GPU, each with a model of its own: torch tensors on it go in and out.

    ``gymnasium.make_vec(id, num_envs, device="cuda")`` makes one. It is
    :class:`metaenvs.cuda.vector_env.CudaVectorEnv`, with these differences to the CPU:

    - Physics is MuJoCo Warp's, in float32, so that rows go other ways in the long run. Spaces and
      dtypes are the same.
    - An endless stream of tasks is its first 4,096 (``n_tasks`` and ``tasks`` give others): rows
      meet the tasks that they would meet on the CPU with ``n_tasks=4096``.
    - The humanoid's contacts are solved by Newton's method.

    Args:
        num_envs: Number of rows.
        device: "cuda" (torch's current device), or "warp-cpu".
        arguments: As for :class:`metaenvs.locomotion.env.LocomotionEnv`.

    Raises:
        ImportError: A package that is missing.
        RuntimeError: No GPU.
        ValueError: An unknown device.
    """

    def __init__(self, num_envs: int = 1, *, device: str = WARP_CPU, **arguments: Any) -> None:
        self.batch_type = batch_on(device)  # type: ignore[assignment, misc]
        super().__init__(num_envs, **arguments)
        self._arguments["device"] = device

    @property
    def placement(self) -> None:
        """Steps cannot be captured: each launches a CUDA graph of its own."""
        return

    def __reduce__(self) -> tuple[Any, ...]:
        return WarpVectorEnv.__new__, (WarpVectorEnv,), self.__getstate__()


def batch_on(device: str) -> Callable[..., Any]:
    """What makes batches on ``device``.

    Raises:
        As the class.
    """
    if device not in ("cuda", WARP_CPU):
        raise ValueError(
            f'device must be "cpu", "cuda" or "{WARP_CPU}", got {device!r}. Which GPU it is, '
            "torch.cuda.set_device or CUDA_VISIBLE_DEVICES says."
        )
    for package, module in (("mujoco-warp", "mujoco_warp"), ("torch", "torch")):
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"device={device!r} needs {package}, which is not installed. {INSTALL} installs it."
            )
    import torch
    import warp

    warp.init()
    seen = {"torch": torch.cuda.is_available(), "Warp": warp.is_cuda_available()}
    if device == "cuda" and not all(seen.values()):
        blind = " and ".join(library for library, sees in seen.items() if not sees)
        raise RuntimeError(
            f"device='cuda' needs an NVIDIA GPU and its driver, and {blind} found none (torch "
            f"{torch.__version__}, warp {warp.__version__}). Leave device out to step on the CPU."
        )
    from metaenvs.locomotion.warp_batch import WarpBatch

    name = "cpu" if device == WARP_CPU else f"cuda:{torch.cuda.current_device()}"
    return partial(WarpBatch, device=torch.device(name))
