"""No group of related rows stands on both sides of a split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.config import SplitConfig
from training.datasets.table import Table
from training.datasets.utrseq import read_utrseq
from training.errors import ConfigError, SplitError
from training.splits import assign_splits, refuse_leaks


@pytest.fixture
def table(toy_data: Path) -> Table:
    return read_utrseq(toy_data / "toy")


def test_the_column_is_taken_as_it_is_and_rows_without_a_label_are_left_out(table: Table) -> None:
    labels = table.splits.copy()
    labels[:2] = ""

    split = assign_splits(replace(table, splits=labels), SplitConfig(by="column"))

    assert split.ids == table.ids[2:]


def test_a_column_that_leaks_is_refused(table: Table) -> None:
    labels = table.splits.copy()
    labels[0] = "test"  # its group's other row is in train

    with pytest.raises(SplitError, match="1 homology groups"):
        assign_splits(replace(table, splits=labels), SplitConfig(by="column"))


@pytest.mark.parametrize("seed", range(5))
def test_whole_groups_are_held_out(table: Table, seed: int) -> None:
    split = assign_splits(table, SplitConfig(by="group", seed=seed))

    refuse_leaks(split)
    sizes = {name: len(split.split(name)) for name in ("train", "valid", "test")}
    assert sizes == {"train": 128, "valid": 16, "test": 16}


def test_a_group_too_large_to_hold_out_is_trained_on(table: Table) -> None:
    groups = np.where(np.arange(len(table)) < 40, -1, table.groups)

    split = assign_splits(replace(table, groups=groups), SplitConfig(by="group"))

    assert set(split.splits[split.groups == -1]) == {"train"}


def test_a_random_split_leaks_and_is_only_taken_when_asked_for(table: Table) -> None:
    split = assign_splits(table, SplitConfig(by="random"))

    with pytest.raises(SplitError, match="more than one split"):
        refuse_leaks(split)


def test_the_rows_of_a_leaking_group_are_named(table: Table) -> None:
    labels = table.splits.copy()
    labels[0] = "test"

    with pytest.raises(SplitError, match=r"such as that of R0 \(test\) and R1 \(train\); use split.by = 'group'"):
        refuse_leaks(replace(table, splits=labels))


def test_equal_sequences_leak_whatever_their_groups(table: Table) -> None:
    sequences = (table.sequences[14], *table.sequences[1:])  # R14 is in test, R0 in train
    assert (table.splits[0], table.splits[14]) == ("train", "test")

    with pytest.raises(SplitError, match=r"1 sequences stand in more than one split.*R0 \(train\) and R14 \(test\)"):
        assign_splits(replace(table, sequences=sequences), SplitConfig(by="column"))


def test_a_data_set_that_names_only_test_rows_gives_whole_training_groups_to_validation(table: Table) -> None:
    labels = np.where(table.splits == "valid", "train", table.splits)

    split = assign_splits(replace(table, splits=labels), SplitConfig(by="column", valid_fraction=0.1))

    refuse_leaks(split)
    assert split.split("test").ids == table.split("test").ids
    assert len(split.split("valid")) == 14  # a tenth of 140, in pairs


def placed(table: Table) -> Table:
    """Eight chromosomes of 20 rows; groups are pairs of neighbours, but rows 0 and 150 are related too."""
    groups = table.groups.copy()
    groups[150:152] = groups[0]
    return replace(table, contigs=tuple(f"chr{row // 20 + 1}" for row in range(160)), groups=groups)


def test_named_chromosomes_are_held_out_and_relatives_of_their_rows_left_out(table: Table) -> None:
    config = SplitConfig(by="chromosome", valid_chromosomes=("chr2",), test_chromosomes=("chr8",))

    split = assign_splits(placed(table), config)

    assert set(split.split("test").contigs) == {"chr8"}
    assert set(split.split("valid").contigs) == {"chr2"}
    assert sorted(set(table.ids) - set(split.ids)) == ["R0", "R1"]  # related to R150 on chr8


@pytest.mark.parametrize("seed", range(3))
def test_chromosomes_are_drawn_where_none_is_named(table: Table, seed: int) -> None:
    split = assign_splits(placed(table), SplitConfig(by="chromosome", seed=seed))

    sides = [set(split.split(name).contigs) for name in ("train", "valid", "test")]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 8


def test_only_rows_on_chromosomes_are_split_by_them(table: Table) -> None:
    with pytest.raises(SplitError, match="lie on none; use split"):
        assign_splits(table, SplitConfig(by="chromosome"))
    with pytest.raises(ConfigError, match="belong together"):
        SplitConfig(by="chromosome", test_chromosomes=("chr1",))


def test_a_data_set_without_a_split_of_its_own_says_so(table: Table) -> None:
    unlabelled = replace(table, splits=np.full(len(table), ""))

    with pytest.raises(SplitError, match="no rows in train; the rows have no labels of their own"):
        assign_splits(unlabelled, SplitConfig(by="column"))


def test_an_empty_split_is_refused(table: Table) -> None:
    with pytest.raises(SplitError, match="no rows in train"):
        assign_splits(table.split("test"), SplitConfig(by="column"))


def test_fractions_leave_something_to_train_on() -> None:
    with pytest.raises(ConfigError, match="below 1 together"):
        SplitConfig(by="group", valid_fraction=0.5, test_fraction=0.5)


def test_the_published_split_is_disjoint_by_homology(utrseq_folder: Path) -> None:
    table = read_utrseq(utrseq_folder)

    refuse_leaks(table)

    assert {name: len(table.split(name)) for name in ("train", "valid", "test")} == {
        "train": 30030,
        "valid": 6240,
        "test": 5057,
    }
