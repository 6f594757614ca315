"""NVIDIA GPUs through NVML, the driver's own C library.

The library comes with the driver, so a job needs no package for it, and no child process that could outlive the job.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any


class _Utilization(ctypes.Structure):
    """nvmlUtilization_t: percent of the last sample period."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    """nvmlMemory_t: bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class GpuProbe:
    """Reads every GPU of the machine; a machine without one has `count` 0."""

    def __init__(self, library: Any | None = None) -> None:
        self._library: Any = library if library is not None else _load()
        self._handles: list[ctypes.c_void_p] = []
        if self._library is not None and self._library.nvmlInit_v2() == 0:
            self._handles = self._find()

    @property
    def count(self) -> int:
        """Return how many GPUs there are."""
        return len(self._handles)

    def read(self) -> list[tuple[float, float]]:
        """Return (utilisation, memory used) of each GPU, both in percent; a GPU that does not answer reads 0."""
        return [self._read_one(handle) for handle in self._handles]

    def close(self) -> None:
        """Release the library."""
        if self._handles and self._library is not None:
            self._handles = []
            self._library.nvmlShutdown()

    def _find(self) -> list[ctypes.c_void_p]:
        number = ctypes.c_uint()
        if self._library.nvmlDeviceGetCount_v2(ctypes.byref(number)) != 0:
            return []
        handles = []
        for index in range(number.value):
            handle = ctypes.c_void_p()
            if self._library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) == 0:
                handles.append(handle)
        return handles

    def _read_one(self, handle: ctypes.c_void_p) -> tuple[float, float]:
        utilization, memory = _Utilization(), _Memory()
        busy = filled = 0.0
        if self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(utilization)) == 0:
            busy = float(utilization.gpu)
        if self._library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0 and memory.total:
            filled = 100.0 * memory.used / memory.total
        return busy, filled


def _load() -> ctypes.CDLL | None:
    name = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
