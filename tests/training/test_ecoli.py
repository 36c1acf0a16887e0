"""Promoters of E. coli with the authors' split, from which related training rows are taken out."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig
from training.datasets.ecoli import LIBRARY, TEST, TRAIN, read_ecoli
from training.datasets.registry import read_source
from training.datasets.windows import reverse_complement

SEAM = "ACGTTGCAAGGCTCTATTCGGACTTACC"
IN_TEST, AT_THE_SEAM = SEAM + "TTTTGCAT", "GATCGGGA" + reverse_complement(SEAM)
FAR, ON_BOTH_SIDES, UNLABELLED = "AGGATCCTA" * 4, "TCAGCAGGA" * 4, "CCATGAATA" * 4
ROWS = [
    (IN_TEST, "0.9", "100"),
    (AT_THE_SEAM, "1.9", "120"),
    (FAR, "-0.5", "900"),
    (FAR, "-0.5", "5000"),  # the same promoter at another place
    (ON_BOTH_SIDES, "7.9", "1500"),
    (UNLABELLED, "0", "2000"),
    ("GGCC" * 9, "3", "NA"),  # a control
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / LIBRARY, [f"{bases}\t{level}\t{start}\t{start}\tP{start},1,+" for bases, level, start in ROWS])
    write(tmp_path / TRAIN, [f"{bases}\t0" for bases in (AT_THE_SEAM, FAR, ON_BOTH_SIDES)])
    write(tmp_path / TEST, [f"{bases}\t0" for bases in (IN_TEST, ON_BOTH_SIDES)])
    return tmp_path


def test_each_promoter_is_one_row_and_controls_are_none(folder: Path) -> None:
    table = read_ecoli(folder)

    assert table.sequences == (IN_TEST, AT_THE_SEAM, FAR, ON_BOTH_SIDES, UNLABELLED)
    assert table.ids[:3] == ("P100,1,+/1", "P120,1,+/2", "P5000,1,+/3")
    assert table.targets.values[:, 0].tolist() == pytest.approx([0, 1, np.log2(0.1), 3, np.log2(0.1)])


def test_a_training_row_that_is_related_to_a_test_row_on_either_strand_is_left_out(folder: Path) -> None:
    table = read_ecoli(folder)

    assert table.groups.tolist() == [0, 0, 1, 2, 3]
    assert table.splits.tolist() == ["test", "", "train", "test", ""]


def test_the_real_library_keeps_the_authors_test_rows(data_folder: Path) -> None:
    table = read_source(DataConfig("ecoli", "ecoli-promoter-mpra"), data_folder)

    sizes = np.bincount(table.groups)
    assert len(table) == 17521
    assert {name: len(table.split(name)) for name in ("train", "test")} == {"train": 12485, "test": 4517}
    assert (len(sizes), max(sizes)) == (8860, 259)


def write(path: Path, lines: list[str]) -> None:
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines) + "\n")
