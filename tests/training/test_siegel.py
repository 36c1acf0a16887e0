"""Human 3' UTR reporters with values of two cell lines, many of them in one only."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig
from training.datasets.registry import read_source
from training.datasets.siegel import LIBRARY, read_siegel
from training.errors import ConfigError

TILE = "ACGTTGCAAGGCTCTATTCGGACTTACC"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"{TILE}AA\t0.5\tNA", f"CC{TILE}\t-0.25\t1.5", f"{'AC' * 15}\tNA\t2"]
    with gzip.open(tmp_path / LIBRARY, "wt") as file:
        file.write("\n".join(rows) + "\n")
    return tmp_path


def test_what_was_not_measured_in_a_cell_line_counts_for_nothing(folder: Path) -> None:
    table = read_siegel(folder)

    assert table.targets.names == ("stability_jurkat", "stability_beas2b")
    assert np.array_equal(table.targets.values, [[0.5, np.nan], [-0.25, 1.5], [np.nan, 2]], equal_nan=True)
    assert table.targets.weights.tolist() == [[1, 0], [1, 1], [0, 1]]


def test_tiles_of_one_utr_are_one_group(folder: Path) -> None:
    assert read_siegel(folder).groups.tolist() == [0, 0, 1]


def test_a_single_cell_line_has_only_the_rows_measured_in_it(folder: Path) -> None:
    assert read_siegel(folder, ("jurkat",)).targets.values[:, 0].tolist() == [0.5, -0.25]
    with pytest.raises(ConfigError, match="hela is none of jurkat, beas2b"):
        read_siegel(folder, ("hela",))


def test_the_real_library(data_folder: Path) -> None:
    table = read_source(DataConfig("siegel", "siegel-human-3utr-stability"), data_folder)

    sizes = np.bincount(table.groups)
    assert len(table) == 31054
    assert table.targets.weights.sum(axis=0).tolist() == [30253, 7613]
    assert (len(sizes), max(sizes)) == (5911, 4291)
