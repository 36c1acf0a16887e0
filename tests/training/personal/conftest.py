"""Forty simulated people in GEUVADIS' own files: two genes, one of which follows an allele near its start."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.training.people.conftest import tsv, write_gzip

PEOPLE = tuple(f"P{number:02}" for number in range(40))
BASES = 4000
# 1-based. The second stands in the minus gene's window only, the last far from both.
POSITIONS = (1010, 1100, 3005, 3900)
STARTS = {"ENSG01": (1000, "+"), "ENSG02": (3000, "-"), "ENSG03": (20, "+")}

CONFIG = """
[bundle]
name = "toy-personal"
version = "1.0.0"
title = "Toy people's sequences"
summary = "Simulated."
task = "expression"
organism = "none"
assembly = "none"
licence = "Apache-2.0"
citation = "Nobody."
intended_use = "Tests."
limits = "Means nothing."
measured = "simulated expression"

[data]
source = "geuvadis"
folder = "toy"

[folds]
count = 3

[segments]
count = 4
bases = 60

[pretraining]
width = 8
layers = 1
heads = 2
inner_width = 8
steps = 2
batch = 4
held_out_bases = 1000

[head]
width = 8
heads = 2
inner_width = 8
dropout = 0.0

[fit]
epochs = 5
patience = 5
reference_epochs = 2
batch = 12
learning_rate = 0.01
readout_learning_rate = 0.1
"""


@pytest.fixture(scope="session")
def reference() -> str:
    """Random bases, A at every variant."""
    bases = np.random.default_rng(0).choice(list("ACGT"), size=BASES)
    bases[np.array(POSITIONS) - 1] = "A"
    return "".join(bases)


@pytest.fixture(scope="session")
def dosages() -> np.ndarray:
    """(people, variants)."""
    return np.random.default_rng(1).integers(0, 3, size=(len(PEOPLE), len(POSITIONS)))


@pytest.fixture(scope="session")
def expression(dosages: np.ndarray) -> np.ndarray:
    """(people, genes): the first is the allele at 1010, less its mean; the others are noise."""
    noise = np.random.default_rng(2).normal(size=(len(PEOPLE), len(STARTS)))
    return noise * [0.1, 1, 1] + np.stack([dosages[:, 0] - 1.0, *np.zeros((2, len(PEOPLE)))], axis=1)


@pytest.fixture(scope="session")
def toy_people(
    tmp_path_factory: pytest.TempPathFactory, reference: str, dosages: np.ndarray, expression: np.ndarray
) -> Path:
    """The data folder; the window of ENSG03 reaches past what the reference has."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "toy"
    folder.mkdir()
    header = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *PEOPLE]
    calls = np.array(["0/0", "0/1", "1/1"])
    records = [
        ["chr22", position, ".", "A", "G", ".", "PASS", ".", "GT", *calls[dosages[:, column]]]
        for column, position in enumerate(POSITIONS)
    ]
    vcf = "##fileformat=VCFv4.2\n##contig=<ID=chr22>\n" + tsv([header, *records])
    write_gzip(folder / "region_343_unphased.hg38.vcf.gz", vcf)
    (folder / "hg38_chr22_37200001_40600000.fa.gz").write_bytes(
        gzip.compress(f">chr22:1-{BASES}\n{reference}\n".encode())
    )
    rows = [[gene, *values] for gene, values in zip(STARTS, expression.T, strict=True)]
    for name, table in (("fastqtl_normalised", rows), ("rpkm", [[gene, *np.exp(values)] for gene, *values in rows])):
        write_gzip(folder / f"region_expression_{name}_343.tsv.gz", tsv([["ens", *PEOPLE], *table]))
    genes = [["ens", "strand", "tss_hg38"], *([gene, strand, start] for gene, (start, strand) in STARTS.items())]
    (folder / "region_genes.tsv").write_text(tsv(genes))
    (folder / "epd_promoters_in_region.csv").write_text("promoter,ensembl,strand,tss_hg38\nAPPLE_1,ENSG01,+,1001\n")
    return data


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy-personal.toml"
    path.write_text(CONFIG)
    return path
