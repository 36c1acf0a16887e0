"""A bundle is what its manifest says, to the byte, or it is refused in one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.bundle import MANIFEST, Manifest, find_bundles, read_bundle
from app.errors import BundleError
from tests.toy import write_dosage_bundle, write_manifest, write_token_bundle, write_toy_bundle
from tests.toy_segments import write_segmented_bundle


def golden(example: dict[str, object]) -> dict[str, object]:
    return {"tolerance": 1e-4, "examples": [example | {"values": {"PEAR": 1, "PLUM": 3}}]}


def test_reading_gives_the_files_and_the_digest_of_the_manifest(tmp_path: Path) -> None:
    folder = write_token_bundle(tmp_path)
    bundle = read_bundle(folder)
    assert set(bundle.files) == {"model.onnx", "tokenizer.json", "README.md"}
    assert bundle.sha256 == hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def test_the_same_manifest_gives_the_same_bytes(tmp_path: Path) -> None:
    raw = (write_toy_bundle(tmp_path) / MANIFEST).read_bytes()
    assert Manifest.model_validate_json(raw).to_json() == raw


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path)
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"gc/model\.onnx: SHA-256 differs"):
        read_bundle(folder)


QUANTISED = {
    "fp32_sha256": "0" * 64,
    "calibration_rows": 0,
    "compared": "test rows",
    "compared_rows": 1,
    "largest_difference": 0,
    "rms_difference": 0,
    "largest_batch_difference": 0,
}


@pytest.mark.parametrize("name", ["model.onnx", MANIFEST])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_toy_bundle(tmp_path)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"gc/{name}: No such file"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format"),
        ({"surprise": 1}, "surprise"),
        ({"version": "one"}, "version"),
        ({"quantised": QUANTISED}, "`quantised` belongs to the precisions `int8` and `int8-weights`, and only to them"),
        ({"name": "../up"}, "name"),
        ({"targets": []}, "targets"),
        ({"files": {}}, "`files` lacks model.onnx"),
        ({"files": {"../../etc/passwd": "0" * 64}}, "files"),
        ({"golden": {"tolerance": 1e-4, "examples": []}}, "golden.examples"),
        ({"golden": {"tolerance": 0.5, "examples": [{"sequence": "A", "values": {"gc_fraction": 0}}]}}, "tolerance"),
        ({"golden": {"tolerance": 1e-4, "examples": [{"sequence": "A", "values": {}}]}}, "does not name each target"),
    ],
)
def test_a_manifest_that_breaks_the_contract_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folder = write_toy_bundle(tmp_path)
    write_manifest(folder, **changes)
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_bases": 9, "max_bases": 8}, "min_bases is larger"),
        ({"pad_token_id": 3}, "pad_token_id belongs to"),
        ({"encoding": "smoke signals"}, "encoding"),
    ],
)
def test_input_rules_must_be_consistent(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    folder = write_toy_bundle(tmp_path)
    rules = json.loads((folder / MANIFEST).read_text())["input"]
    write_manifest(folder, input=rules | changes)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


def test_numbers_in_a_manifest_are_finite(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path)
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace('"mean": 0.5', '"mean": NaN'))
    with pytest.raises(BundleError):
        read_bundle(folder)


def test_segmented_and_dosage_models_need_their_own_files(tmp_path: Path) -> None:
    manifest = read_bundle(write_token_bundle(tmp_path)).manifest
    segmented = manifest.input.model_copy(update={"segments": {"count": 2, "bases": 10}})
    assert manifest.model_copy(update={"input": segmented}).required_files >= {"embedder.onnx", "head.onnx"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_bases": 19}, "make a window of 20 bases, and so must min_bases and max_bases be"),
        ({"max_bases": 21}, "make a window of 20 bases, and so must min_bases and max_bases be"),
        ({"segments": {"count": 5, "bases": 5}}, "make a window of 25 bases"),
        ({"segments": {"count": 0, "bases": 5}}, "count"),
        ({"window": {"anchor": "tss", "upstream_bases": 12, "downstream_bases": 9}}, "`window` has another length"),
        ({"motifs": {"bases": 5, "scores": "Given."}}, "segments belong to the encoding `tokens` without motifs"),
    ],
)
def test_segments_lie_side_by_side_in_the_window(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    folder = write_segmented_bundle(tmp_path)
    rules = json.loads((folder / MANIFEST).read_text())["input"]
    write_manifest(folder, input=rules | changes)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


def test_each_graph_s_work_has_a_digest_of_its_own(tmp_path: Path) -> None:
    whole, segmented = read_bundle(write_token_bundle(tmp_path)), read_bundle(write_segmented_bundle(tmp_path))
    assert [whole.work_digest(graph) for graph in whole.manifest.graphs] == [whole.sha256]
    assert segmented.manifest.graphs == ("embedder.onnx", "head.onnx")
    digests = {segmented.work_digest(graph)[:12] for graph in segmented.manifest.graphs}
    assert len(digests | {segmented.sha256[:12]}) == 3


def test_a_model_of_motifs_needs_their_list(tmp_path: Path) -> None:
    folder = write_token_bundle(tmp_path)
    rules = json.loads((folder / MANIFEST).read_text())["input"]
    write_manifest(folder, input=rules | {"motifs": {"bases": 7, "scores": "Given."}})
    with pytest.raises(BundleError, match=r"`files` lacks motifs\.txt"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("write", "changes", "message"),
    [
        (write_toy_bundle, {}, "motifs belong to the encoding `tokens`"),
        (write_token_bundle, {"max_bases": 6}, r"motifs\.bases is larger than max_bases"),
    ],
)
def test_motifs_must_fit_the_input(
    tmp_path: Path, write: Callable[[Path], Path], changes: dict[str, object], message: str
) -> None:
    folder = write(tmp_path)
    rules = json.loads((folder / MANIFEST).read_text())["input"]
    write_manifest(folder, input=rules | {"motifs": {"bases": 7, "scores": "Given."}} | changes)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


def test_a_bundle_of_dosages_lists_its_variants_and_reads_no_bases(tmp_path: Path) -> None:
    bundle = read_bundle(write_dosage_bundle(tmp_path))
    assert "variants.tsv" in bundle.files
    assert not bundle.manifest.input.reads_sequences


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": {"encoding": "dosage", "min_bases": 1, "max_bases": 1, "max_tokens": 3}}, "both are 0"),
        ({"input": {"encoding": "one_hot", "min_bases": 0, "max_bases": 9, "max_tokens": 9}}, "both are 0"),
        ({"golden": golden({"dosage": [0, 0]})}, "a golden example is not what the encoding reads"),
        ({"golden": golden({"sequence": "ACG"})}, "a golden example is not what the encoding reads"),
        ({"golden": golden({"sequence": "ACG", "dosage": [0, 0, 0]})}, "a golden example is not what"),
    ],
)
def test_what_a_bundle_of_dosages_says_must_be_of_dosages(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folder = write_dosage_bundle(tmp_path)
    write_manifest(folder, **changes)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


def test_the_public_part_names_no_files(tmp_path: Path) -> None:
    public = read_bundle(write_toy_bundle(tmp_path)).manifest.public()
    assert "files" not in public
    assert public["input"]["max_bases"] == 1000


def test_bundles_are_found_by_their_manifest(tmp_path: Path) -> None:
    second, first = write_toy_bundle(tmp_path, "b"), write_toy_bundle(tmp_path, "a")
    (tmp_path / "not a bundle").mkdir()
    write_toy_bundle(tmp_path, "c").rename(tmp_path / ".c.partial")  # what a killed export leaves
    assert find_bundles(tmp_path) == [first, second]
    assert find_bundles(first) == [first]


def test_no_bundle_at_all_is_an_error_that_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle in"):
        find_bundles(tmp_path / "nowhere")
