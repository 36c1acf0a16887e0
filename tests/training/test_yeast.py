"""Fragments of yeast promoters between two constant flanks, measured in two media."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig
from training.datasets.registry import read_source
from training.datasets.yeast import MEDIA, read_yeast
from training.errors import ConfigError

LEFT, RIGHT = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
FRAGMENTS = ["AC" * 40, "AG" * 40, "CG" * 40]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for medium, fragments in {"defined": [(0, 1.5), (1, 2.5)], "complex": [(1, 3.5), (2, 4.5)]}.items():
        name, sequence, level = MEDIA[medium]
        rows = [f"{number},{LEFT}{FRAGMENTS[number]}{RIGHT},{value}" for number, value in fragments]
        with gzip.open(tmp_path / name, "wt") as file:
            file.write("\n".join([f",{sequence},{level}", *rows]) + "\n")
    return tmp_path


def test_media_are_joined_by_the_insert_between_the_flanks(folder: Path) -> None:
    table = read_yeast(folder)

    assert table.sequences == tuple(FRAGMENTS)
    assert table.targets.names == ("expression_defined", "expression_complex")
    assert np.array_equal(table.targets.values, [[1.5, np.nan], [2.5, 3.5], [np.nan, 4.5]], equal_nan=True)


def test_one_medium_has_only_the_rows_measured_in_it(folder: Path) -> None:
    assert read_yeast(folder, ("complex",)).sequences == tuple(FRAGMENTS[1:])
    with pytest.raises(ConfigError, match="none is none of defined, complex"):
        read_yeast(folder, ("none",))


def test_the_real_fragments_come_in_199_families(data_folder: Path) -> None:
    table = read_source(DataConfig("yeast", "yeast-promoter-mpra"), data_folder)

    sizes = np.bincount(table.groups)
    assert len(table) == 3788
    assert {len(sequence) for sequence in table.sequences} == {80}
    assert table.targets.weights.sum(axis=0).tolist() == [3782, 3733]
    assert (len(sizes), max(sizes)) == (199, 39)
