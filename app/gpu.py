"""What the NVIDIA driver knows of the GPU that a process computes on: its memory and how busy it is.

Two libraries of the driver are asked, so that nothing has to be installed: CUDA's says which GPU `cuda:N` is, whatever
CUDA_VISIBLE_DEVICES says, and NVML measures it. https://docs.nvidia.com/deploy/nvml-api
"""

from __future__ import annotations

import ctypes
import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

Libraries = Callable[[str], Any]


class _Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Utilisation(ctypes.Structure):
    """nvmlUtilization_t, in per cent of the last sampling period."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class DriverError(Exception):
    """The driver does not answer."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, as NVML names it."""

    nvml: Any
    handle: ctypes.c_void_p

    @classmethod
    def open(cls, index: int, libraries: Libraries = ctypes.CDLL) -> Gpu:
        """The GPU that this process knows as `cuda:index`.

        Raises:
            DriverError: there is no driver, or no such GPU.
        """
        try:
            cuda, nvml = libraries("libcuda.so.1"), libraries("libnvidia-ml.so.1")
        except OSError as error:
            raise DriverError(str(error)) from None
        device, name, handle = ctypes.c_int(), (ctypes.c_ubyte * 16)(), ctypes.c_void_p()
        _check("cuInit", cuda.cuInit(0))
        _check("cuDeviceGet", cuda.cuDeviceGet(ctypes.byref(device), index))
        _check("cuDeviceGetUuid", cuda.cuDeviceGetUuid(ctypes.byref(name), device))
        _check("nvmlInit", nvml.nvmlInit_v2())
        wanted = f"GPU-{uuid.UUID(bytes=bytes(name))}".encode()
        _check("nvmlDeviceGetHandleByUUID", nvml.nvmlDeviceGetHandleByUUID(wanted, ctypes.byref(handle)))
        return cls(nvml, handle)

    def memory_bytes(self) -> int:
        """Memory in use, of all processes.

        Raises:
            DriverError: the driver does not tell.
        """
        memory = _Memory()
        _check("nvmlDeviceGetMemoryInfo", self.nvml.nvmlDeviceGetMemoryInfo(self.handle, ctypes.byref(memory)))
        return int(memory.used)

    def utilisation_ratio(self) -> float:
        """Share of the last moments in which it computed something.

        Raises:
            DriverError: the driver does not tell; of a part of a GPU (MIG) it never does.
        """
        used = _Utilisation()
        _check(
            "nvmlDeviceGetUtilizationRates", self.nvml.nvmlDeviceGetUtilizationRates(self.handle, ctypes.byref(used))
        )
        return float(used.gpu) / 100


class GpuCollector(Collector):
    """Reads a GPU whenever it is scraped; what the driver does not tell is left out.

    Args:
        gpu: which.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._read: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("basecast_device_memory_bytes", "Memory of the GPU in use.", gpu.memory_bytes),
            ("basecast_device_utilisation_ratio", "Share of the time that the GPU computes.", gpu.utilisation_ratio),
        )

    def collect(self) -> Iterable[Metric]:
        for name, documentation, read in self._read:
            try:
                yield GaugeMetricFamily(name, documentation, value=read())
            except DriverError as error:
                log.debug("the driver does not tell", extra={"detail": str(error)})


def watch_gpu(registry: CollectorRegistry, device: str, libraries: Libraries = ctypes.CDLL) -> None:
    """Expose the GPU that a process computes on; where the driver does not let itself be asked, the log says so.

    Args:
        registry: of the process's metrics.
        device: `cuda:N`, or `auto`, which takes the first.
        libraries: loads a library of the driver.
    """
    try:
        gpu = Gpu.open(int(device.partition(":")[2] or 0), libraries)
    except DriverError as error:
        log.warning("the GPU cannot be watched", extra={"detail": str(error)})
    else:
        registry.register(GpuCollector(gpu))


def _check(call: str, status: int) -> None:
    if status != 0:
        raise DriverError(f"{call} answers {status}")
