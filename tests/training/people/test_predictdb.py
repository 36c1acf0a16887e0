"""A PredictDB file becomes a bundle that answers what PrediXcan would."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.bundle import read_bundle
from app.dosage import cohort_dosages, read_variants
from app.engine import OnnxModel
from app.genome.genotypes import Genotypes
from training.__main__ import app
from training.errors import DataError
from training.people.predictdb import read_predictdb

WEIGHTS = "CREATE TABLE weights (rsid TEXT, gene TEXT, weight REAL, ref_allele TEXT, eff_allele TEXT, varID TEXT)"
EXTRA = (
    'CREATE TABLE extra (gene TEXT, genename TEXT, "n.snps.in.model" INTEGER, "pred.perf.R2" REAL, '
    '"pred.perf.pval" REAL, "pred.perf.qval" REAL)'
)
ROWS = [
    ("rs1", "ENSG01.4", 0.5, "A", "G", "chr22_100_A_G_b38"),
    ("rs2", "ENSG01.4", -0.25, "C", "T", "chr22_200_C_T_b38"),
    # The second gene counts the other allele of the first variant.
    ("rs1", "ENSG02.1", 0.1, "G", "A", "chr22_100_A_G_b38"),
    ("rs3", "ENSG03.1", 0.0, "G", "A", "chr22_300_G_A_b38"),
]
CARD = """
measured = "expression in whole blood"
[bundle]
name = "blood"
version = "1.0.0"
title = "Blood"
summary = "From PredictDB."
task = "expression"
organism = "Homo sapiens"
assembly = "GRCh38"
licence = "MIT"
citation = "Somebody."
intended_use = "Tests."
limits = "None."
"""


def write_predictdb(path: Path, rows: list[tuple[object, ...]] = ROWS) -> Path:
    with closing(sqlite3.connect(path)) as file:
        file.execute(WEIGHTS)
        file.execute(EXTRA)
        file.executemany("INSERT INTO weights VALUES (?, ?, ?, ?, ?, ?)", rows)
        file.execute("INSERT INTO extra VALUES ('ENSG01.4', 'APPLE', 2, 0.31, 1e-9, 1e-8)")
        file.commit()
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the bundle."""
    tmp_path = tmp_path_factory.mktemp("predictdb")
    write_predictdb(tmp_path / "blood.db")
    (tmp_path / "blood.toml").write_text(CARD)
    arguments = ["import", str(tmp_path / "blood.db"), "--models", str(tmp_path / "models")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    return tmp_path / "models"


def region(*calls: tuple[int, bytes, bytes, int, int]) -> Genotypes:
    """One person."""
    positions = np.array([call[0] for call in calls], dtype=np.int64)
    return Genotypes(
        contig="22",
        samples=("somebody",),
        positions=positions,
        ends=positions,
        lines=np.zeros(len(calls), dtype=np.int64),
        references=tuple(call[1] for call in calls),
        alternates=tuple((call[2],) for call in calls),
        passed=np.ones(len(calls), dtype=np.bool_),
        alleles=np.array([[call[3:]] for call in calls], dtype=np.int16),
        phased=np.zeros((len(calls), 1), dtype=np.bool_),
        phase_sets=np.zeros((len(calls), 1), dtype=np.int64),
    )


def test_a_value_is_the_sum_of_weight_times_effect_alleles(models: Path) -> None:
    bundle = read_bundle(models / "blood")
    assert bundle.manifest.target_names == ("ENSG01", "ENSG02")  # a gene without weights is none
    variants = read_variants(bundle.manifest, bundle.files)
    # G once at 100; at 200 the file has the alleles swapped, 0/0 there is T twice.
    found = region((100, b"A", b"G", 0, 1), (200, b"T", b"C", 0, 0))
    dosages = cohort_dosages(variants, [found], bundle.manifest.target_names)
    ((first, second),) = OnnxModel(bundle).predict(list(dosages.rows)).tolist()
    assert first == pytest.approx(0.5 * 1 - 0.25 * 2)
    assert second == pytest.approx(0.1 * 1)  # one A


def test_a_variant_stands_there_once_though_two_genes_count_different_alleles(models: Path) -> None:
    bundle = read_bundle(models / "blood")
    variants = read_variants(bundle.manifest, bundle.files)
    assert variants.positions.tolist() == [100, 200]
    assert variants.weighed["ENSG02"].tolist() == [True, False]
    # Without any G: two A.
    assert OnnxModel(bundle).predict([np.zeros(2, dtype=np.float32)])[0].tolist() == pytest.approx([0, 0.2])


def test_the_manifest_says_what_the_file_says(models: Path) -> None:
    manifest = read_bundle(models / "blood").manifest
    assert manifest.targets[0].description == (
        "APPLE (R2 0.310 by its authors' cross-validation): expression in whole blood."
    )
    assert manifest.provenance.command == "python -m training import blood.db"
    assert len(manifest.provenance.config["predictdb"]["sha256"]) == 64


@pytest.mark.parametrize("name", ["22:100:A:G", "chr22_100_A_G", "22_100_A_G_b37"])
def test_positions_are_read_from_the_forms_that_are_in_use(tmp_path: Path, name: str) -> None:
    path = write_predictdb(tmp_path / "x.db", [("rs1", "ENSG01", 1.0, "A", "G", name)])
    variant = read_predictdb(path).weights[0].variant
    assert (variant.contig, variant.position) == ("chr22", 100)


def test_what_is_no_predictdb_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_predictdb(tmp_path / "missing.db")
    (tmp_path / "text.db").write_text("rsid gene weight" * 100)
    with pytest.raises(DataError, match="not a PredictDB file"):
        read_predictdb(tmp_path / "text.db")
    nameless = write_predictdb(tmp_path / "nameless.db", [("rs1", "ENSG01", 1.0, "A", "G", "rs1")])
    with pytest.raises(DataError, match=r"rs1 of ENSG01 has no position; varID, or rsid without it"):
        read_predictdb(nameless)
    with pytest.raises(DataError, match="no gene has a weight"):
        read_predictdb(write_predictdb(tmp_path / "empty.db", []))
