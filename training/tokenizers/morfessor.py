"""Morfessor Baseline (Creutz and Lagus 2002): the lexicon that describes itself and a corpus in the fewest bits.

The library `morfessor` learns the lexicon; what is served is the same model as a Unigram tokenizer. Without smoothing
(addcount 0) the cost of a token in Morfessor's own Viterbi is log(tokens + boundaries) - log(count), so its negative is
a Unigram score, and both cut a sequence at the same places; where several cuts cost the same, they may differ.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from morfessor import BaselineModel, utils
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from training.errors import DataError
from training.tokenizers.bpe import CLS, SEP, SPECIAL_TOKENS, UNK
from training.tokenizers.recipe import MorfessorConfig
from training.tokenizers.scores import KmerScores, kmer_texts

Corpus = list[tuple[int, str]]  # count and text

LARGEST_COUNT = 5
# A lexicon seldom comes closer: it changes by leaps as the weight grows.
CLOSE_ENOUGH = 0.05
TRIED_WEIGHTS = 10
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-4, 10.0
MOST_EPOCHS = 20
# Below any other token's score, so that a letter which the lexicon lacks is used only where nothing else fits.
MISSING_LETTER_PENALTY = 100.0


def chunk_corpus(sequences: Sequence[str], config: MorfessorConfig) -> Corpus:
    """Pieces of random sequences, side by side from each one's start, and how often each was met.

    What is left over at an end, and pieces with an N, are dropped.

    Raises:
        DataError: no sequence holds a piece.
    """
    length, left = config.bases, config.sample_bases // config.bases
    counts: Counter[str] = Counter()
    for row in np.random.default_rng(config.seed).permutation(len(sequences)):
        starts = range(0, len(sequences[row]) - length + 1, length)
        counts.update(sequences[row][start : start + length] for start in starts[:left])
        left -= len(starts[:left])
    corpus = [(count, chunk) for chunk, count in sorted(counts.items()) if "N" not in chunk]
    if not corpus:
        raise DataError(f"tokenizer.morfessor.bases: no training row holds a chunk of {length} bases")
    return corpus


def kmer_corpus(scores: KmerScores) -> Corpus:
    """All k-mers with a score, counted 1 to 5 by it.

    The count is 5 / (1 + exp(-z)), rounded, where z is the score in standard deviations from the mean of all scores;
    Sequence-Expression-LMM took 5 / (1 + exp(-(score - 3.188))) for the scores of its own table.
    """
    numbers = np.flatnonzero(~np.isnan(scores.values))
    known = scores.values[numbers]
    z = (known - known.mean()) / (known.std() or 1.0)
    counts = np.maximum(1, np.rint(LARGEST_COUNT / (1 + np.exp(-z)))).astype(int)
    return list(zip(counts.tolist(), kmer_texts(numbers, scores.bases), strict=True))


def train_morfessor(corpus: Corpus, config: MorfessorConfig, vocabulary: int) -> BaselineModel:
    """Train a model; the same corpus and seed give the same model.

    Args:
        corpus: counts and texts.
        config: how.
        vocabulary: entries to aim at, special tokens included, where `config.corpus_weight` is 0: the weight is sought
            by bisection, and of the weights tried the one whose lexicon comes closest is taken.
    """
    if config.corpus_weight:
        return _trained(corpus, config.corpus_weight, config.seed)
    low, high = math.log(SMALLEST_WEIGHT), math.log(LARGEST_WEIGHT)
    tried: dict[float, BaselineModel] = {}
    for _ in range(TRIED_WEIGHTS):
        model = _trained(corpus, math.exp((low + high) / 2), config.seed)
        miss = _entries(model, config) - vocabulary
        tried.setdefault(abs(miss), model)
        if abs(miss) <= CLOSE_ENOUGH * vocabulary:
            break
        # A heavier corpus pays for a larger lexicon.
        low, high = (low, (low + high) / 2) if miss > 0 else ((low + high) / 2, high)
    return tried[min(tried)]


def unigram_of(model: BaselineModel, longest_bases: int) -> bytes:
    """Write a model as a Unigram tokenizer.

    Args:
        model: trained.
        longest_bases: longer entries are left out, as they are in Morfessor's Viterbi with this `maxlen`.

    Returns:
        The content of `tokenizer.json`: special tokens, A C G T, then the other entries, the most frequent first.
    """
    scores = _scores(model, longest_bases)
    lowest = min(scores.values(), default=0.0) - MISSING_LETTER_PENALTY
    letters = {letter: scores.pop(letter, lowest) for letter in "ACGT"}
    specials = dict.fromkeys(SPECIAL_TOKENS, 0.0)
    tokenizer = Tokenizer(models.Unigram([*(specials | letters | scores).items()], unk_id=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer.to_str(pretty=True).encode()


def _trained(corpus: Corpus, weight: float, seed: int) -> BaselineModel:
    model = BaselineModel(corpusweight=weight)
    with _quiet_and_seeded(seed):
        model.load_data(corpus)
        model.train_batch(max_epochs=MOST_EPOCHS)
    return model


def _scores(model: BaselineModel, longest_bases: int) -> dict[str, float]:
    """The entries that are kept, the most frequent first, and the logarithms of their shares."""
    boundaries = sum(count for count, _, _ in model.get_segmentations())
    total = math.log(model.tokens + boundaries)
    kept = [(entry, count) for entry, count in model.get_constructions() if len(entry) <= longest_bases]
    return {entry: math.log(count) - total for entry, count in sorted(kept, key=lambda pair: (-pair[1], pair[0]))}


def _entries(model: BaselineModel, config: MorfessorConfig) -> int:
    return len(SPECIAL_TOKENS) + len(set("ACGT") | set(_scores(model, config.longest_bases)))


@contextmanager
def _quiet_and_seeded(seed: int) -> Iterator[None]:
    """The library draws from Python's global generator, and prints dots."""
    before, shown = random.getstate(), utils.show_progress_bar
    random.seed(seed)
    utils.show_progress_bar = False
    try:
        yield
    finally:
        random.setstate(before)
        utils.show_progress_bar = shown
