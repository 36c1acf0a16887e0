"""What a model is trained on is what the service would make of the same sequence."""

from dataclasses import replace

import numpy as np
import pytest

from app.bundle import Input, Motifs
from training.config import BundleConfig
from training.errors import DataError
from training.examples import as_codes
from training.feeder import Feeder, input_rules
from training.recipe import AugmentationConfig, ModelConfig
from training.tokenizers.bpe import train_bpe
from training.tokenizers.building import TrainedTokenizer
from training.tokenizers.motifs import train_word_pieces
from training.tokenizers.six_mer import six_mer_tokenizer, six_mer_vocabulary

SEQUENCES = ["ACGTACGTACGT", "ACGTTTTTACGA", "GGGGACGTACCC"]
MOTIFS = ["ACG", "CGT", "TTT"]
BUNDLE = BundleConfig(
    name="toy", version="1.0.0", title="", summary="", task="toy", organism="", licence="", citation="",
    intended_use="", limits="", min_bases=1, max_bases=12, golden_sequences=("A",),
)  # fmt: skip
BERT = ModelConfig(backbone="bert", width=4, layers=1, inner_width=4, positions=100)
PLAIN = AugmentationConfig()
KINDS = {
    "bpe": TrainedTokenizer({"tokenizer.json": train_bpe(SEQUENCES, 12)}, "Byte pairs."),
    "six_mer": TrainedTokenizer({"tokenizer.json": six_mer_tokenizer(six_mer_vocabulary("v2"))}, "Six-mers."),
    "motifs": TrainedTokenizer(
        {"tokenizer.json": train_word_pieces(SEQUENCES, MOTIFS, 50), "motifs.txt": b"ACG\nCGT\nTTT\n"},
        "Motifs.",
        Motifs(bases=3, scores="Given."),
    ),
}


def feeder_of(kind: str, model: ModelConfig = BERT, max_tokens: int = 0) -> Feeder:
    tokenizer = KINDS[kind]
    return Feeder(input_rules(model, replace(BUNDLE, max_tokens=max_tokens), tokenizer), tokenizer.files)


def drawn(feeder: Feeder, config: AugmentationConfig = PLAIN) -> list[list[int]]:
    bases, lengths = as_codes(SEQUENCES)
    ids, mask = feeder.training_tensors(bases, lengths, config, np.random.default_rng(0))
    return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_training_reads_what_the_service_reads(kind: str) -> None:
    feeder = feeder_of(kind)

    assert drawn(feeder) == [row.tolist() for row in feeder.encode(SEQUENCES)]


@pytest.mark.parametrize(
    ("kind", "pad", "most"),
    [
        ("bpe", 3, 14),  # 12 bases at worst, [CLS] and [SEP]
        ("six_mer", 1, 7),  # eleven bases are a six-mer and five letters, after <cls>
        ("motifs", 3, 12),  # ten windows of three bases, each a whole motif
    ],
)
def test_limits_are_read_from_the_tokenizer(kind: str, pad: int, most: int) -> None:
    rules = feeder_of(kind).rules

    assert (rules.pad_token_id, rules.max_tokens) == (pad, most)
    assert (rules.motifs is not None) == (kind == "motifs")


def test_an_n_is_a_six_mer_token_of_its_own() -> None:
    rules = input_rules(BERT, replace(BUNDLE, ambiguous="n"), KINDS["six_mer"])

    assert rules.max_tokens == 13


@pytest.mark.parametrize(("positions", "max_tokens", "most"), [(100, 0, 14), (10, 0, 10), (100, 8, 8), (10, 20, 10)])
def test_the_longest_input_is_the_smallest_of_three_limits(positions: int, max_tokens: int, most: int) -> None:
    assert feeder_of("bpe", replace(BERT, positions=positions), max_tokens).rules.max_tokens == most


def test_bases_have_no_tokenizer() -> None:
    feeder = Feeder(input_rules(ModelConfig("convolution", 4), BUNDLE, None), {})

    assert feeder.rules == Input(encoding="one_hot", min_bases=1, max_bases=12, max_tokens=12)
    assert (feeder.vocabulary, feeder.token_bases.tolist()) == (0, [])


def test_a_training_row_that_the_model_cannot_read_is_refused_with_the_keys() -> None:
    with pytest.raises(DataError, match=r"gives \d+ tokens; the model reads at most 4 \(bundle\.max_tokens"):
        drawn(feeder_of("bpe", max_tokens=4))


def test_no_token_crosses_a_cut() -> None:
    whole, cut = feeder_of("motifs"), AugmentationConfig(cut_rate=1.0)

    assert drawn(whole, cut) == [[1, 2]] * 3  # every window is cut, so no motif is left
    assert drawn(feeder_of("bpe"), cut) == [
        [1, *(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T"].index(base) for base in sequence), 2]
        for sequence in SEQUENCES
    ]


def test_a_row_that_cuts_would_make_too_long_is_read_whole() -> None:
    feeder = feeder_of("bpe", max_tokens=10)

    assert drawn(feeder, AugmentationConfig(cut_rate=1.0)) == drawn(feeder)
