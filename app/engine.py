"""One model on one device: an ONNX Runtime session that has proved it predicts what its manifest promises."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.bundle import GRAPH, Bundle, Golden, Input, Manifest
from app.dosage import read_variants
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.errors import BundleError, DeviceLost, InferenceFailed, OutOfMemory

# From 1.29 on ONNX Runtime tells its makers which models run where, and keeps an id of the machine in the home folder,
# unless this is set before it starts.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
try:
    import onnxruntime as ort
except ImportError as error:  # pragma: no cover - depends on the environment, not on the code
    raise ImportError(
        "ONNX Runtime is not installed: pip install 'basecast[cpu]' or 'basecast[gpu]' (never both)"
    ) from error

Values = npt.NDArray[np.float32]  # (batch, targets), in the targets' units
Device = Literal["auto", "cpu"] | str
Feed = dict[str, npt.NDArray[np.generic]]

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
GRAPH_INPUTS = {"tokens": {"input_ids", "attention_mask"}, "one_hot": {"bases"}, "dosage": {"dosage"}}
ONE_HOT = np.vstack([np.eye(4, dtype=np.float32), np.zeros((1, 4), dtype=np.float32)])  # A C G T, N = zeros
# ONNX Runtime has no type for these, only texts; BFCArena is its allocator, which names itself in all that it raises.
OUT_OF_MEMORY_SIGNS = ("Failed to allocate memory", "BFCArena", "out of memory", "_ALLOC_FAILED", "bad_alloc")
# After one of these every later call of the process fails, whatever its session or thread.
STICKY_CUDA_FAILURES = frozenset({214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719, 999})
STICKY_SIGNS = ("illegal memory access", "device-side assert", "unspecified launch failure", "uncorrectable ECC")
CUDA_FAILURE = re.compile(r"CUDA failure (\d+)")


class OnnxModel:
    """Runs one bundle's graph.

    Args:
        bundle: verified files and their manifest.
        device: `cpu`, `cuda:N`, or `auto` (CUDA where this ONNX Runtime has it, else the CPU).
        threads: intra-op threads on the CPU.
        allow_cpu: accept the CPU when CUDA was asked for and did not start.

    Raises:
        BundleError: the graph does not load, has other inputs or outputs, or fails a golden example.

    Attributes:
        seconds_per_token: measured when the golden examples were checked.
    """

    def __init__(self, bundle: Bundle, device: Device = "cpu", threads: int = 1, allow_cpu: bool = True) -> None:
        self.manifest = bundle.manifest
        self.sha256 = bundle.sha256
        if self.manifest.input.encoding == "dosage":
            read_variants(self.manifest, bundle.files)
        self._encoder = SequenceEncoder(bundle.manifest, bundle.files)
        self._open = partial(_open_session, bundle, device, threads, allow_cpu)
        self._wants_gpu = device != "cpu" and (device != "auto" or CUDA in ort.get_available_providers())
        self._session: ort.InferenceSession | None = self._open()
        _check_graph(self._session, self.manifest)
        self.provider: str = self._session.get_providers()[0]
        self.seconds_per_token = self.verify()

    @property
    def on_cpu(self) -> bool:
        return self.provider == CPU

    @property
    def fell_back(self) -> bool:
        """Whether the CPU stands in for a GPU that was asked for, or that this ONNX Runtime is made for."""
        return self._wants_gpu and self.on_cpu

    def verify(self) -> float:
        """Predict the golden examples.

        Returns:
            Seconds that the model takes for a token.

        Raises:
            BundleError: one fails or differs.
        """
        return check_golden(self, self._encoder)

    def time_longest(self) -> float:
        """Seconds that the longest input takes by itself, once the device has seen one of its length."""
        golden = golden_rows(self.manifest.golden, self._encoder)[0]
        row = np.resize(golden, self.manifest.input.max_tokens)  # repeats it
        if not self.on_cpu:
            self.predict([row])
        started = time.perf_counter()
        self.predict([row])
        return time.perf_counter() - started

    def rebuild(self) -> None:
        """Open another session in place of this one, whose memory is free before.

        Raises:
            BundleError: the new one does not open or predicts something else.
        """
        self._session = None
        self._session = self._open()
        self.provider = self._session.get_providers()[0]
        self.verify()

    def predict(self, rows: Sequence[Ids]) -> Values:
        """Predict a batch.

        Args:
            rows: encoded sequences; for `one_hot` all of one length, since that graph has no mask. For `dosage`
                a person's dosages each.

        Returns:
            (rows, targets) float32 in the targets' units.

        Raises:
            OutOfMemory: the device could not hold the batch.
            DeviceLost: the device does not work any more.
            InferenceFailed: the graph answers another shape.
        """
        session = self._session
        if session is None:  # another thread rebuilds it
            raise OutOfMemory(retry_after_ms=1000)
        try:
            (values,) = session.run(["values"], feed(rows, self.manifest.input))
        except Exception as error:
            known = understood(error)
            if known is None:
                raise
            raise known from error
        if np.shape(values) != (len(rows), len(self.manifest.targets)):
            expected = f"{len(rows)} rows of {len(self.manifest.targets)} targets"
            raise InferenceFailed(f"The graph answers an array of shape {np.shape(values)} for {expected}.")
        return np.asarray(values, dtype=np.float32)


def understood(error: Exception) -> DeviceLost | OutOfMemory | None:
    """What an error of ONNX Runtime says of the device; None where it says nothing."""
    text = str(error)
    failures = {int(number) for number in CUDA_FAILURE.findall(text)}
    if failures & STICKY_CUDA_FAILURES or any(sign in text for sign in STICKY_SIGNS):
        return DeviceLost(_first_line(error))
    if isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY_SIGNS):
        return OutOfMemory(retry_after_ms=1000)
    return None


def feed(rows: Sequence[Ids], rules: Input) -> Feed:
    """The graph's inputs for a batch of encoded sequences."""
    if rules.encoding == "one_hot":
        return {"bases": ONE_HOT[np.stack(rows)]}  # (batch, length, 4)
    if rules.encoding == "dosage":
        return {"dosage": np.stack(rows)}  # (batch, variants)
    longest = max(len(row) for row in rows)
    input_ids = np.full((len(rows), longest), rules.pad_token_id, dtype=np.int64)
    attention_mask = np.zeros((len(rows), longest), dtype=np.int64)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = row
        attention_mask[index, : len(row)] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def check_golden(model: OnnxModel, encoder: SequenceEncoder) -> float:
    """Predict each golden example, in a batch of two of it, and compare both rows.

    Returns:
        Seconds that the model takes for a token, now that it is warm.

    Raises:
        BundleError: an example is refused, fails, or differs by more than the manifest's tolerance.
    """
    name, golden = model.manifest.name, model.manifest.golden
    accepted = golden_rows(golden, encoder)
    if len(accepted) < len(golden.examples):
        raise BundleError(f"{name}: the model refuses one of its own golden examples")
    try:
        pairs = np.stack([model.predict([row, row]) for row in accepted])  # (examples, 2, targets)
    except Exception as error:
        raise BundleError(f"{name}: a golden example fails ({type(error).__name__}): {_first_line(error)}") from error
    worst = max(_largest_difference(pairs[:, place], golden, model.manifest) for place in range(2))
    if not worst <= golden.tolerance:  # also true for NaN
        raise BundleError(
            f"{name}: golden examples differ by {worst:.3g} standard deviations "
            f"(tolerance {golden.tolerance:g}); the graph does not predict what its manifest says"
        )
    return _seconds_per_token(model, accepted[-1])


