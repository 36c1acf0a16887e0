"""How sequences become tokens: the `[tokenizer]` table of a configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from training.errors import ConfigError

LONGEST_MOTIF_BASES = 12


@dataclass(frozen=True)
class ScoresConfig:
    """Where the scores of k-mers come from: a table that is given, or the training rows."""

    table: str = ""
    """CSV or TSV of k-mers and scores, relative to the configuration; empty: estimated from the training rows."""

    kmer_column: str = "kmer"
    score_column: str = "score"

    estimator: Literal["mean_target", "enrichment"] = "mean_target"
    """`mean_target`: mean standardised target of the training rows that hold the k-mer; `enrichment`: how much more
    frequent it is in the upper third of the training rows, by the target, than in the lower third."""

    target: str = ""
    """Which target; empty: the first."""

    shrinkage_rows: float = 10.0
    """Rows of mean 0 that are added to each k-mer's mean, so that few rows say little (mean_target)."""

    def __post_init__(self) -> None:
        if self.shrinkage_rows < 0:
            raise ConfigError("tokenizer.scores.shrinkage_rows must be at least 0")


@dataclass(frozen=True)
class MotifsConfig:
    """Which k-mers are motifs."""

    bases: int = 7
    """Length of a motif, in bases."""

    threshold: float | None = None
    """A k-mer is kept when its score is above this; absent: what `kept_share` says."""

    kept_share: float = 0.35
    """Share of the scored k-mers that is kept, the highest scores first. The share that MORPH_D and MORPH_O kept is not
    known: their thresholds (3.32 and 0.954) lie near the middle of their scores (a logistic map of the first was
    centred on 3.188), and 3 of 90,000 sequences of 110 bases kept no window, which takes at least a tenth of the
    windows. With scores estimated on 41,327 of these sequences, 0.35 of the 7-mers are about 0.45 of the windows."""

    def __post_init__(self) -> None:
        if not 1 <= self.bases <= LONGEST_MOTIF_BASES:
            raise ConfigError(f"tokenizer.motifs.bases must be 1 to {LONGEST_MOTIF_BASES}")
        if not 0 < self.kept_share < 1:
            raise ConfigError("tokenizer.motifs.kept_share must be above 0 and below 1")


@dataclass(frozen=True)
class MorfessorConfig:
    """What a Morfessor Baseline model is trained on.

    Its training is slow, and slower the more different texts there are: the 16,384 7-mers take some ten seconds.
    """

    corpus: Literal["chunks", "kmers"] = "chunks"
    """`chunks`: pieces of the training sequences, counted; `kmers`: k-mers, counted by their scores."""

    bases: int = 7
    """Length of a chunk or a k-mer, in bases. Chunks that are mostly unique are kept whole or cut into letters: on
    UTR-Seq, 7 bases gave lexicons of 231 to 4,750 entries, and 18 gave 4 to 17, or one for each chunk."""

    sample_bases: int = 3_000_000
    """Most bases to cut into chunks, of random training rows."""

    corpus_weight: float = 0.0
    """Morfessor's balance between lexicon and corpus; 0: tuned toward `tokenizer.vocabulary` entries."""

    longest_bases: int = 12
    """Longest token, in bases."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.bases < 2 or self.longest_bases < 1 or self.sample_bases < self.bases:
            raise ConfigError(
                "tokenizer.morfessor: bases must be at least 2, longest_bases at least 1, sample_bases at least bases"
            )
        if self.corpus == "kmers" and self.bases > LONGEST_MOTIF_BASES:
            raise ConfigError(f"tokenizer.morfessor.bases: k-mers have at most {LONGEST_MOTIF_BASES} bases")
        if self.corpus_weight < 0:
            raise ConfigError("tokenizer.morfessor.corpus_weight must be at least 0")


@dataclass(frozen=True)
class TokenizerConfig:
    """A tokenizer; whatever it learns, it learns from the training rows.

    A model with a checkpoint brings the checkpoint's and has no such table; Nucleotide Transformer with random weights
    brings its six-mers, unless there is one.
    """

    vocabulary: int = 0
    """Entries, special tokens included (bpe, motifs); those to aim at (morfessor)."""

    kind: Literal["bpe", "six_mer", "morfessor", "motifs"] = "bpe"
    """`bpe`: byte pairs; `six_mer`: Nucleotide Transformer's; `morfessor`: Morfessor Baseline; `motifs`: word pieces of
    the k-mers whose score is above a threshold."""

    version: Literal["v1", "v2"] = "v2"
    """Of Nucleotide Transformer's vocabulary (six_mer)."""

    scores: ScoresConfig = field(default_factory=ScoresConfig)
    motifs: MotifsConfig = field(default_factory=MotifsConfig)
    morfessor: MorfessorConfig = field(default_factory=MorfessorConfig)

    def __post_init__(self) -> None:
        learnt = self.kind in {"bpe", "morfessor", "motifs"}
        if learnt and self.vocabulary < 1:
            raise ConfigError(f"tokenizer.vocabulary: a tokenizer of the kind {self.kind} needs a number of entries")
        if not learnt and self.vocabulary:
            raise ConfigError(f"tokenizer.vocabulary: the kind {self.kind} has a vocabulary of its own; remove the key")
