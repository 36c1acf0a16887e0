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
