"""The served Unigram cuts a sequence where Morfessor's own Viterbi does, at the same cost."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from morfessor import BaselineModel
from tokenizers import Tokenizer

from training.errors import ConfigError, DataError
from training.tokenizers.layout import read_layout
from training.tokenizers.morfessor import chunk_corpus, kmer_corpus, train_morfessor, unigram_of
from training.tokenizers.recipe import MorfessorConfig
from training.tokenizers.scores import KmerScores

WORDS = ["TATAA", "GGC", "CACGTG", "ATTTA", "G", "C", "A", "T"]
CONFIG = MorfessorConfig(bases=5, corpus_weight=0.1, longest_bases=6)
LEFT_OUT = -1e9


def sequences(count: int, seed: int) -> list[str]:
    """Made of words, so that there is a lexicon to find."""
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(WORDS, size=40)) for _ in range(count)]


@pytest.fixture(scope="module")
def model() -> BaselineModel:
    return train_morfessor(chunk_corpus(sequences(150, seed=1), CONFIG), CONFIG, vocabulary=0)


def scores_of(tokenizer_json: bytes) -> dict[str, float]:
    return dict(json.loads(tokenizer_json)["model"]["vocab"])


def cuts(model: BaselineModel, longest_bases: int, sequence: str) -> tuple[list[str], list[str]]:
    """The Unigram's and Morfessor's."""
    tokenizer = Tokenizer.from_buffer(unigram_of(model, longest_bases))
    ours = tokenizer.encode(sequence, add_special_tokens=False).tokens
    return ours, model.viterbi_segment(sequence, addcount=0, maxlen=longest_bases)[0]


@pytest.mark.parametrize("longest_bases", [6, 3])
def test_held_out_sequences_are_cut_as_morfessor_cuts_them(model: BaselineModel, longest_bases: int) -> None:
    scores = scores_of(unigram_of(model, longest_bases))
    held_out = sequences(60, seed=2)

    pairs = [cuts(model, longest_bases, sequence) for sequence in held_out]

    for ours, theirs in pairs:  # a tie is the only reason to differ
        costs = [sum(scores.get(token, LEFT_OUT) for token in tokens) for tokens in (ours, theirs)]
        assert costs[0] == pytest.approx(costs[1], abs=1e-9)
    assert sum(ours == theirs for ours, theirs in pairs) >= 54
    assert 1 < max(len(token) for ours, _ in pairs for token in ours) <= longest_bases


@settings(max_examples=60, deadline=None)
@given(sequence=st.text(alphabet="ACGT", min_size=1, max_size=80))
def test_any_sequence_costs_the_same_both_ways(model: BaselineModel, sequence: str) -> None:
    scores = scores_of(unigram_of(model, 6))

    ours, theirs = cuts(model, 6, sequence)

    assert "".join(ours) == sequence
    costs = [sum(scores.get(token, LEFT_OUT) for token in tokens) for tokens in (ours, theirs)]
    assert costs[0] == pytest.approx(costs[1], abs=1e-9)


def test_a_score_is_the_logarithm_of_a_share(model: BaselineModel) -> None:
    scores = scores_of(unigram_of(model, 6))

    alone = model.viterbi_segment("A", addcount=0)[1] - model.viterbi_segment("", addcount=0)[1]

    assert scores["A"] == pytest.approx(-alone)  # both pay for the end of the word


def test_special_tokens_and_letters_come_first_and_the_rest_by_count(model: BaselineModel) -> None:
    tokenizer_json = unigram_of(model, 6)
    scores = scores_of(tokenizer_json)
    layout = read_layout(tokenizer_json)

    assert list(scores)[:9] == ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T"]
    rest = list(scores.values())[9:]
    assert rest == sorted(rest, reverse=True)
    assert (layout.pad_token_id, layout.specials_per_sequence) == (3, 2)
    assert layout.token_bases.tolist() == [0] * 5 + [len(token) for token in list(scores)[5:]]


def test_the_true_words_are_found(model: BaselineModel) -> None:
    assert {"TATAA", "GGC", "CACGTG"} & set(scores_of(unigram_of(model, 6)))


def test_unknown_letters_fuse_and_a_cut_holds(model: BaselineModel) -> None:
    tokenizer = Tokenizer.from_buffer(unigram_of(model, 6))

    assert tokenizer.encode("NN").ids == [1, 0, 2]
    assert tokenizer.encode("T A T A A").tokens == ["[CLS]", "T", "A", "T", "A", "A", "[SEP]"]


def test_a_letter_that_the_lexicon_lacks_is_used_only_where_nothing_else_fits() -> None:
    whole = train_morfessor([(5, "ACG"), (5, "TTT")], replace(CONFIG, corpus_weight=10.0), vocabulary=0)
    tokenizer = Tokenizer.from_buffer(unigram_of(whole, 6))

    assert tokenizer.encode("ACGTTT").tokens == ["[CLS]", "ACG", "TTT", "[SEP]"]
    assert tokenizer.encode("ACGATTT").tokens == ["[CLS]", "ACG", "A", "TTT", "[SEP]"]


def test_entries_that_are_too_long_are_left_out() -> None:
    whole = train_morfessor([(5, "ACG"), (5, "TTT")], replace(CONFIG, corpus_weight=10.0), vocabulary=0)

    assert list(scores_of(unigram_of(whole, 2)))[5:] == ["A", "C", "G", "T"]


def test_training_twice_gives_the_same_bytes_and_leaves_the_global_generator_alone() -> None:
    corpus = chunk_corpus(sequences(20, seed=1), CONFIG)
    random.seed(5)
    expected = random.Random(5).random()

    written = [unigram_of(train_morfessor(corpus, CONFIG, vocabulary=0), 6) for _ in range(2)]

    assert written[0] == written[1]
    assert random.random() == expected


@pytest.mark.parametrize("vocabulary", [50, 75])
def test_the_weight_is_tuned_toward_a_vocabulary(vocabulary: int) -> None:
    tuned = replace(CONFIG, bases=4, corpus_weight=0.0)

    model = train_morfessor(chunk_corpus(sequences(100, seed=1), tuned), tuned, vocabulary)

    assert read_layout(unigram_of(model, 6)).vocabulary == pytest.approx(vocabulary, rel=0.3)


def test_chunks_stand_side_by_side_and_are_counted() -> None:
    config = MorfessorConfig(bases=2)

    assert chunk_corpus(["ACGTA", "ACNT", "GTGT"], config) == [(2, "AC"), (3, "GT")]


def test_only_a_sample_is_cut_into_chunks() -> None:
    corpus = chunk_corpus(["ACGTACGT"] * 50, MorfessorConfig(bases=4, sample_bases=43))

    assert corpus == [(10, "ACGT")]


def test_rows_shorter_than_a_chunk_are_refused() -> None:
    with pytest.raises(DataError, match=r"no training row holds a chunk of 7 bases"):
        chunk_corpus(["ACGT"], MorfessorConfig())


def test_kmers_count_by_their_scores() -> None:
    values = np.full(16, np.nan)
    values[[1, 4, 11]] = [-1.0, 0.0, 1.0]  # AC, CA, GT; standard deviation sqrt(2 / 3)

    # 5 / (1 + exp(1.22)) = 1.1, 5 / 2 = 2.5 (to even), 5 / (1 + exp(-1.22)) = 3.9
    assert kmer_corpus(KmerScores(2, values, "Given.")) == [(1, "AC"), (2, "CA"), (4, "GT")]


def test_kmers_that_score_the_same_count_the_same() -> None:
    assert kmer_corpus(KmerScores(1, np.zeros(4), "Given.")) == [(2, "A"), (2, "C"), (2, "G"), (2, "T")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bases": 1}, "bases must be at least 2"),
        ({"longest_bases": 0}, "longest_bases at least 1"),
        ({"sample_bases": 6}, "sample_bases at least bases"),
        ({"corpus_weight": -1.0}, "corpus_weight must be at least 0"),
        ({"corpus": "kmers", "bases": 13}, "k-mers have at most 12 bases"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MorfessorConfig(**changes)  # type: ignore[arg-type]
