"""A bundle of two graphs proves itself end to end, and each graph serves a queue of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.bundle import EMBEDDER, HEAD, Bundle, digests, read_bundle
from app.errors import BundleError, OutOfMemory
from app.fuse import Fuse
from app.loading import count_each, load
from app.metrics import BatchRun, Metrics
from app.segmented_engine import SegmentedModel, open_graphs
from app.watchdog import Watchdog
from app.window_encoding import EncodedWindow, WindowEncoder
from tests.toy import mean_id_graph, write_manifest
from tests.toy_segments import embedder_graph, gc_squares, head_graph, write_segmented_bundle

WINDOW = "ACGTACCCGTTTTTTGGGGC"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_segmented_bundle(tmp_path))


def encoded(bundle: Bundle, *windows: str) -> list[EncodedWindow]:
    segments = bundle.manifest.input.segments
    assert segments is not None
    read = WindowEncoder(bundle.manifest, segments, bundle.files).encode(windows)
    return [window for window in read if isinstance(window, EncodedWindow)]


def test_windows_are_predicted_as_worked_out_on_paper(bundle: Bundle) -> None:
    windows = [WINDOW, "AAAAACCCCCGGTTAACGTA", "NNAAACCCCCGGTTAACGTA"]
    assert SegmentedModel(bundle).predict(encoded(bundle, *windows)).ravel().tolist() == [
        pytest.approx(gc_squares(window)) for window in windows
    ]
    assert gc_squares("AAAAACCCCCGGTTAACGTA") == 78


def test_each_graph_answers_its_own_rows(bundle: Bundle) -> None:
    embedder, head = open_graphs(bundle)
    (window,) = encoded(bundle, WINDOW)
    embeddings = embedder.predict(window.segments)
    assert embeddings.tolist() == [[2, 3], [4, 1], [0, 5], [5, 0]]
    assert head.predict([embeddings.ravel(), np.zeros(8, dtype=np.float32)]).tolist() == [[4 + 2 * 16 + 4 * 25], [0]]
    assert (len(embedder.longest_row()), len(head.longest_row())) == (7, 8)


@pytest.mark.parametrize(
    ("name", "graph", "message"),
    [
        (EMBEDDER, head_graph(), r"gc-squares/embedder\.onnx: has inputs \['embeddings'\]"),
        (HEAD, embedder_graph(), r"gc-squares/head\.onnx: has inputs .* expected \['embeddings'\]"),
        (EMBEDDER, mean_id_graph(), r"embedder\.onnx: .* outputs \['values'\], expected .* \['embedding'\]"),
        (HEAD, head_graph(count=5), "a golden example fails"),
        (HEAD, b"no graph", r"head\.onnx: ONNX Runtime cannot load it"),
    ],
)
def test_graphs_that_do_not_fit_the_manifest_are_refused(tmp_path: Path, name: str, graph: bytes, message: str) -> None:
    folder = write_segmented_bundle(tmp_path)
    (folder / name).write_bytes(graph)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    write_manifest(folder, files=digests(files))
    with pytest.raises(BundleError, match=message):
        open_graphs(read_bundle(folder))


@pytest.mark.parametrize(
    ("sequence", "value", "message"),
    [("A" * 20, 1, "golden examples differ by 0.1"), ("X" * 20, 0, "refuses one of its own golden examples")],
)
def test_a_golden_example_is_a_whole_window(tmp_path: Path, sequence: str, value: float, message: str) -> None:
    example = {"sequence": sequence, "values": {"gc_squares": value}}
    folder = write_segmented_bundle(tmp_path, golden={"tolerance": 1e-2, "examples": [example]})
    with pytest.raises(BundleError, match=message):
        open_graphs(read_bundle(folder))


def test_a_graph_that_is_opened_anew_proves_both(bundle: Bundle) -> None:
    embedder, head = open_graphs(bundle)
    head._session._session = None
    with pytest.raises(OutOfMemory):
        head.predict([np.zeros(8, dtype=np.float32)])
    with pytest.raises(BundleError, match="a golden example fails"):
        embedder.verify()
    head.rebuild()
    embedder.verify()


def test_loading_gives_each_graph_work_and_limits_of_its_own(bundle: Bundle) -> None:
    embedder, head = load(bundle, "cpu", True, Watchdog(Fuse(), 3600), time_longest=True)
    assert (embedder.name, head.name) == (EMBEDDER, HEAD)
    assert len({bundle.sha256[:12], embedder.work_digest[:12], head.work_digest[:12]}) == 3
    # A segment's embedding has two numbers, so as many segments as tokens go into a batch.
    assert (embedder.strategy.limits.max_tokens, head.strategy.limits.max_tokens) == (16_384, 2 * 16_384)
    assert 0 < head.speed.longest_seconds < 1


def test_what_is_the_bundle_s_is_counted_with_its_first_graph(bundle: Bundle) -> None:
    metrics = Metrics()
    ((embedder, head),) = count_each([bundle], metrics)
    assert (len(embedder.values), len(head.values)) == (1, 0)
    head.batch(BatchRun(rows=3, tokens=24, padded_tokens=24, seconds=0.1, waited_seconds=0.0))
    sample = metrics.registry.get_sample_value
    assert sample("basecast_batch_sequences_sum", {"model": "gc-squares/head"}) == 3
    assert sample("basecast_model_info", {"model": "gc-squares", "version": "1.0.0", "sha256": bundle.sha256}) == 1
    assert {it.labels["model"] for family in metrics.model_info.collect() for it in family.samples} == {"gc-squares"}
