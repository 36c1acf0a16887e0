"""The benchmark beside raw ONNX Runtime measures every bundle with sequences that it takes."""

from __future__ import annotations

from app.bundle import read_manifest
from benchmarks.__main__ import measurable, shipped
from tests.conftest import REPOSITORY

MODELS = REPOSITORY / "models"
LEFT_OUT = {"geuvadis-elastic-net", "geuvadis-personal"}  # one reads genotypes, the other a window in segments


def test_every_shipped_bundle_is_sent_sequences_that_it_takes() -> None:
    found = measurable(MODELS)
    assert {folder.name for folder in found} == {path.parent.name for path in MODELS.glob("*/manifest.json")} - LEFT_OUT
    for folder in found:
        rules, lengths = read_manifest(folder).input, list(map(len, shipped(folder).sequences))
        assert rules.min_bases <= min(lengths)
        assert max(lengths) <= rules.max_bases
