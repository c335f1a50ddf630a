"""Kernels of every family compile for a real GPU, which it takes none to find out."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

import metaenvs.cuda.batch
import metaenvs.cuda.inputs
from metaenvs.cuda.arrays import NumPyArrays
from metaenvs.cuda.kernels import bind_for_device
from metaenvs.registration import IDS, LOCOMOTION

HOPPER = (9, 0)
FLOATING = {f"metaenvs/{name}-v0" for name in ("PointCorners", "PointWindSparse", "TabularMDP")}
"""Families in whose kernels products are added: a GPU rounds such a pair once, a CPU twice."""
ONE_OF_EACH = {
    entry_point: env_id
    for env_id, (entry_point, _) in reversed(IDS.items())
    if entry_point != LOCOMOTION
}


def has_compiler() -> bool:
    """Whether NVIDIA's compiler libraries are installed (``numba-cuda[cu13]`` brings them)."""
    try:
        nvvm: Any = importlib.import_module("numba.cuda.cudadrv.nvvm")
        nvrtc: Any = importlib.import_module("numba.cuda.cudadrv.nvrtc")
        nvvm.NVVM()
        return bool(nvrtc.get_supported_ccs())
    except Exception:
        return False


class ArgumentTypes(NumPyArrays):
    """Arrays of which kernels are told the type; none runs, so that zeros stand for results."""

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        return self.zeros(shape, dtype)

    def argument(self, array: Any, dtype: npt.DTypeLike | None = None) -> Any:
        types: Any = importlib.import_module("numba.cuda.types")
        support: Any = importlib.import_module("numba.cuda.np.numpy_support")
        dtype = np.dtype(dtype or array.dtype)
        flat = array.reshape(-1) if dtype.names else array
        return types.Array(support.from_dtype(dtype), flat.ndim, "C")


@pytest.mark.skipif(not has_compiler(), reason="NVIDIA's compiler libraries are not installed")
@pytest.mark.parametrize("env_id", sorted(ONE_OF_EACH.values()))
def test_kernels_compile_for_a_gpu(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda: Any = importlib.import_module("numba.cuda")
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    monkeypatch.setattr(
        dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=HOPPER)
    )
    codes: dict[str, str] = {}

    def compiling(template: Callable[..., Any], functions: Any = ()) -> Any:
        def launch(num_rows: int, stream: Any, *types: Any) -> None:
            kernel = bind_for_device(template, dict(functions))
            codes[template.__name__] = cuda.compile_ptx(kernel, types, cc=HOPPER)[0]

        return SimpleNamespace(launch=launch)

    for module in (metaenvs.cuda.batch, metaenvs.cuda.inputs):
        monkeypatch.setattr(module, "row_kernel", compiling)
    monkeypatch.setattr(metaenvs.cuda.batch, "device_arrays", ArgumentTypes)
    env = gym.make_vec(env_id, num_envs=2, device="cuda", trial_inputs="flat")
    env.reset(seed=0)
    env.step(np.zeros(env.action_space.shape, env.action_space.dtype))
    assert {"begin_rows", "step_rows"} <= set(codes)
    for name, code in codes.items():
        assert re.search(r"\.visible \.entry", code), name
        assert not re.search(r"(div|sqrt)\.(approx|full)", code), name
        assert (env_id in FLOATING) or not re.search(r"\bfma\.rn\.f", code), name
