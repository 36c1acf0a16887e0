"""Simulated people in GEUVADIS' own files: 60 of them, 12 variants, three genes of which two can be predicted."""

import gzip
from pathlib import Path

import numpy as np
import pytest

PEOPLE = tuple(f"P{number:02}" for number in range(60))
POSITIONS = tuple(range(1000, 13000, 1000))
STARTS = {"ENSG01": 2000, "ENSG02": 6000, "ENSG03": 11000}

CONFIG = """
[bundle]
name = "toy-people"
version = "1.0.0"
title = "Toy people"
summary = "Simulated."
task = "expression"
organism = "none"
assembly = "none"
licence = "Apache-2.0"
citation = "Nobody."
intended_use = "Tests."
limits = "Means nothing."
measured = "simulated expression"
least_pearson = 0.4

[data]
source = "geuvadis"
folder = "toy"

[elastic_net]
cis_bases = 2000
penalties = 10
"""


def write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def tsv(rows: list[list[object]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


@pytest.fixture(scope="session")
def dosages() -> np.ndarray:
    """(people, variants)."""
    return np.random.default_rng(0).integers(0, 3, size=(len(PEOPLE), len(POSITIONS)))


@pytest.fixture(scope="session")
def expression(dosages: np.ndarray) -> np.ndarray:
    """(people, genes): ENSG01 is 1 + the allele at 2000; ENSG02 less the one at 5000; ENSG03 is noise."""
    noise = np.random.default_rng(1).normal(size=(len(PEOPLE), 3)) * [0.1, 0.4, 1]
    signal = np.stack([1 + dosages[:, 1], -dosages[:, 4], np.zeros(len(PEOPLE))], axis=1)
    return signal + noise


@pytest.fixture(scope="session")
def toy_people(tmp_path_factory: pytest.TempPathFactory, dosages: np.ndarray, expression: np.ndarray) -> Path:
    """The data folder; the expression table has the people in another order, and a gene without a start."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "toy"
    folder.mkdir()
    header = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *PEOPLE]
    calls = np.array(["0/0", "0/1", "1/1"])
    records = [
        ["chr22", position, ".", "A", "G", ".", "PASS", ".", "GT", *calls[dosages[:, column]]]
        for column, position in enumerate(POSITIONS)
    ]
    write_gzip(folder / "region_343_unphased.hg38.vcf.gz", "##fileformat=VCFv4.2\n" + tsv([header, *records]))
    levels = np.vstack([expression.T, expression[:, 2]])
    rows = [[gene, *values[::-1]] for gene, values in zip([*STARTS, "ENSG99"], levels, strict=True)]
    for name in ("fastqtl_normalised", "rpkm"):
        write_gzip(folder / f"region_expression_{name}_343.tsv.gz", tsv([["ens", *PEOPLE[::-1]], *rows]))
    genes = [["ens", "strand", "tss_hg38"], *([gene, "-", start] for gene, start in STARTS.items())]
    (folder / "region_genes.tsv").write_text(tsv(genes))
    (folder / "epd_promoters_in_region.csv").write_text("promoter,ensembl,strand,tss_hg38\nAPPLE_1,ENSG01,-,2001\n")
    return data


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy-people.toml"
    path.write_text(CONFIG)
    return path
