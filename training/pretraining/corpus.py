"""A genome as tokens: the vocabulary is learnt and every segment tokenised, once, before training."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from training.checkpoint import write_atomically
from training.errors import ConfigError, DataError
from training.pretraining.config import VocabularyConfig
from training.pretraining.genome import Genome, reverse_complement
from training.tokenizers import train_bpe

# A merge visits every piece that holds its pair, so the vocabulary is learnt from short pieces.
SAMPLE_PIECE_BASES = 500
# Tokens are merged within a piece; longer pieces take longer than linear time.
PIECE_BASES = 20_000
PIECES_AT_ONCE = 256


@dataclass(frozen=True)
class TokenRuns:
    """Tokens that follow one another on a strand.

    Attributes:
        ids: (tokens,) uint16, all runs one after another, without special tokens.
        lengths: (runs,) int64, tokens in each.
    """

    ids: npt.NDArray[np.uint16]
    lengths: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """What the model sees.

    Attributes:
        train: both strands of the segments to learn from.
        valid: the held-out segments, as the file has them.
    """

    train: TokenRuns
    valid: TokenRuns

    def save(self, path: Path) -> None:
        """Write the tokens as a NumPy archive."""
        arrays = {f"{name}_{key}": value for name, runs in vars(self).items() for key, value in vars(runs).items()}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomically(path, buffer.getvalue())


def load_corpus(path: Path) -> Corpus:
    """Read what `Corpus.save` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        train, valid = (TokenRuns(archive[f"{name}_ids"], archive[f"{name}_lengths"]) for name in ("train", "valid"))
    return Corpus(train, valid)


def learn_vocabulary(genome: Genome, config: VocabularyConfig, seed: int) -> bytes:
    """Train a BPE on random pieces of the segments to learn from, each from a random strand.

    Returns:
        The content of `tokenizer.json`.

    Raises:
        ConfigError: the sample holds fewer repeated pairs than the vocabulary wants.
    """
    tokenizer_json = train_bpe(list(sample_pieces(genome.train, config.sample_bases, seed)), config.entries)
    learnt = Tokenizer.from_buffer(tokenizer_json).get_vocab_size()
    if learnt < config.entries:
        raise ConfigError(
            f"vocabulary.entries: {config.entries:,} asked for, but the sample teaches {learnt:,}; "
            "ask for fewer, or raise vocabulary.sample_bases"
        )
    return tokenizer_json


def sample_pieces(segments: Sequence[str], bases: int, seed: int) -> Iterator[str]:
    """Different pieces in random order, each from a random strand, until they hold so many bases together."""
    generator = np.random.default_rng(seed)
    places = [
        (number, start)
        for number, segment in enumerate(segments)
        for start in range(0, len(segment), SAMPLE_PIECE_BASES)
    ]
    drawn = 0
    for place in generator.permutation(len(places)):
        if drawn >= bases:
            return
        number, start = places[place]
        piece = segments[number][start : start + SAMPLE_PIECE_BASES]
        drawn += len(piece)
        yield reverse_complement(piece) if generator.random() < 0.5 else piece


def tokenise(genome: Genome, tokenizer_json: bytes) -> Corpus:
    """Tokenise both strands of what is trained on, and the held-out segments as they are."""
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    # Merges run from left to right, so the other strand's tokens are not these turned round: it is tokenised itself.
    both_strands = [*genome.train, *map(reverse_complement, genome.train)]
    return Corpus(_token_runs(both_strands, tokenizer), _token_runs(genome.valid, tokenizer))


def rows_in_order(runs: TokenRuns, tokens: int, most_rows: int) -> npt.NDArray[np.int64]:
    """Rows that do not overlap, spread evenly over the runs.

    Args:
        runs: to cut.
        tokens: of each row, without special tokens.
        most_rows: rows that are wanted; fewer when there are fewer.

    Returns:
        (rows, tokens) int64.

    Raises:
        DataError: no run is long enough for one row.
    """
    first = np.cumsum(runs.lengths) - runs.lengths
    starts = np.concatenate(
        [start + np.arange(length // tokens) * tokens for start, length in zip(first, runs.lengths, strict=True)]
    )
    if not len(starts):
        raise too_long(tokens, int(runs.lengths.max()), "held-out")
    chosen = starts[np.linspace(0, len(starts) - 1, min(most_rows, len(starts))).astype(np.int64)]
    return runs.ids[chosen[:, None] + np.arange(tokens)].astype(np.int64)


def too_long(tokens: int, longest: int, what: str) -> DataError:
    """The error for rows that no segment can fill."""
    return DataError(
        f"fit.context_tokens: the longest {what} segment has {longest:,} tokens, "
        f"a row needs {tokens:,} beside [CLS] and [SEP]"
    )


def _token_runs(segments: Sequence[str], tokenizer: Tokenizer) -> TokenRuns:
    pieces_of = [max(1, -(-len(segment) // PIECE_BASES)) for segment in segments]
    tokens = list(_tokens_of_pieces(_pieces(segments), tokenizer))
    counts = np.array([len(piece) for piece in tokens], dtype=np.int64)
    lengths = np.add.reduceat(counts, np.cumsum([0, *pieces_of[:-1]]))
    return TokenRuns(np.concatenate(tokens), lengths)


def _pieces(segments: Iterable[str]) -> Iterator[str]:
    for segment in segments:
        for start in range(0, len(segment), PIECE_BASES):
            yield segment[start : start + PIECE_BASES]


def _tokens_of_pieces(pieces: Iterable[str], tokenizer: Tokenizer) -> Iterator[npt.NDArray[np.uint16]]:
    """Tokens of each piece; many are handed over at once, so that the tokenizer's threads have work."""
    for group in batched(pieces, PIECES_AT_ONCE):
        for encoding in tokenizer.encode_batch_fast(group, add_special_tokens=False):
            yield np.array(encoding.ids, dtype=np.uint16)


def batched(pieces: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of so many pieces, the last one shorter (itertools has it from Python 3.12 on)."""
    remaining = iter(pieces)
    while group := list(islice(remaining, size)):
        yield group
