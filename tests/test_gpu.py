"""The gauges of a GPU, over a driver that answers as NVIDIA's does."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from app.gpu import DriverError, Gpu, watch_gpu

NAME = bytes(range(16))
UUID = b"GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"
GIBI, NOT_SUPPORTED = 1024**3, 3


class Driver:
    """Both libraries of a driver with two GPUs, of which the second is ours."""

    def __init__(self, utilisation_status: int = 0) -> None:
        self._utilisation_status = utilisation_status

    def __call__(self, name: str) -> Driver:
        assert name in ("libcuda.so.1", "libnvidia-ml.so.1")
        return self

    def cuInit(self, flags: int) -> int:  # noqa: N802 - NVIDIA's names
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = index
        return 0 if index < 2 else 101

    def cuDeviceGetUuid(self, name: Any, device: ctypes.c_int) -> int:  # noqa: N802
        assert device.value == 1
        ctypes.memmove(name._obj, NAME, 16)
        return 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByUUID(self, name: bytes, handle: Any) -> int:  # noqa: N802
        assert name == UUID
        handle._obj.value = 7
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: ctypes.c_void_p, memory: Any) -> int:  # noqa: N802
        assert handle.value == 7
        memory._obj.total, memory._obj.free, memory._obj.used = 80 * GIBI, 50 * GIBI, 30 * GIBI
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: ctypes.c_void_p, used: Any) -> int:  # noqa: N802
        used._obj.gpu, used._obj.memory = 75, 20
        return self._utilisation_status


def _gauges(driver: Driver) -> tuple[float | None, float | None]:
    registry = CollectorRegistry()
    watch_gpu(registry, "cuda:1", driver)
    value = registry.get_sample_value
    return value("basecast_device_memory_bytes"), value("basecast_device_utilisation_ratio")


def test_memory_and_use_are_those_of_the_gpu_that_computes() -> None:
    assert _gauges(Driver()) == (30 * GIBI, 0.75)


def test_what_the_driver_does_not_tell_is_left_out() -> None:
    assert _gauges(Driver(utilisation_status=NOT_SUPPORTED)) == (30 * GIBI, None)


def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DriverError, match="cuDeviceGet answers 101"):
        Gpu.open(2, Driver())


def test_without_a_driver_nothing_is_exposed_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    def nothing(name: str) -> Driver:
        raise OSError(f"{name}: cannot open shared object file")

    registry = CollectorRegistry()
    watch_gpu(registry, "auto", nothing)
    assert list(registry.collect()) == []
    (line,) = caplog.records
    assert line.__dict__["detail"] == "libcuda.so.1: cannot open shared object file"
