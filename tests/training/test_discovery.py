"""DExTER's search, worked out by hand on three bins."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from training.baselines.discovery import Accepted, Pair, best_regions, discover, is_better
from training.baselines.kmers import Matrix
from training.baselines.recipe import DexterConfig
from training.baselines.regions import Bins, Region

CONFIG = DexterConfig("dexter", longest_kmer=3, minimum_correlation=0.1)
WHOLE = Region(0, 2)


class WrittenDown:
    """Correlations as a test writes them down; all others are 0."""

    bins = Bins((0, 10, 20, 30), anchor=10)

    def __init__(self, known: dict[tuple[str, Region], float]) -> None:
        self.known = known

    def correlations(self, kmers: Sequence[str]) -> dict[str, Matrix]:
        found = {kmer: np.zeros((3, 3)) for kmer in kmers}
        for (kmer, region), value in self.known.items():
            if kmer in found:
                found[kmer][region.first, region.last] = value
        return found


@pytest.mark.parametrize(
    ("score", "rivals", "better"),
    [
        (0.221, [0.20, 0.10], True),  # 0.021 more, and 10.5 %
        (0.215, [0.20, 0.10], False),  # 0.015 more, but only 7.5 %
        (0.029, [0.02, 0.01], False),  # 45 %, but only 0.009 more
        (0.22, [0.10, 0.21], False),  # one rival is enough
        (0.011, [0.0], True),
    ],
)
def test_a_longer_kmer_gains_absolutely_and_relatively(score: float, rivals: list[float], better: bool) -> None:
    assert is_better(score, rivals, CONFIG) is better


def test_regions_are_taken_best_first_unless_they_overlap() -> None:
    correlation = np.array([[0.3, 0.25, 0.2], [0.0, -0.1, -0.28], [0.0, 0.0, 0.15]])

    taken = best_regions(Accepted(Pair("CA", WHOLE, 0.2), 0.0), correlation, CONFIG)

    # 0.3 takes the first bin, -0.28 the other two; everything else overlaps one of them.
    assert taken == [Pair("CA", Region(0, 0), 0.3), Pair("CA", Region(1, 2), -0.28)]


def test_a_region_scores_at_least_what_the_pair_does() -> None:
    correlation = np.array([[0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.15]])
    pair, other = Pair("CAG", Region(0, 0), 0.3), Pair("CAG", Region(2, 2), 0.15)

    assert best_regions(Accepted(pair, 0.1), correlation, CONFIG) == [pair]
    assert best_regions(Accepted(other, 0.1), correlation, CONFIG) == [pair, other]
    assert best_regions(Accepted(other, 0.1), correlation, replace(CONFIG, minimum_correlation=0.2)) == [pair]


def test_regions_may_have_to_match_only_the_parent() -> None:
    correlation = np.array([[0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.15]])
    pair, other = Pair("CAG", Region(0, 0), 0.3), Pair("CAG", Region(2, 2), 0.15)
    config = replace(CONFIG, regions_match="parent")

    assert best_regions(Accepted(pair, 0.15), correlation, config) == [pair, other]
    assert best_regions(Accepted(pair, 0.16), correlation, config) == [pair]


def test_an_extension_beats_its_parent_and_both_parts_in_the_same_region() -> None:
    known = {("CA", WHOLE): 0.2, ("CA", Region(0, 0)): 0.3, ("CAG", Region(0, 0)): 0.4, ("AG", Region(0, 0)): 0.35}

    assert found(known) == {("CA", WHOLE), *((kmer, Region(0, 0)) for kmer in ("CA", "AG", "CAG"))}
    assert ("CAG", Region(0, 0)) not in found(known | {("AG", Region(0, 0)): 0.37})  # 0.4 is not 10 % more
    assert ("CAG", Region(0, 0)) not in found(known | {("CA", Region(0, 0)): 0.37})
    assert ("CAG", Region(0, 0)) in found(known | {("AG", Region(1, 1)): 0.37})  # elsewhere it does not matter


def test_an_extension_is_looked_for_in_the_regions_of_its_parent_only() -> None:
    known = {("CA", WHOLE): 0.2, ("CA", Region(0, 0)): 0.3, ("CAG", Region(2, 2)): 0.9}

    assert found(known) == {("CA", WHOLE), ("CA", Region(0, 0))}


def test_a_base_is_added_on_either_side() -> None:
    known = {("CA", WHOLE): 0.2, ("CAG", WHOLE): 0.3, ("TCA", WHOLE): -0.4}

    assert found(known) == {("CA", WHOLE), ("CAG", WHOLE), ("TCA", WHOLE)}


def test_the_search_goes_on_from_what_was_accepted() -> None:
    known = {("CA", WHOLE): 0.2, ("CAG", WHOLE): 0.3, ("TCAG", WHOLE): 0.4, ("TCAGG", WHOLE): 0.5}

    assert ("TCAGG", WHOLE) in found(known, replace(CONFIG, longest_kmer=6))
    assert ("TCAGG", WHOLE) not in found(known, replace(CONFIG, longest_kmer=4))
    assert ("TCAGG", WHOLE) not in found({**known, ("CAG", WHOLE): 0.21}, replace(CONFIG, longest_kmer=6))


def test_nothing_is_found_below_the_smallest_correlation() -> None:
    assert found({("CA", WHOLE): 0.09, ("CAG", WHOLE): 0.9}) == set()
    assert found({}, replace(CONFIG, minimum_correlation=0.0)) <= {(a + b, WHOLE) for a in "ACGT" for b in "ACGT"}


def found(known: dict[tuple[str, Region], float], config: DexterConfig = CONFIG) -> set[tuple[str, Region]]:
    return {(pair.kmer, pair.region) for pair in discover(WrittenDown(known), config)}
