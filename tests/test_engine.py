"""A model runs only if its graph and its golden examples are what the manifest says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bundle import MANIFEST, Input, digests, read_bundle
from app.encoding import EncodedSequence, SequenceEncoder
from app.engine import OnnxModel, feed, multiple_for
from app.errors import BundleError, DeviceLost, OutOfMemory
from tests.toy import (
    APPLES,
    gc_graph,
    mean_id_graph,
    write_dosage_bundle,
    write_hungry_bundle,
    write_manifest,
    write_token_bundle,
    write_toy_bundle,
)


def _predict(folder: Path, sequences: list[str]) -> list[list[float]]:
    bundle = read_bundle(folder)
    encoded = SequenceEncoder(bundle.manifest, bundle.files).encode(sequences)
    rows = [row.ids for row in encoded if isinstance(row, EncodedSequence)]
    values: list[list[float]] = OnnxModel(bundle).predict(rows).tolist()
    return values


def test_one_hot_predictions_are_those_worked_out_on_paper(tmp_path: Path) -> None:
    assert _predict(write_toy_bundle(tmp_path), ["GGCA", "AAAC", "TTTT"]) == [[0.75], [0.25], [0.0]]


def test_n_counts_as_no_base(tmp_path: Path) -> None:
    assert _predict(write_toy_bundle(tmp_path), ["GCNN"]) == [[1.0]]


def test_padding_is_inert(tmp_path: Path) -> None:
    # (1 + 4 + 5 + 2) / 4 = 3, beside a row three times as long
    values = _predict(write_token_bundle(tmp_path), ["AC", "TTTTTTTTTT"])
    np.testing.assert_allclose(values, [[3, 13], [73 / 12, 73 / 12 + 10]], rtol=1e-6)


def test_rounding_up_lengths_changes_no_value(tmp_path: Path) -> None:
    bundle = read_bundle(write_token_bundle(tmp_path))
    plain, rounded = OnnxModel(bundle), OnnxModel(bundle, length_multiple=8)
    rows = [np.array([1, *ids, 2], dtype=np.uint16) for ids in ([4, 5], [7] * 7, [6] * 14, [5] * 15)]
    np.testing.assert_allclose(rounded.predict(rows), plain.predict(rows), rtol=1e-6)
    for row in rows:
        np.testing.assert_allclose(rounded.predict([row]), plain.predict([row]), rtol=1e-6)


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(1, 16),
)
def test_lengths_are_rounded_up_as_far_as_the_model_reads(lengths: list[int], multiple: int) -> None:
    rules = Input(encoding="tokens", min_bases=1, max_bases=40, max_tokens=40, pad_token_id=3)
    rows = [np.full(length, 7, dtype=np.uint16) for length in lengths]
    graph_inputs = feed(rows, rules, multiple)
    ids, mask = graph_inputs["input_ids"], graph_inputs["attention_mask"]
    assert ids.shape == mask.shape == (len(rows), min(40, -(-max(lengths) // multiple) * multiple))
    assert mask.sum(axis=1).tolist() == lengths
    assert (ids == np.where(mask == 1, 7, 3)).all()
    assert (ids.dtype, mask.dtype) == (np.int64, np.int64)


@pytest.mark.parametrize(
    ("provider", "wanted", "multiple"),
    [("CPUExecutionProvider", None, 1), ("CUDAExecutionProvider", None, 8), ("CUDAExecutionProvider", 1, 1)],
)
def test_on_a_gpu_lengths_are_multiples_of_eight(provider: str, wanted: int | None, multiple: int) -> None:
    tokens = Input(encoding="tokens", min_bases=1, max_bases=40, max_tokens=40, pad_token_id=3)
    bases = Input(encoding="one_hot", min_bases=1, max_bases=40, max_tokens=40)
    assert multiple_for(provider, tokens, wanted) == multiple
    assert multiple_for(provider, bases, wanted) == 1  # it has no mask


def test_rows_of_different_lengths_are_no_batch_for_a_graph_without_a_mask() -> None:
    bases = Input(encoding="one_hot", min_bases=1, max_bases=40, max_tokens=40)
    with pytest.raises(ValueError, match="inhomogeneous"):
        feed([np.zeros(3, dtype=np.uint8), np.zeros(5, dtype=np.uint8)], bases)


def test_an_example_is_timed_in_groups(tmp_path: Path) -> None:
    measured = OnnxModel(read_bundle(write_token_bundle(tmp_path))).row_seconds()
    assert {1, 2} <= measured.keys()
    assert all(seconds > 0 for seconds in measured.values())


def test_a_group_that_the_device_cannot_hold_is_not_measured(tmp_path: Path) -> None:
    assert list(OnnxModel(read_bundle(write_hungry_bundle(tmp_path))).row_seconds()) == [2, 1]


def test_dosages_are_weighed_as_worked_out_on_paper(tmp_path: Path) -> None:
    model = OnnxModel(read_bundle(write_dosage_bundle(tmp_path)))
    rows = [np.array(row, dtype=np.float32) for row in ([1, 0, 0], [0, 2, 1.5])]
    # 1 + 2, 3; 1 + 0.5 * 2, 3 - 1.5
    assert model.predict(rows).tolist() == [[3.0, 3.0], [2.0, 1.5]]


def test_variants_that_are_not_those_of_the_graph_are_refused(tmp_path: Path) -> None:
    bundle = read_bundle(write_dosage_bundle(tmp_path))
    shorter = replace(
        bundle, files={**bundle.files, "variants.tsv": APPLES.replace(b"chr22\t300\tG\tT\t1.25\tPLUM\n", b"")}
    )
    with pytest.raises(BundleError, match="has 2 variants, and the graph reads 3"):
        OnnxModel(shorter)


def test_the_cpu_is_named_as_the_provider(tmp_path: Path) -> None:
    model = OnnxModel(read_bundle(write_toy_bundle(tmp_path)))
    assert model.on_cpu
    assert model.provider == "CPUExecutionProvider"


def _replace_graph(folder: Path, graph: bytes) -> None:
    (folder / "model.onnx").write_bytes(graph)
    files = json.loads((folder / MANIFEST).read_text())["files"]
    write_manifest(folder, files=files | digests({"model.onnx": graph}))


@pytest.mark.parametrize("graph", [b"", b"not a graph", gc_graph()[:200]])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, graph: bytes) -> None:
    folder = write_toy_bundle(tmp_path)
    _replace_graph(folder, graph)
    with pytest.raises(BundleError, match=r"gc/model\.onnx"):
        OnnxModel(read_bundle(folder))


def test_a_graph_with_other_inputs_is_refused(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path)
    _replace_graph(folder, mean_id_graph())
    with pytest.raises(BundleError, match=r"has inputs .* expected"):
        OnnxModel(read_bundle(folder))


def test_a_graph_with_more_outputs_than_targets_is_refused(tmp_path: Path) -> None:
    folder = write_token_bundle(tmp_path)
    document = json.loads((folder / MANIFEST).read_text())
    example = {"sequence": "AC", "values": {"mean_id": 3}}
    write_manifest(folder, targets=document["targets"][:1], golden={"tolerance": 1e-4, "examples": [example]})
    with pytest.raises(BundleError, match=r"golden example fails .*shape \(2, 2\) for 2 rows of 1 values"):
        OnnxModel(read_bundle(folder))


def _set_golden(folder: Path, sequence: str, value: float) -> None:
    example = {"sequence": sequence, "values": {"gc_fraction": value}}
    write_manifest(folder, golden={"tolerance": 1e-4, "examples": [example]})


@pytest.mark.parametrize(("value", "passes"), [(0.75, True), (0.750009, True), (0.75002, False), (0.5, False)])
def test_golden_examples_hold_within_the_tolerance(tmp_path: Path, value: float, passes: bool) -> None:
    # tolerance 1e-4 of a standard deviation of 0.1
    folder = write_toy_bundle(tmp_path)
    _set_golden(folder, "GGCA", value)
    if passes:
        OnnxModel(read_bundle(folder))
    else:
        with pytest.raises(BundleError, match="golden examples differ"):
            OnnxModel(read_bundle(folder))


def test_a_golden_example_that_predicts_nan_is_refused(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path)
    _set_golden(folder, "NN", 0.5)
    with pytest.raises(BundleError, match="golden examples differ by nan"):
        OnnxModel(read_bundle(folder))


def test_a_golden_example_the_model_refuses_is_refused(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path)
    _set_golden(folder, "XX", 0.5)
    with pytest.raises(BundleError, match="refuses one of its own golden examples"):
        OnnxModel(read_bundle(folder))


def test_a_cpu_that_stands_in_for_a_gpu_says_so(tmp_path: Path) -> None:
    bundle = read_bundle(write_toy_bundle(tmp_path))
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    devices = ("cpu", "auto", "cuda:0")
    assert [OnnxModel(bundle, device).fell_back for device in devices] == [False, False, True]


def test_cuda_without_cuda_is_refused_unless_the_cpu_is_allowed(tmp_path: Path) -> None:
    bundle = read_bundle(write_toy_bundle(tmp_path))
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(BundleError, match=r"CUDA did not start; this ONNX Runtime does not have it: install .*gpu"):
        OnnxModel(bundle, "cuda:0", allow_cpu=False)


def test_onnx_runtime_tells_nobody_what_it_runs(tmp_path: Path) -> None:
    """Where it does, it leaves an id of the machine and a database of what it has yet to send in the home folder."""
    bundle, home = write_toy_bundle(tmp_path / "models"), tmp_path / "home"
    home.mkdir()
    program = "import sys; from app.session import ort; ort.InferenceSession(sys.argv[1])"
    silencing = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in silencing} | {"HOME": str(home)}
    subprocess.run([sys.executable, "-c", program, bundle / "model.onnx"], env=environment, check=True)
    assert not any(path.is_file() for path in home.rglob("*"))


ARENA = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running MatMul node. Name:'' "
    "Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 "
    "void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) "
)
RUN_TEXTS = [
    (ARENA + "Failed to allocate memory for requested buffer of size 536870912", OutOfMemory),
    (ARENA + "Available memory of 1048576 is smaller than requested bytes of 67108864", OutOfMemory),
    ("CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; expr=cudaMalloc((void**)&p, size);", OutOfMemory),
    ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=h ; expr=cublasCreate(&handle);", OutOfMemory),
    ("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc", OutOfMemory),
    ("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; expr=f;", DeviceLost),
    ("CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=h ; expr=cudaGetLastError();", DeviceLost),
    ("CUDA failure 214: uncorrectable ECC error encountered ; GPU=0 ; hostname=h ; expr=f;", DeviceLost),
    ("CUDA error: device-side assert triggered", DeviceLost),
    ("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input", RuntimeError),
    ("CUDA failure 1: invalid argument ; GPU=0 ; hostname=h ; expr=f;", RuntimeError),
]


class FailingSession:
    """A session that raises what ONNX Runtime raises."""

    def __init__(self, text: str) -> None:
        self._text = text

    def run(self, outputs: list[str], feed: object) -> None:
        raise RuntimeError(self._text)


@pytest.mark.parametrize(("text", "meaning"), RUN_TEXTS)
def test_what_onnx_runtime_raises_is_understood(tmp_path: Path, text: str, meaning: type[Exception]) -> None:
    model = OnnxModel(read_bundle(write_toy_bundle(tmp_path)))
    model._session._session = FailingSession(text)
    with pytest.raises(meaning) as raised:
        model.predict([np.zeros(4, dtype=np.uint8)])
    assert type(raised.value) is meaning


def test_memory_that_runs_out_in_onnx_runtime_itself_is_understood(tmp_path: Path) -> None:
    model, row = OnnxModel(read_bundle(write_hungry_bundle(tmp_path))), np.array([1, 3], dtype=np.uint8)
    with pytest.raises(OutOfMemory):
        model.predict([row, row, row])
    assert model.predict([row, row]).tolist() == [[0.5], [0.5]]


def test_a_session_that_fails_does_not_verify_and_its_successor_does(tmp_path: Path) -> None:
    model = OnnxModel(read_bundle(write_toy_bundle(tmp_path)))
    model._session._session = FailingSession(ARENA)
    with pytest.raises(BundleError, match="golden example fails"):
        model.verify()
    model.rebuild()
    assert model.predict([np.array([2, 2], dtype=np.uint8)]) == 1.0


def test_while_the_session_is_rebuilt_there_is_no_memory(tmp_path: Path) -> None:
    model = OnnxModel(read_bundle(write_toy_bundle(tmp_path)))
    model._session._session = None
    with pytest.raises(OutOfMemory):
        model.predict([np.zeros(4, dtype=np.uint8)])


def test_encodings_of_later_versions_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path)
    rules = json.loads((folder / MANIFEST).read_text())["input"]
    write_manifest(folder, input=rules | {"segments": {"count": 1, "bases": 4}})
    with pytest.raises(BundleError, match="segments belong to the encoding `tokens`"):
        read_bundle(folder)
