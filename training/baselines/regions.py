"""Bins around an anchor, and the lattice of regions that neighbouring bins make.

Bins widen with the distance from the anchor, as what is regulatory gets sparser: the widths on each side are successive
cubes. Places are 0-based; intervals end exclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, order=True)
class Region:
    """A run of neighbouring bins, by the numbers of its first and its last one."""

    first: int
    last: int

    def overlaps(self, other: Region) -> bool:
        """Whether the two share a bin."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Bins:
    """A window, cut.

    Attributes:
        edges: (bins + 1) ascending places, from 0 to the window's length.
        anchor: the place that the window is aligned on.
    """

    edges: tuple[int, ...]
    anchor: int

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def whole(self) -> Region:
        """The whole window."""
        return Region(0, len(self) - 1)

    @property
    def of_place(self) -> npt.NDArray[np.int64]:
        """(length,) int64: the bin of each place."""
        return np.repeat(np.arange(len(self)), np.diff(self.edges))

    def regions(self) -> Iterator[Region]:
        """All runs of neighbouring bins: n (n + 1) / 2 of them."""
        return (Region(first, last) for first in range(len(self)) for last in range(first, len(self)))

    def bounds(self, region: Region) -> tuple[int, int]:
        """Where a region starts and ends, in bases from the anchor (upstream is negative)."""
        return self.edges[region.first] - self.anchor, self.edges[region.last + 1] - self.anchor

    def bases(self, region: Region) -> int:
        """How long a region is."""
        return self.edges[region.last + 1] - self.edges[region.first]


def cubic_bins(length: int, anchor: int, most_bins: int, centre: bool) -> Bins:
    """Cut a window into bins that widen as start**3, (start + 1)**3, … on each side of the anchor.

    The start is the smallest number that gives no more bins than are wanted; the outermost bins end with the window.

    Args:
        length: of the window, in bases.
        anchor: a place in it.
        most_bins: at least 2, or 3 with a centre.
        centre: the base at the anchor is a bin of its own; else it begins the first bin downstream.
    """
    for start in count(1):
        edges = _edges(length, anchor, anchor + int(centre), start)
        if len(edges) - 1 <= most_bins:
            return Bins(tuple(edges), anchor)
    raise AssertionError("unreachable: a wide enough start leaves one bin on each side")


def single_bins(bins: Bins) -> list[Region]:
    """Each bin as a region."""
    return [Region(number, number) for number in range(len(bins))]


def _edges(length: int, anchor: int, downstream: int, start: int) -> list[int]:
    before = [anchor - distance for distance in _distances(anchor, start)]
    after = [downstream + distance for distance in _distances(length - downstream, start)]
    return sorted({*before, *after})


def _distances(bases: int, start: int) -> list[int]:
    """How far from the anchor the bins of one side begin and end."""
    distances, number = [0], start
    while distances[-1] < bases:
        distances.append(min(bases, distances[-1] + number**3))
        number += 1
    return distances
