"""Promoters of human genes and how much each is expressed in seven tissues."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig
from training.datasets.epd_gtex import COLUMN_OF, JOINED, TISSUES, read_epd_gtex
from training.datasets.registry import read_source
from training.errors import ConfigError

PROMOTERS = [  # promoter, sequence, gene, TPM everywhere, whether it is the gene's primary one
    ["A_1", "ACGTA" * 12, "gene a", 0.09, 1],
    ["A_2", "ACCTA" * 12, "gene a", 0.09, 0],
    ["B_1", "CCGTA" * 12, "gene b", 9.99, 1],
    ["C_1", "GCGTA" * 12, "gene b", 9.99, 1],
    ["D_1", "TCGTA" * 12, "gene d", 0.0, 1],
    ["E_1", "TCGTC" * 11, "gene e", 0.0, 1],  # cut short
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    columns = ["promoter", "sequence", "ensembl", *COLUMN_OF.values(), "is_primary"]
    rows = [[name, bases, gene, *[tpm] * len(TISSUES), primary] for name, bases, gene, tpm, primary in PROMOTERS]
    with gzip.open(tmp_path / JOINED, "wt") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in [columns, *rows])
    return tmp_path


def test_primary_promoters_are_read_with_the_logarithm_of_the_pituitary(folder: Path) -> None:
    table = read_epd_gtex(folder)

    assert table.ids == ("A_1", "B_1", "C_1", "D_1")
    assert table.targets.names == ("log10_tpm_pituitary",)
    assert table.targets.values[:, 0].tolist() == pytest.approx([-1, 1, 1, -2])
    assert table.quantities[0].pseudocount == 0.01


def test_promoters_of_one_gene_are_one_group(folder: Path) -> None:
    assert read_epd_gtex(folder).groups.tolist() == [0, 1, 1, 2]


def test_other_tissues_are_targets_or_auxiliary(folder: Path) -> None:
    table = read_epd_gtex(folder, ("lung", "whole_blood"), auxiliary=True)

    assert table.targets.names == ("log10_tpm_lung", "log10_tpm_whole_blood")
    assert len(table.auxiliary.names) == 5
    assert "log10_tpm_lung" not in table.auxiliary.names


def test_an_unknown_tissue_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(ConfigError, match="liver is none of pituitary, "):
        read_epd_gtex(folder, ("liver",))


def test_the_real_table_has_14745_primary_promoters(data_folder: Path) -> None:
    table = read_source(DataConfig("epd_gtex", "epd-gtex-human-promoter", auxiliary=True), data_folder)

    sizes = np.bincount(table.groups)
    assert len(table) == 14745
    assert table.auxiliary.values.shape == (14745, 6)
    assert (len(sizes), max(sizes)) == (14197, 80)
