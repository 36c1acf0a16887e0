"""*P. falciparum*: how much a gene is expressed, from the bases around the start of its coding sequence.

Genome and genes: 3D7, GenBank GCA_000002765.3. Expression: FPKM every three hours through the blood stage, in four
strains (Smith et al. 2020, Science 368:754).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from training.datasets.fasta import read_windows
from training.datasets.files import read_cells
from training.datasets.homology import GENOME_STRETCH, related_pairs
from training.datasets.options import GroupingOptions, WindowOptions
from training.datasets.table import Columns, Quantity, Table
from training.datasets.windows import Strand, window_around, window_groups

GENOME = "Pf3D7_chr1-14.fa.xz"
FEATURES = "Pf3D7_GCA_000002765.3_feature_table.txt.gz"
STRAINS = ("3D7", "D6", "FVO", "SA250")
LEVELS = {strain: f"strain_{strain}_fpkm_all_timepoints.txt.gz" for strain in STRAINS}
FILES = (GENOME, FEATURES, *LEVELS.values())
OBTAINED = (
    "The genome and its feature table are GenBank GCA_000002765.3; the FPKM tables are public: Smith et al. 2020, "
    "Science 368:754, github.com/kimberlyroche/plasmodium_periodicity"
)
PSEUDOCOUNT = 0.1
DEFAULT_WINDOW, DEFAULT_GROUPING = WindowOptions(), GroupingOptions()

QUANTITY = Quantity(
    "log10_median_fpkm",
    "log10(FPKM + 0.1)",
    "log10",
    "more expressed",
    "Median of the transcript's FPKM over 60 hours of the blood stage of strain 3D7.",
    PSEUDOCOUNT,
)


@dataclass(frozen=True)
class Gene:
    """A gene's start.

    Attributes:
        anchor: 0-based position of the first base of its coding sequence.
    """

    locus_tag: str
    contig: str
    anchor: int
    strand: Strand


@dataclass(frozen=True)
class Course:
    """FPKM of one strain.

    Attributes:
        of: locus tag to (hours,) FPKM.
    """

    hours: tuple[str, ...]
    of: dict[str, npt.NDArray[np.float64]]

    def of_genes(self, locus_tags: list[str]) -> npt.NDArray[np.float64]:
        """(genes, hours), NaN for genes that were not measured."""
        missing = np.full(len(self.hours), np.nan)
        return np.stack([self.of.get(locus_tag, missing) for locus_tag in locus_tags])


def read_plasmodium(
    folder: Path,
    window: WindowOptions = DEFAULT_WINDOW,
    grouping: GroupingOptions = DEFAULT_GROUPING,
    auxiliary: bool = False,
) -> Table:
    """Read the genes that were measured in 3D7 and whose windows lie on their chromosomes.

    Of the 4,996 genes with the default window, 89 are annotated as pseudogenes; they are transcribed and stay.

    Args:
        folder: where the files are.
        window: what is read around the first base of the coding sequence.
        grouping: which windows stay together, beside those of a gene family.
        auxiliary: also read log10(FPKM + 0.1) at every hour of every strain, as auxiliary columns.
    """
    reference = _read_course(folder / LEVELS["3D7"])
    genes = {gene.locus_tag: gene for gene in _read_genes(folder / FEATURES) if gene.locus_tag in reference.of}
    windows = {tag: window_around(gene.contig, gene.anchor, gene.strand, window) for tag, gene in genes.items()}
    sequence_of = read_windows(folder / GENOME, windows)
    ids = list(sequence_of)
    sequences = tuple(bases.upper() for bases in sequence_of.values())
    median = np.median(reference.of_genes(ids), axis=1, keepdims=True)
    related = related_pairs(sequences, GENOME_STRETCH)
    return Table(
        ids=tuple(ids),
        sequences=sequences,
        quantities=(QUANTITY,),
        targets=_columns((QUANTITY.name,), median),
        auxiliary=_courses(folder, ids) if auxiliary else Columns.none(len(ids)),
        coverage=np.full(len(ids), np.nan, dtype=np.float32),
        groups=window_groups([windows[tag] for tag in ids], grouping, related),
        splits=np.full(len(ids), "", dtype="<U5"),
        contigs=tuple(windows[tag].contig for tag in ids),
    )


def _read_genes(path: Path) -> list[Gene]:
    """The coding sequences of the feature table, 1-based and inclusive; pseudogenes have them too."""
    header, *rows = read_cells(path)
    names = [name.removeprefix("# ") for name in header]
    features = (dict(zip(names, row, strict=True)) for row in rows)
    return [_gene(feature) for feature in features if feature["feature"] == "CDS"]


def _gene(cells: dict[str, str]) -> Gene:
    strand = cast("Strand", cells["strand"])
    first = int(cells["start" if strand == "+" else "end"])
    return Gene(cells["locus_tag"], cells["genomic_accession"], first - 1, strand)


def _read_course(path: Path) -> Course:
    (_, *hours), *rows = read_cells(path)
    return Course(tuple(hours), {tag: np.array(levels, dtype=np.float64) for tag, *levels in rows})


def _courses(folder: Path, ids: list[str]) -> Columns:
    courses = {strain: _read_course(folder / path) for strain, path in LEVELS.items()}
    return Columns.joined(
        [
            _columns(tuple(f"{strain.lower()}_{hour}h" for hour in course.hours), course.of_genes(ids))
            for strain, course in courses.items()
        ]
    )


def _columns(names: tuple[str, ...], fpkm: npt.NDArray[np.float64]) -> Columns:
    return Columns.measured(names, np.log10(fpkm + PSEUDOCOUNT))
