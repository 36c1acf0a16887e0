"""Windows are cut as DExTER cuts them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.baselines.regions import Bins, Region, cubic_bins

EDGES = [0, 125, 341, 684, 1196, 1925, 2000]  # 5**3, + 6**3, + 7**3, + 8**3, + 9**3, and what is left


def test_thirteen_bins_of_two_kilobases_on_each_side() -> None:
    bins = cubic_bins(4001, anchor=2000, most_bins=13, centre=True)

    assert list(bins.edges) == [2000 - edge for edge in reversed(EDGES)] + [2001 + edge for edge in EDGES]
    assert len(bins) == 13
    assert len(list(bins.regions())) == 13 * 14 / 2
    assert bins.bounds(bins.whole) == (-2000, 2001)
    assert bins.bounds(Region(5, 6)) == (-125, 1)


def test_a_window_of_4000_lacks_the_last_base() -> None:
    bins = cubic_bins(4000, anchor=2000, most_bins=13, centre=True)

    assert bins.edges[-2:] == (2001 + 1925, 4000)
    assert len(bins) == 13


def test_without_a_centre_the_anchor_begins_the_first_bin_downstream() -> None:
    bins = cubic_bins(4001, anchor=2000, most_bins=8, centre=False)

    assert bins.edges == (0, 416, 1145, 1657, 2000, 2343, 2855, 3584, 4001)  # 7**3, + 8**3, + 9**3


def test_an_anchor_at_an_end_leaves_one_side_empty() -> None:
    assert cubic_bins(10, anchor=0, most_bins=3, centre=True).edges == (0, 1, 2, 10)  # 1**3, + 2**3
    assert cubic_bins(10, anchor=9, most_bins=3, centre=True).edges == (0, 8, 9, 10)


def test_regions_of_three_bins() -> None:
    regions = list(Bins((0, 2, 5, 9), anchor=2).regions())

    assert [(region.first, region.last) for region in regions] == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    assert [Bins((0, 2, 5, 9), 2).bases(region) for region in regions] == [2, 5, 9, 3, 7, 4]
    assert Region(0, 1).overlaps(Region(1, 2))
    assert not Region(0, 0).overlaps(Region(1, 2))


@given(st.integers(1, 3000), st.floats(0, 1, exclude_max=True), st.integers(3, 20), st.booleans())
def test_bins_cover_the_window_once(length: int, where: float, most_bins: int, centre: bool) -> None:
    anchor = int(where * length)

    bins = cubic_bins(length, anchor, most_bins, centre)

    assert bins.edges[0] == 0
    assert bins.edges[-1] == length
    assert len(bins) <= most_bins
    assert np.all(np.diff(bins.edges) > 0)
    assert anchor in bins.edges
    assert len(bins.of_place) == length
