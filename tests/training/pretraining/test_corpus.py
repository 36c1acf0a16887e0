"""The vocabulary is learnt from what is trained on; both strands become tokens; rows stay inside their runs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from training.errors import ConfigError, DataError
from training.pretraining import corpus as corpus_module
from training.pretraining.config import VocabularyConfig
from training.pretraining.corpus import (
    TokenRuns,
    learn_vocabulary,
    load_corpus,
    rows_in_order,
    sample_pieces,
    tokenise,
)
from training.pretraining.genome import Genome, reverse_complement
from training.pretraining.windows import Windows
from training.tokenizers import CLS, SEP

CPU = torch.device("cpu")
# What is trained on holds A and C (on the other strand G and T); what is held out holds no C and no G.
GENOME = Genome(train=("AACAACCCAACA" * 9, "CACA"), valid=("ATTATA" * 5,), excluded_bases=0, unknown_bases=0)
VOCABULARY = VocabularyConfig(entries=14)


def text_of(runs: TokenRuns, tokenizer_json: bytes) -> list[str]:
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    parts = np.split(runs.ids, np.cumsum(runs.lengths)[:-1])
    return ["".join(tokenizer.id_to_token(token) for token in part) for part in parts]


def test_both_strands_are_trained_on_and_the_held_out_one_is_as_it_is() -> None:
    tokenizer_json = learn_vocabulary(GENOME, VOCABULARY, seed=0)

    corpus = tokenise(GENOME, tokenizer_json)

    assert text_of(corpus.train, tokenizer_json) == [*GENOME.train, *map(reverse_complement, GENOME.train)]
    assert text_of(corpus.valid, tokenizer_json) == list(GENOME.valid)


def test_long_segments_are_tokenised_in_pieces_of_which_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer_json = learn_vocabulary(GENOME, VOCABULARY, seed=0)
    monkeypatch.setattr(corpus_module, "PIECE_BASES", 7)
    monkeypatch.setattr(corpus_module, "PIECES_AT_ONCE", 2)

    corpus = tokenise(GENOME, tokenizer_json)

    assert text_of(corpus.train, tokenizer_json) == [*GENOME.train, *map(reverse_complement, GENOME.train)]


def test_the_vocabulary_knows_nothing_of_what_is_held_out() -> None:
    learnt = Tokenizer.from_buffer(learn_vocabulary(GENOME, VOCABULARY, seed=0)).get_vocab()

    assert len(learnt) == 14
    assert not any(set(token) == set("AT") for token in learnt)


def test_a_vocabulary_that_cannot_be_learnt_says_how_large_it_can_be() -> None:
    genome = Genome(train=("ACAC",), valid=("ACAC",), excluded_bases=0, unknown_bases=0)

    with pytest.raises(ConfigError, match=r"entries: 4,096 asked for, but the sample teaches \d+; ask for fewer"):
        learn_vocabulary(genome, VocabularyConfig(entries=4096), seed=0)


def test_the_sample_is_as_large_as_asked_for_and_from_both_strands() -> None:
    segments = ["A" * 30_000]

    pieces = list(sample_pieces(segments, bases=10_000, seed=0))

    assert [len(piece) for piece in pieces] == [500] * 20
    assert {piece[0] for piece in pieces} == {"A", "T"}
    assert pieces == list(sample_pieces(segments, bases=10_000, seed=0))


def test_a_sample_never_takes_a_piece_twice() -> None:
    assert len("".join(sample_pieces(["ACGT" * 300], bases=10**9, seed=0))) == 1200


def test_tokens_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    corpus = tokenise(GENOME, learn_vocabulary(GENOME, VOCABULARY, seed=0))

    corpus.save(tmp_path / "corpus.npz")
    read = load_corpus(tmp_path / "corpus.npz")

    for name in ("train", "valid"):
        written, found = getattr(corpus, name), getattr(read, name)
        assert np.array_equal(written.ids, found.ids)
        assert np.array_equal(written.lengths, found.lengths)


def runs_of(lengths: list[int]) -> TokenRuns:
    """Each token says its run (thousands) and its place in it."""
    ids = [1000 * (run + 1) + place for run, length in enumerate(lengths) for place in range(length)]
    return TokenRuns(np.array(ids, dtype=np.uint16), np.array(lengths, dtype=np.int64))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 6))
def test_every_window_of_every_run_is_drawn_and_no_other(lengths: list[int], tokens: int) -> None:
    runs = runs_of(lengths)
    windows = {
        tuple(1000 * (run + 1) + place + offset for offset in range(tokens))
        for run, length in enumerate(lengths)
        for place in range(length - tokens + 1)
    }
    if not windows:
        with pytest.raises(DataError, match="longest training segment"):
            Windows(runs, tokens + 2, CPU)
        return

    rows = Windows(runs, tokens + 2, CPU).draw(2000, torch.Generator().manual_seed(0)).tolist()

    assert {tuple(row[1:-1]) for row in rows} == windows
    assert {(row[0], row[-1]) for row in rows} == {(CLS, SEP)}


def test_rows_to_measure_on_do_not_overlap_and_are_spread_evenly() -> None:
    runs = runs_of([5, 1, 4])

    assert rows_in_order(runs, tokens=2, most_rows=9).tolist() == [
        [1000, 1001],
        [1002, 1003],
        [3000, 3001],
        [3002, 3003],
    ]
    assert rows_in_order(runs, tokens=2, most_rows=2).tolist() == [[1000, 1001], [3002, 3003]]


def test_rows_longer_than_every_held_out_segment_are_refused() -> None:
    with pytest.raises(DataError, match="context_tokens: the longest held-out segment has 5 tokens, a row needs 6"):
        rows_in_order(runs_of([5, 1, 4]), tokens=6, most_rows=9)
