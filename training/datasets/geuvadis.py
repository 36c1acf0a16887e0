"""GEUVADIS: 343 Europeans with genotypes and expression in lymphoblastoid cells, on 3.4 Mb of chromosome 22.

Expression: Lappalainen et al. 2013, Nature 501:506, as FastQTL's and QTLtools' examples hold it. Genotypes: 1000
Genomes phase 3, the variants of HapMap 3, without phase, on GRCh38.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.stats import norm, rankdata

from training.datasets.files import opened, read_cells, require
from training.datasets.people import Gene, People, Variant, matched_columns
from training.datasets.table import Floats
from training.errors import DataError

GENOTYPES = "region_343_unphased.hg38.vcf.gz"
GENES = "region_genes.tsv"
PROMOTERS = "epd_promoters_in_region.csv"
REFERENCE = "hg38_chr22_37200001_40600000.fa.gz"
CONTIG = "chr22"
EXPRESSION = {
    "normalised": "region_expression_fastqtl_normalised_343.tsv.gz",
    "rpkm": "region_expression_rpkm_343.tsv.gz",
}
UNIT = {
    "normalised": "standard deviations of normalised expression",
    "rpkm": "standard deviations of RPKM by rank",
}
OBTAINED = (
    "The files join 1000 Genomes' genotypes with GEUVADIS' expression as the examples of FastQTL and QTLtools hold it "
    "(github.com/francois-a/fastqtl, github.com/qtltools/qtltools)"
)

RPKM_FLOOR = 0.1
"""Added before a logarithm is taken."""

FIXED_COLUMNS = 9
DOSAGE = {"0/0": 0.0, "0/1": 1.0, "1/0": 1.0, "1/1": 2.0, "./.": np.nan}

Expression = Literal["normalised", "rpkm"]


@dataclass(frozen=True)
class _Genotypes:
    ids: tuple[str, ...]
    variants: tuple[Variant, ...]
    dosages: Floats


def read_geuvadis(folder: Path, expression: Expression = "normalised") -> People:
    """Read genotypes and expression of everybody; genes whose start is not known are left out.

    Args:
        folder: where the files are.
        expression: `normalised`: as FastQTL's example has it, 54 genes; `rpkm`: QTLtools' 88 genes, each brought to a
            normal distribution by rank, since RPKM are skewed.

    Raises:
        DataError: a file is missing or not what it should be.
    """
    require(folder, (GENOTYPES, GENES, PROMOTERS, EXPRESSION[expression]), OBTAINED)
    genotypes = _read_vcf(folder / GENOTYPES)
    known = {gene.id: gene for gene in _genes(folder)}
    header, *rows = read_cells(folder / EXPRESSION[expression])
    columns = matched_columns(genotypes.ids, header, EXPRESSION[expression])
    kept = [row for row in rows if row[0] in known]
    values = np.array([[float(row[column]) for column in columns] for row in kept])
    if expression == "rpkm":
        values = by_rank(values)
    return People(
        ids=genotypes.ids,
        variants=genotypes.variants,
        dosages=genotypes.dosages,
        genes=tuple(known[row[0]] for row in kept),
        expression=values.T.astype(np.float32),
        unit=UNIT[expression],
    )


def read_levels(folder: Path, people: Sequence[str]) -> tuple[tuple[Gene, ...], Floats]:
    """How much each gene is expressed beside the others, which normalised values do not tell.

    Args:
        folder: where the files are.
        people: in the order wanted.

    Returns:
        QTLtools' genes, and (people, genes) float32 log2 of RPKM + 0.1.

    Raises:
        DataError: a file is missing, or lacks a person.
    """
    require(folder, (GENES, PROMOTERS, EXPRESSION["rpkm"]), OBTAINED)
    known = {gene.id: gene for gene in _genes(folder)}
    header, *rows = read_cells(folder / EXPRESSION["rpkm"])
    columns = matched_columns(people, header, EXPRESSION["rpkm"])
    kept = [row for row in rows if row[0] in known]
    values = np.array([[float(row[column]) for column in columns] for row in kept])
    return tuple(known[row[0]] for row in kept), np.log2(values + RPKM_FLOOR).T.astype(np.float32)


def by_rank(
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Each row brought to a standard normal distribution by its ranks; equal values share their mean rank."""
    ranks = rankdata(values, axis=1)
    return np.asarray(norm.ppf((ranks - 0.5) / values.shape[1]))


def _read_vcf(path: Path) -> _Genotypes:
    ids: tuple[str, ...] = ()
    variants, dosages = [], []
    for cells in read_cells(path):
        if cells[0] == "#CHROM":
            ids = tuple(cells[FIXED_COLUMNS:])
        elif not cells[0].startswith("#"):
            variants.append(Variant(cells[0], int(cells[1]), cells[3], cells[4]))
            dosages.append([_dosage(cell, cells[1]) for cell in cells[FIXED_COLUMNS:]])
    return _Genotypes(ids, tuple(variants), np.array(dosages, dtype=np.float32).T)


def _dosage(cell: str, position: str) -> float:
    genotype = cell.partition(":")[0].replace("|", "/")
    if genotype not in DOSAGE:
        raise DataError(f"{GENOTYPES}: a genotype at position {position} is not of two alleles, 0 or 1")
    return DOSAGE[genotype]


def _genes(folder: Path) -> Iterator[Gene]:
    symbols = _symbols(folder / PROMOTERS)
    with opened(folder / GENES) as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            yield Gene(row["ens"], symbols.get(row["ens"], ""), CONTIG, int(row["tss_hg38"]), row["strand"])


def _symbols(path: Path) -> dict[str, str]:
    """Gene to symbol: EPD calls a promoter by the gene's symbol and a number."""
    with opened(path) as lines:
        return {row["ensembl"]: row["promoter"].rpartition("_")[0] for row in csv.DictReader(lines)}
