"""Everybody's haplotypes over a window: distinct ones, and who has which; each is spelled when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.genome.haplotypes.carriers import Carriers
from app.genome.haplotypes.edits import Codes
from app.genome.haplotypes.fitting import all_fitted
from app.genome.haplotypes.people import People
from app.genome.haplotypes.spelling import Reading, anchor_offset, natural, spelled
from app.genome.intervals import Interval, Window
from app.genome.letters import reverse_complement


@dataclass(frozen=True, slots=True, eq=False)
class Haplotypes(Carriers):
    """Distinct haplotypes over an interval, each whole.

    Attributes:
        window: what is read, with the anchor that keeps its place; None where haplotypes have their natural length.
        distinct: what makes each.
    """

    window: Window | None
    distinct: tuple[Reading, ...]

    @property
    def rows(self) -> int:
        return len(self.distinct)

    @property
    def distinct_bases(self) -> int:
        return sum(reading.bases for reading in self.distinct)

    def changes(self, row: int) -> Codes:
        return self.distinct[row].changes

    def sequence(self, row: int) -> bytes:
        """One distinct haplotype in the direction of the interval's strand.

        Raises:
            ValueError: the stretch of the reference is too short for it; see `reach`.
        """
        text = spelled(self.people.edits, self.distinct[row], self.people.stretch)
        return text if self.interval.strand == "+" else reverse_complement(text)

    def sequences(self) -> Iterator[bytes]:
        """Every distinct haplotype in turn, so that no more than one need be held."""
        return map(self.sequence, range(len(self.distinct)))

    def reach(self) -> Interval:
        start = min(reading.start for reading in self.distinct)
        end = max(reading.end for reading in self.distinct)
        return self.interval.joined(Interval(self.interval.contig, start, end))

    def anchor_offset(self, row: int) -> int:
        if self.window is None:
            return 0
        return anchor_offset(self.people.edits, self.distinct[row], self.window.anchor)


def build_haplotypes(people: People, window: Window) -> Haplotypes:
    """Haplotypes of the window's length, its anchor in its place, filled with each person's own sequence."""
    readings = list(all_fitted(people.edits, [each.applied for each in people.lists], window))
    return _shared(people, window.interval, window, readings)


def build_natural(people: People, region: Interval) -> Haplotypes:
    """Haplotypes of a region in their natural length.

    Args:
        people: of this region, and of nothing beyond it.
    """
    readings = [natural(people.edits, each.applied, region) for each in people.lists]
    return _shared(people, region, None, readings)


def _shared(people: People, interval: Interval, window: Window | None, readings: list[Reading]) -> Haplotypes:
    row_of: dict[bytes, int] = {}
    rows = [row_of.setdefault(reading.changes.tobytes(), len(row_of)) for reading in readings]
    distinct = dict(zip(rows, readings, strict=True))
    return Haplotypes(people, interval, np.array(rows, dtype=np.int32), window, tuple(distinct.values()))
