"""The eQTL Catalogue's test data: 80 genes and their cis variants in 89 people of GEUVADIS, GRCh38.

Origin: eQTL-Catalogue/qtlmap; Kerimov et al. 2021, Nature Genetics 53:1290.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.datasets.files import opened, read_cells, require
from training.datasets.people import Gene, People, Variant, matched_columns

EXPRESSION = "GEUVADIS_cqn.tsv.gz"
GENES = "GEUVADIS_phenotype_metadata.tsv.gz"
RUNS = "GEUVADIS_sample_metadata.tsv.gz"
DOSAGES = "LCL.dose.tsv.gz"
FILES = (EXPRESSION, GENES, RUNS, DOSAGES)
OBTAINED = "The files are the test data of the eQTL Catalogue's pipeline (github.com/eQTL-Catalogue/qtlmap)"

FIXED_COLUMNS = 4


def read_eqtl_catalogue(folder: Path) -> People:
    """Read dosages and log2 expression of everybody.

    Raises:
        DataError: a file is missing or not what it should be.
    """
    require(folder, FILES, OBTAINED)
    header, *rows = read_cells(folder / DOSAGES)
    ids = tuple(header[FIXED_COLUMNS:])
    expression_header, *levels = read_cells(folder / EXPRESSION)
    person_of = dict(_people(folder / RUNS))
    columns = matched_columns(ids, [person_of.get(name, "") for name in expression_header], EXPRESSION)
    known = {gene.id: gene for gene in _genes(folder / GENES)}
    kept = [row for row in levels if row[0] in known]
    return People(
        ids=ids,
        variants=tuple(Variant(f"chr{row[0]}", int(row[1]), row[2], row[3]) for row in rows),
        dosages=np.array([row[FIXED_COLUMNS:] for row in rows]).astype(np.float32).T,
        genes=tuple(known[row[0]] for row in kept),
        expression=np.array([[float(row[column]) for column in columns] for row in kept]).T.astype(np.float32),
        unit="log2, conditional quantile normalised",
    )


def _people(path: Path) -> Iterator[tuple[str, str]]:
    """Sequencing run and person."""
    with opened(path) as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            yield row["sample_id"], row["genotype_id"]


def _genes(path: Path) -> Iterator[Gene]:
    with opened(path) as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            strand = "+" if row["strand"] == "1" else "-"
            yield Gene(row["gene_id"], "", f"chr{row['chromosome']}", int(row["phenotype_pos"]), strand)
