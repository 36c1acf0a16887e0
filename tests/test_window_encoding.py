"""Windows are checked whole, as they were sent, and encoded a segment at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.bundle import read_bundle
from app.encoding import SequenceRefused
from app.window_encoding import EncodedWindow, WindowEncoder
from tests.toy_segments import write_segmented_bundle


@pytest.fixture
def encoder(tmp_path: Path) -> WindowEncoder:
    return encoder_of(tmp_path)


def encoder_of(folder: Path, **rules: object) -> WindowEncoder:
    bundle = read_bundle(write_segmented_bundle(folder))
    manifest = bundle.manifest
    assert manifest.input.segments is not None
    changed = manifest.model_copy(update={"input": manifest.input.model_copy(update=rules)})
    return WindowEncoder(changed, manifest.input.segments, bundle.files)


def test_segments_are_tokenised_by_themselves_in_reading_order(encoder: WindowEncoder) -> None:
    (window,) = encoder.encode(["AAAAAccuccGTGTGAACCA"])
    assert isinstance(window, EncodedWindow)
    assert [ids.tolist() for ids in window.segments] == [
        [1, 4, 4, 4, 4, 4, 2], [1, 5, 5, 7, 5, 5, 2], [1, 6, 7, 6, 7, 6, 2], [1, 4, 4, 5, 5, 4, 2],
    ]  # fmt: skip
    assert (window.bases, window.tokens) == (20, 28)


def test_equal_segments_are_one_array(encoder: WindowEncoder) -> None:
    first, second = encoder.encode(["AAAAA" * 4, "CCCCC" + "aaaaa" * 3])
    assert isinstance(first, EncodedWindow)
    assert isinstance(second, EncodedWindow)
    assert len({id(ids) for ids in (*first.segments, *second.segments)}) == 2


def test_a_refused_window_is_told_by_the_position_that_was_sent(encoder: WindowEncoder) -> None:
    refused, accepted, empty = encoder.encode(["A" * 13 + "é" + "A" * 6, "A" * 20, ""])
    assert isinstance(refused, SequenceRefused)
    assert (refused.code, refused.position) == ("invalid_base", 13)
    assert isinstance(accepted, EncodedWindow)
    assert isinstance(empty, SequenceRefused)
    assert empty.code == "empty"


def test_a_segment_of_too_many_tokens_refuses_its_window(tmp_path: Path) -> None:
    (refused,) = encoder_of(tmp_path, max_tokens=6).encode(["A" * 20])
    assert isinstance(refused, SequenceRefused)
    assert refused.code == "too_long"


def test_segments_that_are_asked_for_one_by_one_are_checked_too(tmp_path: Path) -> None:
    known, unknown = encoder_of(tmp_path, ambiguous="refused").encode_segments(["ACGTA", "ACGTN"])
    assert not isinstance(known, SequenceRefused)
    assert known.ids.tolist() == [1, 4, 5, 6, 7, 4, 2]
    assert isinstance(unknown, SequenceRefused)
    assert unknown.code == "invalid_base"
