"""Arrays on the device: torch's on a GPU, NumPy's in Numba's simulator.

Whatever else this package does with arrays, it does by operators that both have. Records, which
torch does not know, are kept as their bytes (n, size of a record); a field is a view into them.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from metaenvs.cuda.records import RowArray

__all__ = [
    "DeviceArrays", "NumPyArrays", "TorchArrays", "as_bytes", "device_arrays", "device_available",
]  # fmt: skip

INSTALL = "pip install 'metaenvs[cuda]'"


class DeviceArrays(Protocol):
    """What a batch asks of the library that its arrays are from."""

    device: str
    """Where torch would say that they are."""

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        """A fresh array."""

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        """A fresh array of zeros."""

    def upload(self, array: npt.NDArray[Any]) -> Any:
        """A copy on the device."""

    def download(self, array: Any) -> npt.NDArray[Any]:
        """A copy on the host, which waits for the device."""

    def copy(self, array: Any) -> Any:
        """A copy on the device."""

    def cast(self, array: Any, dtype: npt.DTypeLike) -> Any:
        """The array in a dtype and contiguous, itself where it is so already."""

    def where(self, condition: Any, value: float, array: Any) -> Any:
        """``array`` with ``value`` where ``condition``, of as many axes, holds."""

    def adopt(self, array: Any) -> Any:
        """A caller's array on the device, without a copy where it is there already."""

    def field(self, records: Any, dtype: np.dtype[Any], name: str) -> Any:
        """A view of one field of the records that ``records`` holds the bytes of."""

    def argument(self, array: Any, dtype: npt.DTypeLike | None = None) -> Any:
        """What a kernel takes: the array, or its bytes as records or words of ``dtype``."""

    def stream(self) -> Any:
        """The stream that kernels are launched on."""


def as_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The bytes of the rows of a host array (n, ...) as (n, bytes), sharing memory."""
    width = array.dtype.itemsize * math.prod(array.shape[1:])
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), width)


class NumPyArrays:
    """Arrays on the host, which Numba's simulator takes for the device."""

    device = "cpu"

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        """A fresh array."""
        return np.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        """A fresh array of zeros."""
        return np.zeros(shape, dtype)

    def upload(self, array: npt.NDArray[Any]) -> Any:
        """A copy."""
        return np.array(array, order="C")

    def download(self, array: Any) -> npt.NDArray[Any]:
        """A copy."""
        return np.array(array, order="C")

    def copy(self, array: Any) -> Any:
        """A copy."""
        return array.copy()

    def cast(self, array: Any, dtype: npt.DTypeLike) -> Any:
        """The array in a dtype and contiguous, itself where it is so already."""
        return np.ascontiguousarray(array, dtype)

    def where(self, condition: Any, value: float, array: Any) -> Any:
        """``array`` with ``value`` where ``condition``, of as many axes, holds."""
        return np.where(condition, value, array)

    def adopt(self, array: Any) -> Any:
        """The array itself."""
        return np.asarray(array)

    def field(self, records: Any, dtype: np.dtype[Any], name: str) -> Any:
        """A view of one field of records that are kept as bytes."""
        return records.reshape(-1).view(dtype)[name]

    def argument(self, array: Any, dtype: npt.DTypeLike | None = None) -> Any:
        """The same memory, as row functions see it uncompiled."""
        dtype = np.dtype(dtype or array.dtype)
        return RowArray((array.reshape(-1) if dtype.names else array).view(dtype))

    def stream(self) -> Any:
        """The simulator has none."""
        return 0


