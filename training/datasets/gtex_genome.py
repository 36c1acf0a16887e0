"""Gene windows of the human genome x GTEx: the task on which DNABERT-2 and DExTER were first compared.

A person supplies the genome and the gene starts. The first comparison had 22,410 genes of RefSeq's curated starts with
4 kb around each, first on hg19, then on GRCh38.p14, and put genes without expression at 0.001 TPM.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from training.datasets.epd_gtex import COLUMN_OF, TISSUES, quantity, target_name
from training.datasets.fasta import read_windows
from training.datasets.files import require
from training.datasets.homology import GENOME_STRETCH, related_pairs
from training.datasets.options import GenomeOptions, GroupingOptions, WindowOptions, refuse_unknown_targets
from training.datasets.sheet import Sheet, read_sheet
from training.datasets.table import Columns, Table
from training.datasets.windows import Strand, Window, window_around, window_groups
from training.errors import ConfigError, DataError

OBTAINED = (
    "A person supplies the genome (hg19 or GRCh38 with repeats in lower case: hgdownload.soe.ucsc.edu, or NCBI) and a "
    "table of gene starts from RefSeq's annotation of it, with the columns gene, contig, start and strand; GTEx's "
    "table of median TPM is in epd-gtex-human-promoter, or at gtexportal.org"
)
LEAST_TPM = 0.001
GENE, CONTIG, START, STRAND = "gene", "contig", "start", "strand"
REPEATS = str.maketrans("acgtn", "NNNNN")


def read_gtex_genome(
    folder: Path,
    genome: GenomeOptions,
    tissues: tuple[str, ...],
    window: WindowOptions,
    grouping: GroupingOptions,
    auxiliary: bool = False,
) -> Table:
    """Read the genes with a level in GTEx and a window that lies on its contig.

    Genes are related when they share a stretch outside of repeats: one Alu would otherwise relate half of them.

    Args:
        folder: where the files are.
        genome: their names.
        tissues: the targets, log10(max(TPM, 0.001)) each.
        window: what is read around a gene's first base.
        grouping: which windows stay together, beside those of related genes.
        auxiliary: also read the tissues that are no target, as auxiliary columns.

    Raises:
        ConfigError: a file is not named, or a tissue is unknown.
        DataError: a file is missing, something in it cannot be meant, or the files have no gene in common.
    """
    refuse_unknown_targets(tissues, TISSUES)
    if not genome.fasta or not genome.starts:
        raise ConfigError("data.genome: fasta and starts must be named")
    require(folder, (genome.fasta, genome.starts, genome.levels), OBTAINED)
    levels = read_sheet(folder / genome.levels)
    row_of = {_gene(name): row for row, name in enumerate(levels.ids(GENE))}
    starts = read_sheet(folder / genome.starts)
    windows = {gene: around for gene, around in _windows(starts, window).items() if gene in row_of}
    bases_of = read_windows(folder / genome.fasta, windows)
    if not bases_of:
        raise DataError(
            f"{starts.path.name}: no gene has a level in {levels.path.name} and a window in {genome.fasta}; "
            "genes are named by Ensembl ids, contigs as in the FASTA file"
        )
    ids = tuple(bases_of)
    rows = np.array([row_of[gene] for gene in ids])
    others = tuple(tissue for tissue in TISSUES if tissue not in tissues) if auxiliary else ()
    related = related_pairs([bases.translate(REPEATS) for bases in bases_of.values()], GENOME_STRETCH)
    return Table(
        ids=ids,
        sequences=tuple(bases.upper() for bases in bases_of.values()),
        quantities=tuple(quantity(tissue, 0, f"; below {LEAST_TPM:g} TPM counts as that") for tissue in tissues),
        targets=_columns(levels, tissues).rows(rows),
        auxiliary=_columns(levels, others).rows(rows),
        coverage=np.full(len(ids), np.nan, dtype=np.float32),
        groups=window_groups([windows[gene] for gene in ids], grouping, related),
        splits=np.full(len(ids), "", dtype="<U5"),
        contigs=tuple(windows[gene].contig for gene in ids),
    )


def _gene(name: str) -> str:
    """An Ensembl id without its version."""
    return name.partition(".")[0]


def _windows(starts: Sheet, options: WindowOptions) -> dict[str, Window]:
    genes, contigs, strands = starts.ids(GENE), starts.column(CONTIG), starts.column(STRAND)
    positions = starts.numbers(START)
    row_of: dict[str, int] = {}
    for row, gene in enumerate(map(_gene, genes)):
        if gene in row_of:
            raise starts.refused(
                row, GENE, f"{genes[row]} is also in {starts.places[row_of[gene]]}, but for its version"
            )
        row_of[gene] = row
    for row, (position, strand) in enumerate(zip(positions, strands, strict=True)):
        if strand not in {"+", "-"}:
            raise starts.refused(row, STRAND, "is neither + nor -")
        if not (position >= 1 and position.is_integer()):
            raise starts.refused(row, START, "is no position: a whole number from 1 is needed")
    return {
        _gene(gene): window_around(contig, int(position) - 1, cast("Strand", strand), options)
        for gene, contig, position, strand in zip(genes, contigs, positions, strands, strict=True)
    }


def _columns(levels: Sheet, tissues: tuple[str, ...]) -> Columns:
    if not tissues:
        return Columns.none(len(levels))
    tpm = np.stack([levels.numbers(COLUMN_OF[tissue]) for tissue in tissues], axis=1)
    return Columns.measured(tuple(map(target_name, tissues)), np.log10(np.maximum(tpm, LEAST_TPM)))
