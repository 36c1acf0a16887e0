"""The decay project's own two files become the two decay targets."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.config import DataConfig
from training.datasets.levels import read_levels
from training.datasets.options import LevelsOptions
from training.datasets.registry import read_source
from training.errors import ConfigError, DataError

OPTIONS = LevelsOptions("levels.csv", "oligos.csv")
LEVELS = "id,1h,2h,6h,8h\nfirst,5,4,3,1\nsecond,2,2,1,\n"
OLIGOS = "id,seq\nsecond,CCCC\nfirst,acgu\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "levels.csv").write_text(LEVELS)
    (tmp_path / "oligos.csv").write_text(OLIGOS)
    return tmp_path


def test_both_labels_are_made_from_the_levels(folder: Path) -> None:
    (folder / "levels.csv").write_text(LEVELS.replace("1,\n", "1,0\n"))

    table = read_levels(folder, OPTIONS)

    assert table.ids == ("first", "second")
    assert table.sequences == ("ACGT", "CCCC")
    assert table.targets.names == ("log2_change_8h_2h", "half_log2_change_6h_1h")
    assert table.targets.values.tolist() == [[1 - 4, (3 - 5) / 2], [0 - 2, (1 - 2) / 2]]


def test_a_level_that_was_not_measured_takes_its_label_with_it_or_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"levels.csv, line 3: 8h was not measured"):
        read_levels(folder, OPTIONS)

    (folder / "levels.csv").write_text(LEVELS + "third,1,1,1,3\n")
    (folder / "oligos.csv").write_text(OLIGOS + "third,GGGG\n")
    table = read_levels(folder, LevelsOptions("levels.csv", "oligos.csv", missing="drop"))

    assert table.targets.weights.tolist() == [[1, 1], [0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("levels.csv", "third,1,1,1,1\n", r"levels.csv, line 4: id third is not in oligos.csv; unmatched"),
        ("oligos.csv", "third,ACGT\n", r"oligos.csv, line 4: id third is not in levels.csv; unmatched"),
    ],
)
def test_an_id_without_a_partner_is_named(folder: Path, file: str, line: str, message: str) -> None:
    with (folder / file).open("a") as text:
        text.write(line)

    with pytest.raises(DataError, match=message):
        read_levels(folder, OPTIONS)


def test_both_files_must_be_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="levels_file and sequences_file must be named"):
        read_levels(folder, LevelsOptions("levels.csv"))


def test_ids_without_a_partner_can_be_left_out(folder: Path) -> None:
    (folder / "levels.csv").write_text("id,1h,2h,6h,8h\nlonely,1,1,1,1\nfirst,5,4,3,1\nsecond,2,2,1,1\n")

    assert read_levels(folder, LevelsOptions("levels.csv", "oligos.csv", unmatched="drop")).ids == ("first", "second")


def test_the_designed_reporters_of_deeputr_are_in_this_form(data_folder: Path) -> None:
    files = LevelsOptions("deeputr_validation_A_plus_normalized_levels.csv", "deeputr_validation_seq.csv")
    config = DataConfig("levels", "utrseq-zebrafish-3utr", levels=files)
    with pytest.raises(DataError, match=r"line 21: id BG2_null is not in deeputr_validation_seq\.csv"):
        read_source(config, data_folder)

    table = read_source(replace(config, levels=replace(files, unmatched="drop")), data_folder)

    assert len(table) == 57
    assert table.ids[0] == "ARE_ARE"
    assert table.targets.values[0].tolist() == pytest.approx([-1.106 - 2.2161, (0.56463 - 2.3772) / 2], abs=1e-6)
