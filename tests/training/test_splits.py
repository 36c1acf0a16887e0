"""No group of related rows stands on both sides of a split."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import SplitConfig
from training.datasets.table import Columns, Table
from training.datasets.utrseq import read_utrseq
from training.errors import ConfigError, SplitError
from training.splits import assign_splits, deal_folds, refuse_leaks


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
    with pytest.raises(ConfigError, match=r"held out by split\.by = 'chromosome', not 'group'"):
        SplitConfig(by="group", valid_chromosomes=("chr2",), test_chromosomes=("chr1",))


def test_a_chromosome_that_holds_no_row_or_is_held_out_twice_is_named(table: Table) -> None:
    config = SplitConfig(by="chromosome", valid_chromosomes=("chr2",), test_chromosomes=("chr8", "chr08"))

    with pytest.raises(SplitError, match="no row lies on chromosome chr08; there are chr1, chr2"):
        assign_splits(placed(table), config)
    with pytest.raises(ConfigError, match="chr8 is one of valid_chromosomes and of test_chromosomes"):
        replace(config, valid_chromosomes=("chr8",))


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


@given(groups=st.lists(st.integers(0, 20), max_size=60), folds=st.integers(2, 4), seed=st.integers(0, 3))
def test_every_row_is_tested_once_and_no_group_stands_in_two_splits(groups: list[int], folds: int, seed: int) -> None:
    table = table_of([*groups, *range(100, 140)])  # forty rows without relatives leave no split empty
    config = SplitConfig(by="group", folds=folds, seed=seed)
    tested: Counter[str] = Counter()

    for fold in range(folds):
        split = assign_splits(table, replace(config, fold=fold))
        refuse_leaks(split)
        assert len(split) == len(table)
        tested.update(split.split("test").ids)

    assert tested == Counter(table.ids)


@given(groups=st.lists(st.integers(0, 30), min_size=5, max_size=200), folds=st.integers(2, 5), seed=st.integers(0, 3))
def test_folds_differ_by_no_more_than_the_largest_group(groups: list[int], folds: int, seed: int) -> None:
    sizes = np.bincount(deal_folds(np.array(groups), folds, seed), minlength=folds)

    assert sizes.sum() == len(groups)
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()


def test_a_group_larger_than_its_share_fills_a_fold_alone() -> None:
    groups = np.where(np.arange(100) < 40, -1, np.arange(100))

    folds = deal_folds(groups, 5, seed=0)

    assert np.bincount(folds).tolist().count(40) == 1
    assert np.sum(folds == folds[0]) == 40
    assert sorted(np.bincount(folds)) == [15, 15, 15, 15, 40]


def test_the_rest_of_the_rows_gives_its_share_to_validation() -> None:
    table = table_of([row // 2 for row in range(200)])

    split = assign_splits(table, SplitConfig(by="group", folds=5, fold=3, valid_fraction=0.25))

    assert {name: len(split.split(name)) for name in ("train", "valid", "test")} == {
        "train": 120,
        "valid": 40,
        "test": 40,
    }


def test_random_folds_deal_single_rows() -> None:
    table = table_of([0] * 100)

    splits = [assign_splits(table, SplitConfig(by="random", folds=4, fold=fold)).split("test") for fold in range(4)]

    assert [len(split) for split in splits] == [25, 25, 25, 25]
    assert len({name for split in splits for name in split.ids}) == 100


@pytest.mark.parametrize("bad", [{"folds": 1}, {"folds": -2}, {"folds": 3, "fold": 3}, {"fold": 1}, {"fold": -1}])
def test_a_fold_that_is_not_there_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="fold one of 0 to folds - 1"):
        SplitConfig(by="group", **bad)


@pytest.mark.parametrize("by", ["column", "chromosome"])
def test_what_says_itself_which_rows_are_held_out_has_no_folds(by: Literal["column", "chromosome"]) -> None:
    with pytest.raises(ConfigError, match=r"use split\.by = 'group' or 'random'"):
        SplitConfig(by=by, folds=5)


def table_of(groups: list[int]) -> Table:
    """A table of groups, whose sequences are all different."""
    rows = len(groups)
    return Table(
        ids=tuple(f"R{row}" for row in range(rows)),
        sequences=tuple("A" * (row + 1) for row in range(rows)),
        quantities=(),
        targets=Columns.none(rows),
        auxiliary=Columns.none(rows),
        coverage=np.zeros(rows, dtype=np.float32),
        groups=np.array(groups),
        splits=np.full(rows, "", dtype=np.str_),
    )


def test_the_published_split_is_disjoint_by_homology(utrseq_folder: Path) -> None:
    table = read_utrseq(utrseq_folder)

    refuse_leaks(table)

    assert {name: len(table.split(name)) for name in ("train", "valid", "test")} == {
        "train": 30030,
        "valid": 6240,
        "test": 5057,
    }
