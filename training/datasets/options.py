"""What a configuration's [data] table may ask of a data set, beyond which it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from training.errors import ConfigError

SourceName = Literal["utrseq", "plasmodium", "epd_gtex", "siegel", "ecoli", "yeast", "gtex_genome", "table", "levels"]


def refuse_unknown_targets(chosen: Sequence[str], known: Sequence[str]) -> None:
    """Check what a configuration asks a data set to predict.

    Raises:
        ConfigError: the data set does not have it.
    """
    if unknown := [name for name in chosen if name not in known]:
        raise ConfigError(f"data.targets: {unknown[0]} is none of {', '.join(known)}")


@dataclass(frozen=True)
class WindowOptions:
    """How far a window reaches to both sides of a gene's anchor (plasmodium, gtex_genome)."""

    upstream_bases: int = 2000
    """Before the anchor, in the gene's direction; the anchor is the window's base of this index, counted from 0."""

    downstream_bases: int = 2000
    """From the anchor on, the anchor included."""

    def __post_init__(self) -> None:
        if min(self.upstream_bases, self.downstream_bases) < 0 or self.upstream_bases + self.downstream_bases < 1:
            raise ConfigError("data.window: upstream_bases and downstream_bases must be at least 0 and not both 0")


@dataclass(frozen=True)
class GroupingOptions:
    """Which windows of a genome must stay in one split, beside those of one gene family (plasmodium, gtex_genome)."""

    by: Literal["overlap", "block"] = "overlap"
    """`overlap`: windows that share positions; `block`: all windows in one stretch of a chromosome."""

    block_bases: int = 100_000
    """Least length of a block; it ends at the next place that no window covers."""

    def __post_init__(self) -> None:
        if self.block_bases < 1:
            raise ConfigError("data.grouping.block_bases must be at least 1")


@dataclass(frozen=True)
class UtrseqOptions:
    """Which of UTR-Seq's reporters are read (utrseq)."""

    reporters: Literal["public", "all"] = "public"
    """`public`: those whose sequences are in the joined table or beside Rabani's counts; `all`: all 90,000, whose
    sequences a person must supply."""


@dataclass(frozen=True)
class GenomeOptions:
    """A genome and its gene starts, which a person must supply (gtex_genome)."""

    fasta: str = ""
    """File of contigs; repeats in lower case relate no genes to each other."""

    starts: str = ""
    """Table with the columns gene (Ensembl id), contig, start (1-based) and strand (+ or -), a row each gene."""

    levels: str = "GTEx_gene_median_7tissues.tsv.gz"
    """GTEx's table of median TPM: gene, and a column each tissue."""


@dataclass(frozen=True)
class TargetOptions:
    """A column of a user's table that is predicted."""

    column: str
    unit: str
    scale: Literal["linear", "log2", "log10", "ln", "other"]
    higher_means: str
    """What a larger value stands for, such as "more stable"."""

    description: str
    name: str = ""
    """On the wire and in reports; empty: the column's."""

    pseudocount: float = 0.0
    """What was added before the logarithm was taken."""


@dataclass(frozen=True)
class TableOptions:
    """A user's own table (table). All but file, id, sequence and targets may be left out."""

    file: str = ""
    """CSV, TSV or Parquet, by its ending; .gz and .xz are inflated."""

    id: str = "id"
    """Column of unique names."""

    sequence: str = "sequence"
    """Column of bases: A, C, G, T or U, and N."""

    targets: tuple[TargetOptions, ...] = ()
    group: str = ""
    """Column that says which rows are related; empty: those that share a stretch of bases."""

    weight: str = ""
    """Column of how much a row counts in the loss, at least 0; empty: all the same."""

    split: str = ""
    """Column of train, valid and test, for split.by = "column"."""

    missing: Literal["refuse", "drop"] = "refuse"
    """What happens to a target that was not measured: `drop` leaves the value out, and a row that has no other."""

    shared_bases: int = 20
    """Rows that share a stretch of this many bases are related, unless a group column is named; 0: only equal rows."""

    different_words: int = 0
    """Least number of different three-base words in such a stretch, so that repeats do not relate everything."""


@dataclass(frozen=True)
class LevelsOptions:
    """A user's two files of levels over time and of sequences (levels), joined by id."""

    levels_file: str = ""
    sequences_file: str = ""
    id: str = "id"
    """Column of unique names, in both files."""

    sequence: str = "seq"
    """Column of bases, in the file of sequences."""

    level_column: str = "{hour}h"
    """What the columns of levels in log2 are called; those of 1, 2, 6 and 8 hours are read."""

    missing: Literal["refuse", "drop"] = "refuse"
    """What happens to a level that was not measured: `drop` leaves out what it is needed for."""

    unmatched: Literal["refuse", "drop"] = "refuse"
    """What happens to an id that stands in one of the files only: `drop` leaves it out."""
