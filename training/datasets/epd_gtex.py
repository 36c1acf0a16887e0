"""EPDnew promoters x GTEx: how much a human gene is expressed in a tissue, from the 60 bases around its start.

Promoters: EPDnew human, hg38, bases -49 to +10 of the transcription start (Meylan et al. 2020, NAR 48:D65).
Expression: GTEx v7, median TPM of the tissue's donors (GTEx Consortium 2017, Nature 550:204).
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from training.datasets.files import opened
from training.datasets.homology import chained_rows, connected, related_pairs
from training.datasets.options import refuse_unknown_targets
from training.datasets.table import Columns, Quantity, Table

JOINED = "promoter60_gtex7_joined.tsv.gz"
FILES = (JOINED,)
OBTAINED = (
    "The table joins EPDnew's human promoters (epd.expasy.org, github.com/Park-JungJoon/HUPTA) with GTEx v7's median "
    "TPM of each gene (gtexportal.org)"
)

COLUMN_OF = {
    "pituitary": "Pituitary",
    "whole_blood": "Whole.Blood",
    "lung": "Lung",
    "pancreas": "Pancreas",
    "esophagus_mucosa": "Esophagus...Mucosa",
    "minor_salivary_gland": "Minor.Salivary.Gland",
    "transformed_fibroblasts": "Cells...Transformed.fibroblasts",
}
TISSUES = tuple(COLUMN_OF)
PROMOTER_BASES = 60
DEFAULT_TISSUES = ("pituitary",)

# Small beside the 0.03 TPM that 95 % of the promoters reach, so that the silent genes do not become outliers.
PSEUDOCOUNT = 0.01


def read_epd_gtex(folder: Path, tissues: tuple[str, ...] = DEFAULT_TISSUES, auxiliary: bool = False) -> Table:
    """Read the primary promoter of every gene with one; the table holds one that was cut short, which is left out.

    Args:
        folder: where the file is.
        tissues: the targets, log10(TPM + 0.01) each.
        auxiliary: also read the tissues that are no target, as auxiliary columns.

    Raises:
        ConfigError: a tissue is unknown.
    """
    refuse_unknown_targets(tissues, TISSUES)
    with opened(folder / JOINED) as lines:
        primary = [row for row in csv.DictReader(lines, delimiter="\t") if row["is_primary"] == "1"]
    rows = [row for row in primary if len(row["sequence"]) == PROMOTER_BASES]
    sequences = tuple(row["sequence"] for row in rows)
    others = tuple(tissue for tissue in TISSUES if tissue not in tissues) if auxiliary else ()
    same_gene = chained_rows(np.array([row["ensembl"] for row in rows]))
    return Table(
        ids=tuple(row["promoter"] for row in rows),
        sequences=sequences,
        quantities=tuple(quantity(tissue, PSEUDOCOUNT) for tissue in tissues),
        targets=_columns(rows, tissues),
        auxiliary=_columns(rows, others),
        coverage=np.full(len(rows), np.nan, dtype=np.float32),
        groups=connected(len(rows), same_gene, related_pairs(sequences)),
        splits=np.full(len(rows), "", dtype="<U5"),
    )


def target_name(tissue: str) -> str:
    """What the column of a tissue is called."""
    return f"log10_tpm_{tissue}"


def quantity(tissue: str, pseudocount: float, note: str = "") -> Quantity:
    """What is predicted for a tissue."""
    return Quantity(
        target_name(tissue),
        f"log10(TPM + {pseudocount:g})" if pseudocount else "log10(TPM)",
        "log10",
        "more expressed",
        f"Median expression of the gene in {tissue.replace('_', ' ')}, over GTEx's donors{note}.",
        pseudocount,
    )


def _columns(rows: list[dict[str, str]], tissues: tuple[str, ...]) -> Columns:
    tpm = np.array([[float(row[COLUMN_OF[tissue]]) for tissue in tissues] for row in rows])
    levels = np.log10(tpm.reshape(len(rows), len(tissues)) + PSEUDOCOUNT)
    return Columns.measured(tuple(map(target_name, tissues)), levels)
