"""Everybody's haplotypes over a window: distinct ones, and who has which; each is spelled when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.genome.haplotypes.carried import HAPLOID
from app.genome.haplotypes.fitting import all_fitted
from app.genome.haplotypes.overlaps import Skipped
from app.genome.haplotypes.people import People
from app.genome.haplotypes.spelling import Reading, anchor_offset, natural, spelled
from app.genome.intervals import Interval, Window
from app.genome.letters import reverse_complement
from app.genome.variants import Variant

REFERENCE = 0
"""The row of the haplotype without any change."""


@dataclass(frozen=True, slots=True, eq=False)
class Haplotypes:
    """Distinct haplotypes over an interval, the reference first.

    Attributes:
        window: what is read, with the anchor that keeps its place; None where haplotypes have their natural length.
        distinct: what makes each.
        row_of_list: (lists,) the row that each of `people.lists` makes.
    """

    people: People
    interval: Interval
    window: Window | None
    distinct: tuple[Reading, ...]
    row_of_list: npt.NDArray[np.int32]

    @property
    def row_of(self) -> npt.NDArray[np.int32]:
        """(samples, 2) the row of that haplotype; `HAPLOID` where there is none."""
        rows = self.row_of_list[self.people.list_of]
        return np.where(self.people.list_of == HAPLOID, np.int32(HAPLOID), rows)

    @property
    def carried_rows(self) -> int:
        """How many distinct haplotypes somebody has."""
        rows = self.row_of
        return len(np.unique(rows[rows != HAPLOID]))

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
        """The reference bases that must be known, variants and all, for every haplotype to be right."""
        start = min(reading.start for reading in self.distinct)
        end = max(reading.end for reading in self.distinct)
        return self.interval.joined(Interval(self.interval.contig, start, end))

    def anchor_offset(self, row: int) -> int:
        """How far right of the anchor the reference base lies that stands in its place: 0 unless it is deleted."""
        if self.window is None:
            return 0
        return anchor_offset(self.people.edits, self.distinct[row], self.window.anchor)

    def applied(self, row: int) -> tuple[Variant, ...]:
        """The variants that make a distinct haplotype, as their records write them."""
        edits = [self.people.edits.rows[change] for change in self.distinct[row].changes.tolist()]
        contig = self.interval.contig
        return tuple(
            Variant(contig, edit.position + 1, edit.reference.decode(), edit.alternate.decode())
            for edit in edits
            if edit.alternate
        )

    def skipped(self, sample: int, index: int) -> tuple[Skipped, ...]:
        """The variants in the interval that a sample's haplotype carries and that were not applied."""
        carried = self.people.lists[self.people.list_of[sample, index]].skipped
        inside = range(self.interval.start + 1, self.interval.end + 1)
        return tuple(skipped for skipped in carried if skipped.position in inside)


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
    return Haplotypes(people, interval, window, tuple(distinct.values()), np.array(rows, dtype=np.int32))
