"""Letters become model input by the manifest's rules, and refusals say where and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from app.bundle import Input, Manifest, read_bundle
from app.encoding import EncodedSequence, SequenceEncoder, SequenceRefused
from app.errors import BundleError
from tests.toy import base_tokenizer, gc_manifest, mean_id_manifest, write_token_bundle

COMPACT = read_bundle(Path(__file__).parents[1] / "models" / "utrseq-decay-dnabert2")
TOKENIZER = {"tokenizer.json": base_tokenizer()}


def _encoder(**rules: object) -> SequenceEncoder:
    manifest = gc_manifest("gc") | {"files": {"model.onnx": "0" * 64}}
    return SequenceEncoder(Manifest.model_validate(manifest | {"input": manifest["input"] | rules}), {})


def _token_encoder(**rules: object) -> SequenceEncoder:
    manifest = mean_id_manifest("ids") | {"files": {"model.onnx": "0" * 64, "tokenizer.json": "0" * 64}}
    return SequenceEncoder(Manifest.model_validate(manifest | {"input": manifest["input"] | rules}), TOKENIZER)


def _only(encoder: SequenceEncoder, sequence: str) -> EncodedSequence | SequenceRefused:
    (encoded,) = encoder.encode([sequence])
    return encoded


def test_one_hot_codes_are_a_c_g_t_n() -> None:
    encoded = _only(_encoder(), "ACGTN")
    assert isinstance(encoded, EncodedSequence)
    assert encoded.ids.tolist() == [0, 1, 2, 3, 4]
    assert (encoded.bases, encoded.tokens) == (5, 5)


def test_lower_case_and_u_are_read_as_upper_case_and_t() -> None:
    encoded = _only(_encoder(), "acgu")
    assert isinstance(encoded, EncodedSequence)
    assert encoded.ids.tolist() == [0, 1, 2, 3]


def test_tokens_carry_the_special_tokens() -> None:
    encoded = _only(_token_encoder(), "ACGT")
    assert isinstance(encoded, EncodedSequence)
    assert encoded.ids.tolist() == [1, 4, 5, 6, 7, 2]
    assert (encoded.bases, encoded.tokens) == (4, 6)


@pytest.mark.parametrize(
    ("sequence", "position"),
    [
        ("ACGX", 3),
        ("AC GT", 2),
        ("AC\nGT", 2),
        (">A", 0),
        ("AC\u0410", 2),
        ("😀A", 0),
        ("A\u202eC", 1),
        ("A\x00", 1),
        ("A\ud800", 1),
    ],
)
def test_a_bad_base_is_refused_by_position_never_by_letter(sequence: str, position: int) -> None:
    refused = _only(_encoder(), sequence)
    assert isinstance(refused, SequenceRefused)
    assert (refused.code, refused.position) == ("invalid_base", position)
    assert (
        sequence[position] not in refused.detail.replace("A, C, G, T, U, N", "").replace("ACGT", "")
        or sequence[position].isspace()
    )


@pytest.mark.parametrize(("ambiguous", "accepted"), [("refused", ""), ("n", "Nn"), ("iupac", "NnRYSWKMBDHVryswkmbdhv")])
def test_ambiguous_bases_follow_the_manifest(ambiguous: str, accepted: str) -> None:
    encoder = _encoder(ambiguous=ambiguous)
    for letter in "NRYSWKMBDHVnryswkmbdhv":
        encoded = _only(encoder, f"A{letter}")
        assert isinstance(encoded, EncodedSequence) == (letter in accepted), letter
        if isinstance(encoded, EncodedSequence):
            assert encoded.ids.tolist() == [0, 4]


def test_u_is_refused_where_the_manifest_says_so() -> None:
    refused = _only(_encoder(accepts_u=False), "ACGU")
    assert isinstance(refused, SequenceRefused)
    assert refused.position == 3


@pytest.mark.parametrize(("length", "code"), [(0, "empty"), (1, "too_short"), (2, None), (4, None), (5, "too_long")])
def test_lengths_follow_the_manifest(length: int, code: str | None) -> None:
    encoded = _only(_encoder(min_bases=2, max_bases=4), "A" * length)
    assert (encoded.code if isinstance(encoded, SequenceRefused) else None) == code


@given(st.text("ACGTN", min_size=1, max_size=400))
def test_no_text_is_split_and_its_tokens_are_still_those_of_the_whole_tokenizer(sequence: str) -> None:
    rules = COMPACT.manifest.input.model_copy(update={"ambiguous": "n", "min_bases": 1, "max_bases": 400})
    encoder = SequenceEncoder(COMPACT.manifest.model_copy(update={"input": rules}), COMPACT.files)
    whole = Tokenizer.from_buffer(COMPACT.files["tokenizer.json"])
    assert _only(encoder, sequence).ids.tolist() == whole.encode(sequence).ids  # type: ignore[union-attr]


def test_too_many_tokens_are_refused_never_truncated() -> None:
    encoder = _token_encoder(max_tokens=5)
    assert isinstance(_only(encoder, "ACG"), EncodedSequence)
    refused = _only(encoder, "ACGT")
    assert isinstance(refused, SequenceRefused)
    assert (refused.code, "6 tokens" in refused.detail) == ("too_long", True)


MOTIF_RULES = {"bases": 2, "scores": "Written by hand."}


def _motif_encoder(motifs: bytes, **rules: object) -> SequenceEncoder:
    """One token a base of each motif and an unknown one a space, so that "AC GT" is [CLS] A C [UNK] G T [SEP]."""
    manifest = mean_id_manifest("motifs")
    manifest |= {"files": dict.fromkeys(("model.onnx", "tokenizer.json", "motifs.txt"), "0" * 64)}
    changed = manifest | {"input": manifest["input"] | {"motifs": MOTIF_RULES} | rules}
    return SequenceEncoder(Manifest.model_validate(changed), TOKENIZER | {"motifs.txt": motifs})


@pytest.mark.parametrize(
    ("sequence", "ids"),
    [
        ("ACGT", [1, 4, 5, 0, 6, 7, 2]),  # AC, not CG, GT
        ("gtacgu", [1, 6, 7, 0, 4, 5, 0, 6, 7, 2]),  # GT, not TA, AC, not CG, GT
        ("ACAC", [1, 4, 5, 0, 4, 5, 2]),
        ("ANCAC", [1, 4, 5, 2]),  # a window with an N is no motif
        ("TTTT", [1, 2]),  # no motif at all: the special tokens alone
        ("A", [1, 2]),  # shorter than a motif
    ],
)
def test_a_model_of_motifs_reads_those_that_a_sliding_window_meets(sequence: str, ids: list[int]) -> None:
    encoded = _only(_motif_encoder(b"AC\nGT\n", ambiguous="n"), sequence)
    assert isinstance(encoded, EncodedSequence)
    assert encoded.ids.tolist() == ids
    assert encoded.bases == len(sequence)


def test_the_token_limit_holds_for_motifs_too() -> None:
    refused = _only(_motif_encoder(b"AC\nGT\n", max_tokens=5), "ACGT")
    assert isinstance(refused, SequenceRefused)
    assert refused.code == "too_long"


@pytest.mark.parametrize(
    ("motifs", "message"),
    [
        (b"AC\nGTA\n", "entry 2 is not 2 bases"),
        (b"AN\n", "entry 1 is not 2 bases"),
        (b"ac\n", "entry 1 is not 2 bases"),
        (b"\xff\xfe\n", "entry 1 is not 2 bases"),
        (b"AC\nAC\n", "lists a motif twice"),
        (b"\n", "lists no motif"),
    ],
)
def test_a_broken_list_of_motifs_is_a_bundle_error(motifs: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=f"motifs/motifs.txt: {message}"):
        _motif_encoder(motifs)


@pytest.mark.parametrize(
    ("encoder", "text"), [(_encoder(), "ACGTN"), (_token_encoder(), "ACGT"), (_motif_encoder(b"AC\nGT\n"), "ACGT")]
)
def test_checked_text_is_encoded_without_a_second_look(encoder: SequenceEncoder, text: str) -> None:
    encoded = _only(encoder, text)
    assert isinstance(encoded, EncodedSequence)
    (ids,) = encoder.encode_checked([text])
    assert ids.tolist() == encoded.ids.tolist()


def test_no_motif_crosses_a_space_in_checked_text() -> None:
    (ids,) = _motif_encoder(b"AC\nGT\n").encode_checked(["A CGT"])
    assert ids.tolist() == [1, 6, 7, 2]


def test_refusals_stand_where_their_sequences_stood() -> None:
    encoded = _token_encoder().encode(["A", "!", "C", ""])
    assert [type(row).__name__ for row in encoded] == [
        "EncodedSequence", "SequenceRefused", "EncodedSequence", "SequenceRefused"
    ]  # fmt: skip


@given(st.lists(st.text(alphabet="ACGTUacgtuN", min_size=1, max_size=50), min_size=1, max_size=8))
def test_each_sequence_is_encoded_as_if_alone(sequences: list[str]) -> None:
    encoder = _encoder()
    together = encoder.encode(sequences)
    for sequence, encoded in zip(sequences, together, strict=True):
        alone = _only(encoder, sequence)
        assert isinstance(encoded, EncodedSequence)
        assert isinstance(alone, EncodedSequence)
        np.testing.assert_array_equal(encoded.ids, alone.ids)


@given(st.text(max_size=40))
def test_any_text_is_encoded_or_refused_and_nothing_else(sequence: str) -> None:
    for encoder in (_encoder(), _token_encoder()):
        assert isinstance(_only(encoder, sequence), EncodedSequence | SequenceRefused)


def test_a_broken_tokenizer_is_a_bundle_error(tmp_path: Path) -> None:
    bundle = read_bundle(write_token_bundle(tmp_path))
    with pytest.raises(BundleError, match=r"tokenizer\.json: not a tokenizer"):
        SequenceEncoder(bundle.manifest, {"tokenizer.json": b"{}"})


def test_input_rules_know_nothing_of_other_encodings() -> None:
    with pytest.raises(ValueError, match="encoding"):
        Input.model_validate({"encoding": "morse", "min_bases": 1, "max_bases": 2, "max_tokens": 2})
