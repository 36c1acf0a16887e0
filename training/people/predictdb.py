"""PredictDB's files: elastic nets that others have trained, as the bundle that the service answers from.

PredictDB is SQLite: `weights` has a row for each variant of a gene, `extra` one for each gene. A value is the sum of
weight times copies of the effect allele, without an intercept.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from app.bundle import VARIANTS
from app.dosage import ModelVariants, write_variants
from training.baselines.kmers import Matrix
from training.baselines.linear import DosageRegressor
from training.config import BundleWords
from training.datasets.people import Variant
from training.datasets.table import Quantity
from training.errors import DataError
from training.export import Description, Export, write_bundle
from training.feeder import Feeder
from training.people.export import golden_dosages, input_rules, variants_of
from training.reading import read_dataclass, read_toml

ENDING = ".db"
REQUIRED = ("rsid", "gene", "weight", "ref_allele", "eff_allele")
PLACED = re.compile(r"(?P<contig>(chr)?[0-9A-Za-z]+)[_:](?P<position>\d+)[_:][ACGT]+[_:][ACGT]+([_:]\w+)?")
CIS_BASES = 1_000_000
"""How far from a gene PredictDB looks for variants."""


@dataclass(frozen=True)
class PredictDbCard:
    """What the bundle says beyond the file: a TOML file."""

    bundle: BundleWords
    measured: str
    """What the expression of a gene is of, such as "expression in whole blood"."""

    unit: str = "standard deviations of normalised expression"


@dataclass(frozen=True)
class Weight:
    """What one copy of the alternate allele, which PredictDB calls the effect allele, adds to a gene."""

    gene: str
    variant: Variant
    weight: float


@dataclass(frozen=True)
class PredictDb:
    """A file's content.

    Attributes:
        descriptions: gene, without its version, to its symbol and its authors' figure.
        weights: in the file's order.
    """

    descriptions: dict[str, str]
    weights: tuple[Weight, ...]


@dataclass(frozen=True, eq=False)
class Sums:
    """The same as sums over variants that stand there once.

    Attributes:
        variants: each pair of alleles at each place, as it comes first.
        weights: (variants, genes).
        intercepts: (genes,) what is added to turn alleles that a gene has the other way round.
    """

    variants: tuple[Variant, ...]
    weights: Matrix
    intercepts: np.ndarray[tuple[int], np.dtype[np.float64]]


def import_predictdb(path: Path, card: PredictDbCard, models: Path, command: str) -> Export:
    """Write the bundle of a PredictDB file.

    Args:
        path: of the file.
        card: what the manifest says beyond it.
        models: the folder of bundles.
        command: that imports it again, for the manifest.

    Raises:
        DataError: it is no PredictDB file, or its variants have no positions.
        ExportRefused: ONNX Runtime predicts something else than torch.
    """
    content = read_predictdb(path)
    genes = tuple(content.descriptions)
    sums = add_up(content.weights, genes)
    weighed = {gene: sums.weights[:, column] != 0 for column, gene in enumerate(genes)}
    # Frequencies are not in the file: a call that is missing counts as no effect allele, as in PrediXcan.
    variants: ModelVariants = variants_of(sums.variants, np.zeros(len(sums.variants)), weighed)
    model = DosageRegressor(_single(sums.weights), _single(sums.intercepts)).eval()
    described = Description(
        bundle=card.bundle,
        quantities=tuple(_quantity(gene, content.descriptions[gene], card) for gene in genes),
        architecture=f"Linear models of {len(genes):,} genes, from a PredictDB file.",
        config={"predictdb": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}},
        command=command,
        golden_dosages=golden_dosages(variants),
    )
    feeder = Feeder(input_rules(len(variants), CIS_BASES), {VARIANTS: write_variants(variants)})
    return write_bundle(model, feeder, described, models)


def read_predictdb_card(path: Path) -> PredictDbCard:
    """Read a card.

    Raises:
        ConfigError: it is missing or not TOML, or a key is unknown, missing or of the wrong kind.
    """
    return read_dataclass(PredictDbCard, read_toml(path), path.name)


def read_predictdb(path: Path) -> PredictDb:
    """Read the genes that have a weight, and their weights.

    Raises:
        DataError: it is no PredictDB file, or its variants have no positions.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as file:
            file.row_factory = sqlite3.Row
            weights = tuple(_weight(row, path) for row in file.execute("SELECT * FROM weights"))
            extra = {_unversioned(row["gene"]): row for row in file.execute("SELECT * FROM extra")}
    except (sqlite3.Error, IndexError) as error:
        raise DataError(f"{path.name}: not a PredictDB file: {error}; see predictdb.org") from None
    genes = dict.fromkeys(weight.gene for weight in weights if weight.weight)
    if not genes:
        raise DataError(f"{path.name}: no gene has a weight")
    return PredictDb({gene: _described(extra.get(gene)) for gene in genes}, weights)


def add_up(weights: Sequence[Weight], genes: Sequence[str]) -> Sums:
    """Bring weights into one table of variants.

    A gene that counts the other allele of a variant, w * (2 - d), adds -w * d and a constant 2 * w.
    """
    column_of = {gene: column for column, gene in enumerate(genes)}
    used = [weight for weight in weights if weight.weight]
    row_of: dict[Variant, int] = {}
    for weight in used:
        if _turned(weight.variant) not in row_of:
            row_of.setdefault(weight.variant, len(row_of))
    table, intercepts = np.zeros((len(row_of), len(genes))), np.zeros(len(genes))
    for weight in used:
        column = column_of[weight.gene]
        if weight.variant in row_of:
            table[row_of[weight.variant], column] += weight.weight
        else:
            table[row_of[_turned(weight.variant)], column] -= weight.weight
            intercepts[column] += 2 * weight.weight
    return Sums(tuple(row_of), table, intercepts)


def _weight(row: sqlite3.Row, path: Path) -> Weight:
    _, gene, weight, reference, effect = (row[name] for name in REQUIRED)
    name = row["varID"] if "varID" in row.keys() else row["rsid"]  # noqa: SIM118 - `in` looks at a row's values
    placed = PLACED.fullmatch(str(name))
    if placed is None:
        raise DataError(
            f"{path.name}: {name} of {gene} has no position; varID, or rsid without it, must be such as "
            "chr22_39349925_A_G_b38"
        )
    contig = f"chr{placed['contig'].removeprefix('chr')}"
    variant = Variant(contig, int(placed["position"]), str(reference).upper(), str(effect).upper())
    return Weight(_unversioned(gene), variant, float(weight))


def _unversioned(gene: str) -> str:
    return gene.partition(".")[0]


def _turned(variant: Variant) -> Variant:
    return Variant(variant.contig, variant.position, variant.alternate, variant.reference)


def _described(row: sqlite3.Row | None) -> str:
    if row is None:
        return "A gene"
    known = dict(zip(row.keys(), tuple(row), strict=True))
    explained = known.get("pred.perf.R2")
    figure = f" (R2 {float(explained):.3f} by its authors' cross-validation)" if explained is not None else ""
    return f"{known.get('genename') or 'A gene'}{figure}"


def _quantity(gene: str, description: str, card: PredictDbCard) -> Quantity:
    return Quantity(gene, card.unit, "other", "more expressed", f"{description}: {card.measured}.")


def _single(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
