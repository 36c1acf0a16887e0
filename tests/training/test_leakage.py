"""On each real data set: a split by groups shares no stretch between its sides, where a random one of its rows does."""

from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig, SplitConfig
from training.datasets.homology import GENOME_STRETCH, REPORTER_STRETCH, Stretch, related_pairs
from training.datasets.options import SourceName
from training.datasets.registry import read_source
from training.datasets.table import Table
from training.splits import assign_splits, refuse_leaks

pytestmark = pytest.mark.slow

REPORTERS: list[tuple[SourceName, str]] = [
    ("utrseq", "utrseq-zebrafish-3utr"),
    ("siegel", "siegel-human-3utr-stability"),
    ("epd_gtex", "epd-gtex-human-promoter"),
    ("ecoli", "ecoli-promoter-mpra"),
    ("yeast", "yeast-promoter-mpra"),
]


@pytest.mark.parametrize(("source", "folder"), REPORTERS)
def test_no_stretch_of_20_bases_is_on_two_sides_of_a_split(source: SourceName, folder: str, data_folder: Path) -> None:
    assert_only_random_splits_leak(read_source(DataConfig(source, folder), data_folder), "group", REPORTER_STRETCH)


@pytest.mark.parametrize("by", ["group", "chromosome"])
def test_no_stretch_but_repeats_is_on_two_sides_of_a_split_of_a_genome(by: str, plasmodium_table: Table) -> None:
    assert_only_random_splits_leak(plasmodium_table, by, GENOME_STRETCH)


def assert_only_random_splits_leak(table: Table, by: str, stretch: Stretch) -> None:
    held_out = assign_splits(table, SplitConfig(by=by, test_fraction=0.2))
    refuse_leaks(held_out)
    # A quarter of the rows has enough relatives to show a leak.
    some = np.random.default_rng(0).random(len(table)) < 0.25
    assert shared(assign_splits(table.rows(some), SplitConfig(by="random")), stretch) > 10
    kept = set(np.array(table.ids)[some].tolist())
    assert shared(held_out.rows(np.array([name in kept for name in held_out.ids])), stretch) == 0


def shared(table: Table, stretch: Stretch) -> int:
    """Pairs of rows on two sides that share a stretch."""
    first, second = related_pairs(table.sequences, stretch).T
    return int(np.sum(table.splits[first] != table.splits[second]))