def golden_rows(golden: Golden, encoder: SequenceEncoder) -> list[Ids]:
    """The golden examples as the model reads them, but for those that it refuses."""
    encoded = encoder.encode([example.sequence for example in golden.examples if example.sequence is not None])
    dosages = [example.dosage for example in golden.examples if example.dosage is not None]
    accepted = [row.ids for row in encoded if isinstance(row, EncodedSequence)]
    return accepted + [np.array(dosage, dtype=np.float32) for dosage in dosages]


def _seconds_per_token(model: OnnxModel, row: Ids) -> float:
    started = time.perf_counter()
    model.predict([row, row])
    return (time.perf_counter() - started) / (2 * len(row))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _largest_difference(predicted: Values, golden: Golden, manifest: Manifest) -> float:
    """Largest absolute difference to the golden values, in standard deviations of each target."""
    names = manifest.target_names
    expected = np.array([[example.values[name] for name in names] for example in golden.examples])
    spread = np.array([target.standard_deviation for target in manifest.targets])
    return float(np.max(np.abs(predicted - expected) / spread))


def _open_session(bundle: Bundle, device: Device, threads: int, allow_cpu: bool) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # an error is raised as well, and then logged in our form
    # Idle intra-op threads would otherwise spin on the cores that tokenise and answer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(bundle.files[GRAPH], options, providers=_providers(bundle, device))
    except Exception as error:
        reason = f"ONNX Runtime cannot load it ({type(error).__name__})"
        raise BundleError(f"{bundle.manifest.name}/{GRAPH}: {reason}") from error
    # ONNX Runtime falls back to the CPU in silence.
    if device.startswith("cuda") and not allow_cpu and session.get_providers()[0] != CUDA:
        raise BundleError(f"device {device}: CUDA did not start; install basecast[gpu] and a driver, or allow_cpu")
    return session


def _providers(bundle: Bundle, device: Device) -> list[str | tuple[str, Mapping[str, str]]]:
    if device == "cpu" or CUDA not in ort.get_available_providers():
        return [CPU]
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    index = device.partition(":")[2] or "0"
    tf32 = "0" if bundle.manifest.precision == "fp32" else "1"
    return [(CUDA, {"device_id": index, "use_tf32": tf32}), CPU]


def _check_graph(session: ort.InferenceSession, manifest: Manifest) -> None:
    expected = GRAPH_INPUTS.get(manifest.input.encoding)
    if expected is None or manifest.input.segments:
        raise BundleError(f"{manifest.name}: this version of Basecast cannot serve its encoding yet")
    inputs = {node.name for node in session.get_inputs()}
    outputs = [node.name for node in session.get_outputs()]
    if inputs != expected or outputs != ["values"]:
        raise BundleError(
            f"{manifest.name}/{GRAPH}: has inputs {sorted(inputs)} and outputs {outputs}, "
            f"expected {sorted(expected)} and ['values']"
        )
