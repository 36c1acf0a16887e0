"""What ships keeps its promises: each bundle in models/ is whole, small, and predicts the same in any company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle import Bundle, Input, find_bundles, read_bundle
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.engine import OnnxModel, Values
from app.segmented_engine import SegmentedModel
from app.window_encoding import EncodedWindow, WindowEncoder
from tests.conftest import REPOSITORY

FOLDERS = find_bundles(REPOSITORY / "models")
MAX_BUNDLE_BYTES = 10 * 2**20

Model = OnnxModel | SegmentedModel
Row = Ids | EncodedWindow


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return read_bundle(folder)


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Model:
    """It checks the golden examples."""
    return SegmentedModel(bundle) if bundle.manifest.input.segments else OnnxModel(bundle)


def _rows(bundle: Bundle, sequences: list[str]) -> list[Row]:
    if bundle.manifest.input.segments is not None:
        windows = WindowEncoder(bundle.manifest, bundle.manifest.input.segments, bundle.files).encode(sequences)
        return [window for window in windows if isinstance(window, EncodedWindow)]
    encoded = SequenceEncoder(bundle.manifest, bundle.files).encode(sequences)
    return [row.ids for row in encoded if isinstance(row, EncodedSequence)]


def _together(model: Model, rows: list[Row]) -> Values:
    """All of them in one batch, of each graph."""
    if isinstance(model, OnnxModel):
        return model.predict(rows)
    embedded = model.embedder.predict([ids for window in rows for ids in window.segments])
    return model.head.predict(list(embedded.reshape(len(rows), -1)))


def _drawn_row(bundle: Bundle, length: int, seed: int) -> Row:
    """What a random sequence of this length, or a random person, is to the model."""
    generator = np.random.default_rng(seed)
    if not bundle.manifest.input.reads_sequences:
        return generator.integers(0, 3, size=length).astype(np.float32)
    (row,) = _rows(bundle, ["".join(generator.choice(list("ACGT"), length))])
    return row


def _lengths(rules: Input) -> list[int]:
    """Lengths that may share a batch: any, where padding is masked; one, where there is no mask."""
    if not rules.reads_sequences:
        return [rules.max_tokens]
    if rules.segments is not None:
        return [rules.segments.window_bases]
    shortest, longest = rules.min_bases, max(rules.min_bases, min(rules.max_bases, 300))
    return [longest] if rules.encoding == "one_hot" else [shortest, (shortest + longest) // 2, longest]


def test_a_prediction_does_not_depend_on_its_batch_mates(bundle: Bundle, model: Model) -> None:
    tolerance = bundle.manifest.golden.tolerance
    spread = np.array([target.standard_deviation for target in bundle.manifest.targets])
    lengths = _lengths(bundle.manifest.input)
    examples, most = (2, 2) if bundle.manifest.input.segments else (25, 12)  # a window has many segments

    @settings(max_examples=examples, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(lengths), st.integers(0, 2**32 - 1)), min_size=2, max_size=most))
    def hold(drawn: list[tuple[int, int]]) -> None:
        rows = [_drawn_row(bundle, length, seed) for length, seed in drawn]
        alone = np.vstack([model.predict([row]) for row in rows])
        assert np.max(np.abs(_together(model, rows) - alone) / spread) <= tolerance

    hold()


def test_rounding_up_lengths_changes_no_prediction(bundle: Bundle, model: Model) -> None:
    if bundle.manifest.input.encoding != "tokens":
        return  # nothing may be padded
    rounded = type(model)(bundle, length_multiple=8)
    rows = [_drawn_row(bundle, length, seed) for seed, length in enumerate(_lengths(bundle.manifest.input))]
    spread = np.array([target.standard_deviation for target in bundle.manifest.targets])
    for row in rows:
        difference = np.abs(rounded.predict([row]) - model.predict([row]))
        assert np.max(difference / spread) <= bundle.manifest.golden.tolerance


def test_dna_and_rna_of_either_case_are_the_same(bundle: Bundle, model: Model) -> None:
    golden = bundle.manifest.golden.examples[0].sequence
    if golden is None:
        return  # it reads no bases
    spelled = [golden, golden.lower(), golden.replace("T", "U"), golden.replace("T", "u")]
    values = model.predict(_rows(bundle, spelled))
    np.testing.assert_array_equal(values, np.repeat(values[:1], 4, axis=0))


def test_a_bundle_is_small_and_holds_nothing_but_what_its_manifest_lists(folder: Path, bundle: Bundle) -> None:
    present = {path.name for path in folder.iterdir()}
    assert present == {*bundle.manifest.files, "manifest.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MAX_BUNDLE_BYTES


def test_figures_stand_beside_a_baseline_on_the_same_rows(bundle: Bundle) -> None:
    scores = bundle.manifest.scores
    for target in bundle.manifest.target_names:
        ours = {(it.split, it.subset): it for it in scores if it.target == target and it.model == "this bundle"}
        assert ours
        for (split, subset), score in ours.items():
            beside = [it for it in scores if (it.target, it.split, it.subset) == (target, split, subset)]
            assert len(beside) > 1 or bundle.manifest.provenance.config.get(
                "baseline"
            )  # which is what others stand beside
            assert {it.rows for it in beside} == {score.rows}
            assert score.metrics["r2"].low <= score.metrics["r2"].value <= score.metrics["r2"].high


def test_the_card_says_what_the_manifest_says(folder: Path, bundle: Bundle) -> None:
    card = (folder / "README.md").read_text()
    for text in (bundle.manifest.licence, bundle.manifest.citation, *bundle.manifest.target_names):
        assert text in card


def test_no_path_of_the_machine_it_was_made_on_is_in_it(folder: Path) -> None:
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"/home/" not in content
        assert b"/root/" not in content
        assert b"site-packages" not in content
