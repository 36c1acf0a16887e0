"""Everybody's segments around every gene, cut by the very code that serves: no train/serve skew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.genome.genotypes import Genotypes
from app.genome.haplotypes.policies import Policies
from app.genome.haplotypes.segments import Segments, build_segments, cut
from app.genome.haplotypes.widening import build_widened
from app.genome.intervals import Interval, Strand, Window, around
from app.genome.letters import reverse_complement
from app.genome.narrowing import narrowed
from app.genome.reference import Reference
from app.genome.upload.parsing import parse_upload
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from training.datasets.files import opened
from training.datasets.people import Gene
from training.errors import DataError
from training.personal.config import SegmentsConfig

READ_BYTES = 1 << 16
POLICIES = Policies()
"""Those of the service: an unphased call's alleles as they are listed, the reference where none was called."""

Rows = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class CutGenes:
    """Segments of all genes, equal sequences once.

    Attributes:
        sequences: distinct ones.
        rows: (genes, people, 2, segments) which of them each haplotype has.
        reference_rows: (genes, segments) the reference's own.
    """

    sequences: tuple[str, ...]
    rows: Rows
    reference_rows: Rows

    @property
    def genes(self) -> int:
        return len(self.rows)


def window_of(gene: Gene, config: SegmentsConfig) -> Window:
    """The window of a gene, as the service places it from the bundle's manifest."""
    strand: Strand = "-" if config.strand_specific and gene.strand == "-" else "+"
    return around(gene.contig, gene.start - 1, config.side_bases, config.side_bases, strand)


def is_on(reference: Reference, gene: Gene, config: SegmentsConfig) -> bool:
    """Whether the reference has every base of a gene's window; one that reaches past it would be filled with N."""
    interval = window_of(gene, config).interval
    stretch = reference.stretch(interval)
    return stretch.first <= interval.start and interval.end <= stretch.last


def cut_genes(
    genes: Sequence[Gene], people: Sequence[str], genotypes: Genotypes, reference: Reference, config: SegmentsConfig
) -> CutGenes:
    """Cut everybody's haplotypes around each gene into segments.

    Args:
        genes: whose windows the reference has.
        people: in the order wanted.
        genotypes: of them all, over the whole region.

    Raises:
        DataError: a person has no two haplotypes.
    """
    row_of: dict[str, int] = {}
    column_of = {name: column for column, name in enumerate(genotypes.samples)}
    columns = [column_of[name] for name in people]
    rows, references = [], []
    for gene in genes:
        segments = cut_gene(gene, genotypes, reference, config)
        texts = [text.decode("ascii") for text in segments.sequences()]
        taken = np.array([row_of.setdefault(text, len(row_of)) for text in texts], dtype=np.int32)
        rows.append(taken[_haplotype_rows(segments, columns)])
        references.append(taken[: config.count])
    return CutGenes(tuple(row_of), np.stack(rows), np.stack(references))


def cut_gene(gene: Gene, genotypes: Genotypes, reference: Reference, config: SegmentsConfig) -> Segments:
    """Everybody's distinct segments of one gene's window, the reference's own first."""
    interval = window_of(gene, config).interval
    return build_widened(
        interval,
        lambda around_it: narrowed(genotypes, around_it.start, around_it.end),
        reference.stretch,
        POLICIES,
        lambda people: build_segments(people, cut(interval, config.count)),
    )


def reference_segments(gene: Gene, reference: Reference, config: SegmentsConfig) -> list[str]:
    """The reference's own segments of a gene's window, in reading order."""
    interval = window_of(gene, config).interval
    stretch = reference.stretch(interval).in_model_letters()
    texts = [stretch.between(place.interval.start, place.interval.end) for place in cut(interval, config.count)]
    turned = texts if interval.strand == "+" else [reverse_complement(text) for text in texts]
    return [text.decode("ascii") for text in turned]


def read_genotypes(path: Path, region: Interval) -> Genotypes:
    """Everybody's genotypes in a region, as an upload of the file would be read.

    Raises:
        VcfRefused: it is no VCF that is read.
    """
    with path.open("rb") as file:
        query = GenotypeQuery(region.contig, region.start, region.end)
        return parse_upload(iter(lambda: file.read(READ_BYTES), b""), query, VcfLimits())


def unpacked_reference(path: Path, folder: Path) -> Path:
    """A FASTA as the service opens it: plain text, since a gzip that is not bgzip has no index."""
    unpacked = folder / "reference.fa"
    if not unpacked.is_file():
        with opened(path) as text:
            folder.mkdir(parents=True, exist_ok=True)
            partial = unpacked.with_suffix(".partial")
            partial.write_text(text.read(), encoding="ascii")
            partial.replace(unpacked)
    return unpacked


def _haplotype_rows(segments: Segments, columns: Sequence[int]) -> Rows:
    """(people, 2, segments) rows of the gene's own distinct segments."""
    found = [[segments.rows_of(column, index) for index in range(2)] for column in columns]
    if any(rows is None for both in found for rows in both):
        raise DataError("a person has one haplotype only; people are read with two")
    return np.array(found, dtype=np.int32)
