"""From a configuration and the training rows to the files that a bundle's encoding needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.bundle import MOTIFS, TOKENIZER, Motifs
from training.checkpoint import write_atomically
from training.datasets.table import Table
from training.errors import DataError
from training.tokenizers.bpe import train_bpe
from training.tokenizers.layout import most_motif_tokens, most_tokens, read_layout
from training.tokenizers.morfessor import chunk_corpus, kmer_corpus, train_morfessor, unigram_of
from training.tokenizers.motifs import choose_motifs, train_word_pieces
from training.tokenizers.recipe import TokenizerConfig
from training.tokenizers.scores import kmer_scores
from training.tokenizers.six_mer import six_mer_tokenizer, six_mer_vocabulary

SOURCE = "tokenizer-source.json"


@dataclass(frozen=True)
class TrainedTokenizer:
    """What makes tokens of sequences.

    Attributes:
        files: name to content, as they stand in the bundle.
        source: what it is and what it was learnt from, in a sentence.
        motifs: what the manifest says about the motifs, if it reads motifs.
    """

    files: Mapping[str, bytes]
    source: str
    motifs: Motifs | None = None

    def most_tokens(self, max_bases: int, only_bases: bool) -> int:
        """The most tokens that a sequence of `max_bases` can give, special tokens included.

        Args:
            max_bases: the longest sequence.
            only_bases: no letter but A, C, G and T is accepted.
        """
        if self.motifs is None:
            return most_tokens(self.files[TOKENIZER], max_bases, only_bases)
        return most_motif_tokens(self.files[TOKENIZER], self.files[MOTIFS].decode().split(), max_bases)

    def save(self, folder: Path) -> None:
        """Write the files and what is known about them."""
        said = {"source": self.source, "motifs": self.motifs and self.motifs.model_dump()}
        for name, content in self.files.items():
            write_atomically(folder / name, content)
        write_atomically(folder / SOURCE, json.dumps(said, indent=2).encode() + b"\n")


def load_tokenizer(folder: Path) -> TrainedTokenizer:
    """Read what `TrainedTokenizer.save` wrote.

    Raises:
        DataError: a file is missing.
    """
    try:
        said = json.loads((folder / SOURCE).read_bytes())
        motifs = Motifs.model_validate(said["motifs"]) if said["motifs"] else None
        names = [TOKENIZER, MOTIFS] if motifs else [TOKENIZER]
        return TrainedTokenizer({name: (folder / name).read_bytes() for name in names}, said["source"], motifs)
    except OSError as error:
        raise DataError(f"{error.filename} is missing: run `python -m training prepare` first") from None


def build_tokenizer(config: TokenizerConfig, train: Table, data: Path) -> TrainedTokenizer:
    """Make the tokenizer that a configuration asks for.

    Args:
        config: which.
        train: the training rows, the only ones that anything is learnt from.
        data: the folder that tables of scores are relative to.

    Raises:
        DataError: a table cannot be read.
    """
    if config.kind == "motifs":
        return _motifs(config, train, data)
    if config.kind == "morfessor":
        return _morfessor(config, train, data)
    if config.kind == "six_mer":
        return six_mers(config.version)
    said = f"Byte pairs learnt from the training rows, {config.vocabulary:,} entries."
    return TrainedTokenizer({TOKENIZER: train_bpe(train.sequences, config.vocabulary)}, said)


def six_mers(version: Literal["v1", "v2"]) -> TrainedTokenizer:
    """Nucleotide Transformer's tokenizer, which nothing has to be learnt for."""
    vocabulary = six_mer_vocabulary(version)
    said = f"Nucleotide Transformer's six-mers, {version}, {len(vocabulary):,} entries."
    return TrainedTokenizer({TOKENIZER: six_mer_tokenizer(vocabulary)}, said)


def _morfessor(config: TokenizerConfig, train: Table, data: Path) -> TrainedTokenizer:
    settings = config.morfessor
    if settings.corpus == "chunks":
        corpus, said = chunk_corpus(train.sequences, settings), f"the training rows in chunks of {settings.bases} bases"
    else:
        scores = kmer_scores(config.scores, settings.bases, train, data)
        corpus, said = kmer_corpus(scores), f"{settings.bases}-mers counted by score. Scores: {scores.source[:-1]}"
    model = train_morfessor(corpus, settings, config.vocabulary)
    tokenizer_json = unigram_of(model, settings.longest_bases)
    sizes = f"corpus weight {model.get_corpus_coding_weight():.3g}, {read_layout(tokenizer_json).vocabulary:,} entries"
    return TrainedTokenizer({TOKENIZER: tokenizer_json}, f"Morfessor Baseline ({sizes}) trained on {said}.")


def _motifs(config: TokenizerConfig, train: Table, data: Path) -> TrainedTokenizer:
    scores = kmer_scores(config.scores, config.motifs.bases, train, data)
    motifs = choose_motifs(scores, config.motifs)
    tokenizer_json = train_word_pieces(train.sequences, motifs, config.vocabulary)
    files = {TOKENIZER: tokenizer_json, MOTIFS: "".join(f"{motif}\n" for motif in motifs).encode()}
    said = f"Word pieces learnt from the training rows' motifs: {len(motifs):,} of {config.motifs.bases} bases."
    return TrainedTokenizer(files, said, Motifs(bases=config.motifs.bases, scores=scores.source))
