"""One graph of a bundle on a device: an ONNX Runtime session, and what its errors mean."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.bundle import Bundle
from app.errors import BundleError, DeviceLost, OutOfMemory

# From 1.29 on ONNX Runtime tells its makers which models run where, and keeps an id of the machine in the home folder,
# unless this is set before it starts.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
try:
    import onnxruntime as ort
except ImportError as error:  # pragma: no cover - depends on the environment, not on the code
    raise ImportError(
        "ONNX Runtime is not installed: pip install 'basecast[cpu]' or 'basecast[gpu]' (never both)"
    ) from error

Device = Literal["auto", "cpu"] | str
Feed = dict[str, npt.NDArray[np.generic]]

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
DRIVER = "libcuda.so.1"  # what of NVIDIA's driver ONNX Runtime is linked to
# ONNX Runtime has no type for these, only texts; BFCArena is its allocator, which names itself in all that it raises.
OUT_OF_MEMORY_SIGNS = ("Failed to allocate memory", "BFCArena", "out of memory", "_ALLOC_FAILED", "bad_alloc")
# After one of these every later call of the process fails, whatever its session or thread.
STICKY_CUDA_FAILURES = frozenset({214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719, 999})
STICKY_SIGNS = ("illegal memory access", "device-side assert", "unspecified launch failure", "uncorrectable ECC")
CUDA_FAILURE = re.compile(r"CUDA failure (\d+)")


class OnnxSession:
    """Owns the session of one graph, which can be opened anew.

    Args:
        bundle: verified files and their manifest.
        graph: which of its files.
        inputs, output: the names that it must have.
        device: `cpu`, `cuda:N`, or `auto` (CUDA where this ONNX Runtime has it, else the CPU).
        threads: intra-op threads on the CPU.
        allow_cpu: accept the CPU when CUDA was asked for and did not start.

    Raises:
        BundleError: the graph does not load, or has other inputs or outputs.
    """

    def __init__(
        self, bundle: Bundle, graph: str, inputs: set[str], output: str, device: Device, threads: int, allow_cpu: bool
    ) -> None:
        self._open = partial(_open, bundle, graph, device, threads, allow_cpu)
        self.threads = threads
        self._output = output
        self._wants_gpu = device != "cpu" and (device != "auto" or CUDA in ort.get_available_providers())
        self._session: ort.InferenceSession | None = self._open()
        _check_names(self._session, f"{bundle.manifest.name}/{graph}", inputs, output)
        self.provider: str = self._session.get_providers()[0]

    @property
    def fell_back(self) -> bool:
        """Whether the CPU stands in for a GPU that was asked for, or that this ONNX Runtime is made for."""
        return self._wants_gpu and self.provider == CPU

    def reopen(self) -> None:
        """Open another session in place of this one, whose memory is free before.

        Raises:
            BundleError: the new one does not open.
        """
        self._session = None
        self._session = self._open()
        self.provider = self._session.get_providers()[0]

    def run(self, feed: Feed) -> npt.NDArray[np.float32]:
        """The graph's output for these inputs.

        Raises:
            OutOfMemory: the device could not hold them.
            DeviceLost: the device does not work any more.
        """
        session = self._session
        if session is None:  # another thread opens it anew
            raise OutOfMemory(retry_after_ms=1000)
        try:
            (values,) = session.run([self._output], feed)
        except Exception as error:
            known = understood(error)
            if known is None:
                raise
            raise known from error
        return np.asarray(values, dtype=np.float32)


def understood(error: Exception) -> DeviceLost | OutOfMemory | None:
    """What an error of ONNX Runtime says of the device; None where it says nothing."""
    text = str(error)
    failures = {int(number) for number in CUDA_FAILURE.findall(text)}
    if failures & STICKY_CUDA_FAILURES or any(sign in text for sign in STICKY_SIGNS):
        return DeviceLost(first_line(error))
    if isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY_SIGNS):
        return OutOfMemory(retry_after_ms=1000)
    return None


def first_line(error: Exception) -> str:
    """As much of an error's text as fits into a line."""
    return str(error).strip().partition("\n")[0][:200]


def _open(bundle: Bundle, graph: str, device: Device, threads: int, allow_cpu: bool) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # an error is raised as well, and then logged in our form
    # Idle intra-op threads would otherwise spin on the cores that tokenise and answer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(bundle.files[graph], options, providers=_providers(bundle, device))
    except Exception as error:
        reason = f"ONNX Runtime cannot load it ({type(error).__name__})"
        raise BundleError(f"{bundle.manifest.name}/{graph}: {reason}") from error
    # ONNX Runtime falls back to the CPU in silence.
    if device.startswith("cuda") and not allow_cpu and session.get_providers()[0] != CUDA:
        reason = _lacking_for_cuda() or "ONNX Runtime said why: mend that"
        raise BundleError(f"device {device}: CUDA did not start; {reason}, or set allow_cpu")
    return session


def _providers(bundle: Bundle, device: Device) -> list[str | tuple[str, Mapping[str, str]]]:
    if device == "cpu" or _lacking_for_cuda():
        return [CPU]
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    index = device.partition(":")[2] or "0"
    tf32 = "1" if bundle.manifest.precision == "fp16" else "0"
    return [(CUDA, {"device_id": index, "use_tf32": tf32}), CPU]


def _lacking_for_cuda() -> str:
    """What CUDA needs and is not here, and the way out; without a driver ONNX Runtime would complain at length."""
    if CUDA not in ort.get_available_providers():
        return "this ONNX Runtime does not have it: install basecast[gpu]"
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return f"there is no NVIDIA driver ({DRIVER}): install it, give the container the GPU"
    return ""


def _check_names(session: ort.InferenceSession, where: str, inputs: set[str], output: str) -> None:
    found = {node.name for node in session.get_inputs()}
    outputs = [node.name for node in session.get_outputs()]
    if found != inputs or outputs != [output]:
        raise BundleError(
            f"{where}: has inputs {sorted(found)} and outputs {outputs}, expected {sorted(inputs)} and ['{output}']"
        )
