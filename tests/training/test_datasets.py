"""Public data become one table; what is built from the original files is what the joined table says."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.datasets.homology import Stretch, homology_groups
from training.datasets.table import Columns, Quantity, Table, load_table
from training.datasets.utrseq import ALL_SEQUENCES, COUNTS_APLUS, JOINED, SEQUENCES, SPLIT_ROWS, read_utrseq
from training.errors import DataError

NAMES = ("log2_change_8h_2h", "half_log2_change_6h_1h")


def test_a_table_survives_its_file(toy_table: Table, tmp_path: Path) -> None:
    toy_table.save(tmp_path / "table.npz")

    read = load_table(tmp_path / "table.npz")

    assert read.sha256() == toy_table.sha256()
    assert read.ids == toy_table.ids
    assert read.quantities == toy_table.quantities


def test_the_digest_changes_with_a_single_value(toy_table: Table) -> None:
    values = toy_table.targets.values.copy()
    values[0, 0] += 1e-6

    changed = replace(toy_table, targets=Columns(toy_table.targets.names, values, toy_table.targets.weights))

    assert changed.sha256() != toy_table.sha256()


def test_what_was_not_measured_has_no_weight() -> None:
    with pytest.raises(DataError, match="not measured"):
        Columns(("y",), np.array([[np.nan]], dtype=np.float32), np.array([[1.0]], dtype=np.float32))


def test_contigs_travel_with_their_rows_or_are_none(toy_table: Table, tmp_path: Path) -> None:
    placed = replace(toy_table, contigs=("chr1",) * 150 + ("chr2",) * 10)
    placed.rows(np.array([0, 159])).save(tmp_path / "table.npz")

    assert load_table(tmp_path / "table.npz").contigs == ("chr1", "chr2")
    with pytest.raises(DataError, match="one per row"):
        replace(toy_table, contigs=("chr1",))


def test_ids_are_unique(toy_table: Table) -> None:
    with pytest.raises(DataError, match="same id"):
        toy_table.rows(np.array([0, 0]))


def test_targets_are_changes_of_level(toy_data: Path) -> None:
    table = read_utrseq(toy_data / "toy")
    share = np.array([(s.count("G") + s.count("C")) / len(s) for s in table.sequences])

    assert table.targets.names == NAMES
    assert np.allclose(table.targets.values, np.stack([-6 * share, -2.5 * share], axis=1), atol=1e-3)
    assert np.all(table.targets.weights == 1)


def test_a_row_counts_half_at_the_coverage_that_says_so(toy_data: Path) -> None:
    table = read_utrseq(toy_data / "toy", half_weight_umis=20)

    assert table.coverage[:5].tolist() == [10, 15, 20, 25, 30]
    assert table.targets.weights[:5, 0].tolist() == pytest.approx([10 / 30, 15 / 35, 0.5, 25 / 45, 0.6])


def test_levels_are_counts_over_spike_ins(tmp_path: Path) -> None:
    write_original_files(tmp_path)

    table = read_utrseq(tmp_path)

    # R1: 8 molecules at every hour but 2 at 8 h and none at 6 h, which counts as a half;
    # spike-ins: 4 at every hour but 8 at 8 h
    change_8h_2h = (np.log2(2) - np.log2(8)) - (np.log2(8) - np.log2(4))
    change_6h_1h = np.log2(0.5) - np.log2(8)
    assert table.ids == ("R1", "R2")
    assert np.allclose(table.targets.values[0], [change_8h_2h, change_6h_1h / 2])
    assert table.splits.tolist() == ["valid", "train"]
    assert table.coverage.tolist() == [8, 16]


@pytest.mark.parametrize("header", ["id,seq", "reporter,sequence,length", ""])
def test_all_reporters_are_those_of_the_count_table_with_a_sequence(tmp_path: Path, header: str) -> None:
    write_original_files(tmp_path)
    rows = [f"R0,{'acgtt' * 5},25", f"R1,{'ACGTA' * 5},25", f"R2,{'GGATC' * 5},25"]
    (tmp_path / ALL_SEQUENCES).write_text("\n".join([header, *rows] if header else rows) + "\n")

    table = read_utrseq(tmp_path, reporters="all")

    assert table.ids == ("R0", "R1", "R2")
    assert table.sequences[0] == "ACGTT" * 5
    assert table.splits.tolist() == ["test", "valid", "train"]


def test_missing_files_are_named_with_where_to_find_them(tmp_path: Path) -> None:
    (tmp_path / SPLIT_ROWS).touch()

    with pytest.raises(DataError) as refused:
        read_utrseq(tmp_path)

    message = str(refused.value)
    assert all(name in message for name in (SEQUENCES, COUNTS_APLUS, "Rabani", "github.com/OrensteinLab/DeepUTR"))
    assert SPLIT_ROWS not in message


def test_sequences_that_share_a_stretch_are_one_group_and_so_are_chains_of_them() -> None:
    left, middle, right, alone = "AAAACCCC", "CCCCGGGG", "GGGGTTTT", "ACACACAC"

    assert homology_groups([left, alone, middle, right], Stretch(4)).tolist() == [0, 1, 0, 0]
    assert homology_groups([left, alone, middle, right], Stretch(5)).tolist() == [0, 1, 2, 3]
    assert homology_groups(["ACG", "ACG", "AC"], Stretch(5)).tolist() == [0, 0, 1]


def test_original_files_give_the_joined_table(utrseq_folder: Path, tmp_path: Path) -> None:
    for path in utrseq_folder.iterdir():
        if path.name != JOINED:
            (tmp_path / path.name).symlink_to(path)
    joined, built = read_utrseq(utrseq_folder, 20, auxiliary=True), read_utrseq(tmp_path, 20, auxiliary=True)

    row_of = {name: row for row, name in enumerate(joined.ids)}
    same = joined.rows(np.array([row_of[name] for name in built.ids]))

    assert len(built) == 12322
    assert same.sequences == built.sequences
    assert np.array_equal(same.splits, built.splits)
    assert np.allclose(same.targets.values, built.targets.values, atol=2e-4)  # the joined levels have four decimals
    assert np.allclose(same.targets.weights, built.targets.weights)
    assert np.allclose(same.auxiliary.values, built.auxiliary.values, atol=2e-4, equal_nan=True)
    pairs = set(zip(built.groups.tolist(), same.groups.tolist(), strict=True))
    assert len(pairs) == len(set(built.groups.tolist()))  # fewer sequences, so finer groups, and each inside one


@pytest.fixture
def toy_table(toy_data: Path) -> Table:
    return read_utrseq(toy_data / "toy")


def test_quantities_describe_the_targets(toy_table: Table) -> None:
    other = (Quantity("y", "log2", "log2", "more", "Something else."),) * 2

    with pytest.raises(DataError, match="quantities"):
        replace(toy_table, quantities=other)


def write_original_files(folder: Path) -> None:
    header = "id\t" + "\t".join(f"AR{number:02}" for number in range(1, 11))
    counts = {  # hours 0 1 2 3 4 5 6 7 8 10
        "EMPTY": [999] * 10,
        "R0": [5] * 10,
        "R1": [8, 8, 8, 8, 8, 8, 0, 8, 2, 8],
        "R2": [16] * 10,
        "SPIKE_0": [1, 1, 1, 1, 1, 1, 1, 1, 5, 1],
        "SPIKE_1": [3] * 10,
    }
    rows = ["\t".join([name, *map(str, values)]) for name, values in counts.items()]
    write(folder / COUNTS_APLUS, [header, *rows])
    write(folder / SEQUENCES, [f"R1\t{'ACGTT' * 5}", f"R2\t{'GGATC' * 5}"])
    write(folder / SPLIT_ROWS, ["train_ids,validation_ids,test_ids", "2,1,0"])


def write(path: Path, lines: list[str]) -> None:
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines) + "\n")


def test_a_target_that_is_named_twice_is_refused() -> None:
    with pytest.raises(DataError, match="two columns are called lung"):
        Columns.measured(["lung", "lung"], np.zeros((3, 2)))
