"""The tokenizer has DNABERT-2's layout, and what the service reads is what training used."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from training.augmentation import cut
from training.tokenizers import train_bpe

SEQUENCES = ["ACGTACGTACGT", "ACGTTTTTACGA", "GGGGACGTACCC"]


@pytest.fixture(scope="module")
def tokenizer_json() -> bytes:
    return train_bpe(SEQUENCES, vocabulary=20)


def test_ids_are_those_of_dnabert2(tokenizer_json: bytes) -> None:
    vocabulary = Tokenizer.from_buffer(tokenizer_json).get_vocab()

    first = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T"]
    assert sorted(vocabulary, key=vocabulary.__getitem__)[:9] == first
    assert len(vocabulary) == 20


def test_parts_are_those_of_dnabert2(tokenizer_json: bytes) -> None:
    parts = json.loads(tokenizer_json)

    assert parts["model"]["type"] == "BPE"
    assert parts["model"]["unk_token"] == "[UNK]"
    assert parts["model"]["fuse_unk"] is False
    assert parts["normalizer"] is None
    assert parts["pre_tokenizer"] == {"type": "Whitespace"}


def test_a_sequence_stands_between_cls_and_sep(tokenizer_json: bytes) -> None:
    tokens = Tokenizer.from_buffer(tokenizer_json).encode("ACGTACGA").tokens

    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert "".join(tokens[1:-1]) == "ACGTACGA"
    assert len(tokens) < 10


def test_each_unknown_letter_is_one_unknown_token(tokenizer_json: bytes) -> None:
    assert Tokenizer.from_buffer(tokenizer_json).encode("NN").ids == [1, 0, 0, 2]


def test_training_twice_gives_the_same_bytes(tokenizer_json: bytes) -> None:
    assert train_bpe(SEQUENCES, vocabulary=20) == tokenizer_json


def test_no_token_crosses_a_cut(tokenizer_json: bytes) -> None:
    tokenizer = Tokenizer.from_buffer(tokenizer_json)

    assert tokenizer.encode(cut("ACGTACGT", rate=1.0, generator=np.random.default_rng(0))).tokens[1:-1] == list(
        "ACGTACGT"
    )
    assert cut("ACGT", rate=0.0, generator=np.random.default_rng(0)) == "ACGT"
