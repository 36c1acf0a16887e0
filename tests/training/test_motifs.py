"""Motifs are the k-mers above a threshold; a vocabulary is learnt from their text, and the service tokenizes it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from app.encoding import motif_text
from training.errors import ConfigError, DataError
from training.tokenizers.layout import most_motif_tokens, read_layout
from training.tokenizers.motifs import choose_motifs, train_word_pieces
from training.tokenizers.recipe import MotifsConfig
from training.tokenizers.scores import KmerScores

MOTIFS = ["ACG", "CGT", "GTT", "TTT"]
SEQUENCES = ["ACGTTTACGT", "TTTTTACG", "CCCCC"]


def scores(**values: float) -> KmerScores:
    array = np.full(16, np.nan)
    for kmer, value in values.items():
        array["ACGT".index(kmer[0]) * 4 + "ACGT".index(kmer[1])] = value
    return KmerScores(2, array, "Written by hand.")


@pytest.mark.parametrize(("threshold", "kept"), [(0.5, ["AA", "CA", "TT"]), (1.0, ["CA", "TT"]), (2.5, ["TT"])])
def test_a_kmer_is_kept_when_its_score_is_above_the_threshold(threshold: float, kept: list[str]) -> None:
    given_scores = scores(TT=3.0, CA=2.0, AA=1.0, GG=0.0)

    assert choose_motifs(given_scores, MotifsConfig(bases=2, threshold=threshold)) == kept


@pytest.mark.parametrize(("share", "kept"), [(0.25, ["TT"]), (0.5, ["CA", "TT"]), (0.75, ["AA", "CA", "TT"])])
def test_without_a_threshold_a_share_of_the_scored_kmers_is_kept(share: float, kept: list[str]) -> None:
    assert choose_motifs(scores(TT=3.0, CA=2.0, AA=1.0, GG=0.0), MotifsConfig(bases=2, kept_share=share)) == kept


def test_a_threshold_that_keeps_nothing_is_refused_with_the_highest_score() -> None:
    with pytest.raises(DataError, match="no score is above 9; the highest is 3"):
        choose_motifs(scores(TT=3.0, AA=1.0), MotifsConfig(bases=2, threshold=9.0))


@pytest.mark.parametrize("changes", [{"bases": 0}, {"bases": 13}, {"kept_share": 0.0}, {"kept_share": 1.0}])
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"tokenizer.motifs.{next(iter(changes))}"):
        MotifsConfig(**changes)  # type: ignore[arg-type]


def test_the_text_is_the_kept_windows_in_their_order() -> None:
    assert motif_text("ACGTTTACG", frozenset(MOTIFS)) == "ACG CGT GTT TTT ACG"
    assert motif_text("ACNGTTCC", frozenset(MOTIFS)) == "GTT"
    assert motif_text("AC", frozenset(MOTIFS)) == ""


@given(st.text(alphabet="ACGTN", max_size=40), st.sets(st.text(alphabet="ACGT", min_size=3, max_size=3), min_size=1))
def test_the_text_holds_each_kept_window_and_no_other(sequence: str, motifs: set[str]) -> None:
    windows = [sequence[start : start + 3] for start in range(len(sequence) - 2)]

    assert motif_text(sequence, frozenset(motifs)).split() == [window for window in windows if window in motifs]


def test_special_tokens_stand_where_those_of_the_other_tokenizers_do() -> None:
    tokenizer_json = train_word_pieces(SEQUENCES, MOTIFS, vocabulary=20)
    layout = read_layout(tokenizer_json)

    vocabulary = Tokenizer.from_buffer(tokenizer_json).get_vocab()
    assert sorted(vocabulary, key=vocabulary.__getitem__)[:5] == ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    assert (layout.pad_token_id, layout.specials_per_sequence) == (3, 2)
    assert [layout.token_bases[vocabulary[token]] for token in ("[CLS]", "A", "##A")] == [0, 1, 1]


def test_a_large_vocabulary_holds_whole_motifs_and_a_small_one_their_pieces() -> None:
    large = Tokenizer.from_buffer(train_word_pieces(SEQUENCES, MOTIFS, vocabulary=200))
    small = Tokenizer.from_buffer(train_word_pieces(SEQUENCES, MOTIFS, vocabulary=13))

    assert large.encode("ACG TTT").tokens == ["[CLS]", "ACG", "TTT", "[SEP]"]
    assert small.encode("ACG").tokens == ["[CLS]", "A", "##C", "##G", "[SEP]"]


@pytest.mark.parametrize("vocabulary", [13, 15, 200])
def test_no_motif_holds_an_unknown_piece_even_if_no_row_holds_it(vocabulary: int) -> None:
    tokenizer = Tokenizer.from_buffer(train_word_pieces(["ACGACG"], MOTIFS, vocabulary))

    assert all("[UNK]" not in tokenizer.encode(motif).tokens for motif in MOTIFS)


def test_training_twice_gives_the_same_bytes() -> None:
    generator = np.random.default_rng(0)
    motifs = sorted({"".join(generator.choice(list("ACGT"), 7)) for _ in range(1000)})
    sequences = ["".join(generator.choice(list("ACGT"), 100)) for _ in range(50)]

    assert train_word_pieces(sequences, motifs, 100) == train_word_pieces(sequences, motifs, 100)


@pytest.mark.parametrize(("vocabulary", "pieces"), [(200, 1), (13, 3)])
def test_the_longest_input_is_every_window_in_most_pieces(vocabulary: int, pieces: int) -> None:
    tokenizer_json = train_word_pieces(SEQUENCES, MOTIFS, vocabulary)

    assert most_motif_tokens(tokenizer_json, MOTIFS, max_bases=10) == 2 + 8 * pieces
