"""Motif text: a window slides over a sequence, and the k-mers in it whose score is above a threshold are its words.

After the models MORPH_D and MORPH_O of github.com/SamuelTWu/Sequence-Expression-LMM: 7-mers, kept by their affinity to
an RNA-binding protein, written in order with spaces between them, and a WordPiece vocabulary learnt from that text. Its
score tables are private, so scores are given or estimated (training.tokenizers.scores). Letters stay in upper case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from app.encoding import motif_text
from training.errors import DataError
from training.tokenizers.bpe import CLS, SEP, SPECIAL_TOKENS, UNK
from training.tokenizers.recipe import MotifsConfig
from training.tokenizers.scores import KmerScores

INNER_PREFIX = "##"


def choose_motifs(scores: KmerScores, config: MotifsConfig) -> list[str]:
    """The k-mers that are kept, in alphabetical order.

    Raises:
        DataError: no score is above the threshold.
    """
    known = scores.values[~np.isnan(scores.values)]
    threshold = np.quantile(known, 1 - config.kept_share) if config.threshold is None else config.threshold
    kept = scores.above(float(threshold))
    if not kept:
        raise DataError(
            f"tokenizer.motifs.threshold: no score is above {float(threshold):g}; the highest is {known.max():g}"
        )
    return kept


def train_word_pieces(sequences: Sequence[str], motifs: Sequence[str], vocabulary: int) -> bytes:
    """Train a WordPiece vocabulary on the motif text of sequences.

    Args:
        sequences: upper-case bases, of the training split only.
        motifs: all of one length.
        vocabulary: entries, special tokens included.

    Returns:
        The content of `tokenizer.json`; it cuts each motif into known pieces.
    """
    kept = frozenset(motifs)
    texts = [motif_text(sequence, kept) for sequence in sequences]
    # Each motif once more, so that no letter of a motif that the sequences lack is unknown.
    tokenizer = _word_pieces(_learn_pieces([*texts, *motifs], vocabulary))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer.to_str(pretty=True).encode()


def _word_pieces(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL_TOKENS[UNK]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def _learn_pieces(texts: Sequence[str], vocabulary: int) -> dict[str, int]:
    """Piece to id."""
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        # The inner letters are named here because the trainer would number them in another order each time.
        special_tokens=[*SPECIAL_TOKENS, *(f"{INNER_PREFIX}{letter}" for letter in "ACGT")],
        initial_alphabet=list("ACGT"),
        show_progress=False,
    )
    tokenizer = _word_pieces({})
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.get_vocab(with_added_tokens=False)