class TorchArrays:
    """Tensors on one device.

    Args:
        device: "cuda"; without kernels, "cpu" will do.
    """

    def __init__(self, device: str) -> None:
        # Untyped here: torch is asked for by whoever asks for a GPU, and numba-cuda has no stubs.
        self._torch: Any = importlib.import_module("torch")
        self.device = device
        self._streams: dict[int, Any] = {0: 0}

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        """A fresh tensor."""
        return self._torch.empty(shape, dtype=self._dtype(dtype), device=self.device)

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        """A fresh tensor of zeros."""
        return self._torch.zeros(shape, dtype=self._dtype(dtype), device=self.device)

    def upload(self, array: npt.NDArray[Any]) -> Any:
        """A copy on the device."""
        return self._torch.tensor(np.ascontiguousarray(array), device=self.device)

    def download(self, array: Any) -> npt.NDArray[Any]:
        """A copy on the host, which waits for the device."""
        return np.array(array.cpu().numpy(), order="C")

    def copy(self, array: Any) -> Any:
        """A copy on the device."""
        return array.clone()

    def cast(self, array: Any, dtype: npt.DTypeLike) -> Any:
        """The tensor in a dtype and contiguous, itself where it is so already."""
        return array.to(self._dtype(dtype)).contiguous()

    def where(self, condition: Any, value: float, array: Any) -> Any:
        """``array`` with ``value`` where ``condition``, of as many axes, holds."""
        return self._torch.where(condition, value, array)

    def adopt(self, array: Any) -> Any:
        """A tensor on the device: itself if it is there, else a copy (which waits)."""
        return self._torch.as_tensor(array, device=self.device)

    def field(self, records: Any, dtype: np.dtype[Any], name: str) -> Any:
        """A view of one field of records that are kept as bytes."""
        assert dtype.fields is not None
        part, offset = dtype.fields[name][:2]
        values = records[:, offset : offset + part.itemsize].view(self._dtype(part.base))
        return values.unflatten(1, part.shape) if part.shape else values[:, 0]

    def argument(self, array: Any, dtype: npt.DTypeLike | None = None) -> Any:
        """The same memory, as Numba knows it."""
        cuda: Any = importlib.import_module("numba.cuda")
        if dtype is None:
            return cuda.as_cuda_array(array, sync=False)
        dtype = np.dtype(dtype)
        flat = array.reshape(-1) if dtype.names else array
        return cuda.as_cuda_array(flat, sync=False).view(dtype)

    def stream(self) -> Any:
        """Torch's current stream."""
        handle = self._torch.cuda.current_stream(self.device).cuda_stream
        if handle not in self._streams:
            cuda: Any = importlib.import_module("numba.cuda")
            self._streams[handle] = cuda.external_stream(handle)
        return self._streams[handle]

    def _dtype(self, dtype: npt.DTypeLike) -> Any:
        return getattr(self._torch, np.dtype(dtype).name)


def device_arrays() -> DeviceArrays:
    """Arrays on torch's current GPU, or on the one that Numba simulates.

    Raises:
        ImportError: A package that is missing, with what installs it.
        ValueError: No GPU.
    """
    numba: Any = importlib.import_module("numba")
    if numba.config.ENABLE_CUDASIM:
        return NumPyArrays()
    for package, module in (("numba-cuda", "numba_cuda"), ("torch", "torch")):
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"device='cuda' needs {package}, which is not installed. {INSTALL} installs it."
            )
    torch: Any = importlib.import_module("torch")
    cuda: Any = importlib.import_module("numba.cuda")
    seen = {"torch": torch.cuda.is_available(), "numba-cuda": cuda.is_available()}
    if not all(seen.values()):
        blind = [package for package, sees in seen.items() if not sees]
        raise ValueError(
            f"device='cuda' needs an NVIDIA GPU and its driver, and {' and '.join(blind)} found "
            f"none (torch {torch.__version__}). Leave device out to step on the CPU, or set "
            "NUMBA_ENABLE_CUDASIM=1 for Numba's slow simulator of a GPU."
        )
    return TorchArrays("cuda")


def device_available() -> bool:
    """Whether ``device="cuda"`` can be asked for here."""
    try:
        device_arrays()
    except (ImportError, ValueError):
        return False
    return True
