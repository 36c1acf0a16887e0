"""Long windows in segments: the distinct ones of a cohort, found from lists of changes without building any sequence.

A segment lies at fixed reference coordinates; on a haplotype it is the person's own sequence there, fitted to the
segment's length around its centre. One without changes is the same for everybody, and one without different changes is
shared, so a cohort costs its distinct segments, not people times window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.genome.haplotypes.carried import HAPLOID
from app.genome.haplotypes.fitting import course, fitted, spans
from app.genome.haplotypes.people import People
from app.genome.haplotypes.spelling import Reading, natural, spelled
from app.genome.intervals import Interval, Window, centred
from app.genome.letters import reverse_complement


@dataclass(frozen=True, slots=True, eq=False)
class DistinctSegment:
    """One segment as at least one haplotype has it.

    Attributes:
        place: which of the windows it fits.
        reading: what makes it; without changes for the reference's own.
    """

    place: int
    reading: Reading


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Everybody's segments of one window in reading order.

    Attributes:
        windows: the segments' places, in the direction of the strand.
        distinct: first the reference's own segments, then all others that somebody has.
        rows_of_list: (lists, segments) the distinct segments that each of `people.lists` makes.
    """

    people: People
    windows: tuple[Window, ...]
    distinct: tuple[DistinctSegment, ...]
    rows_of_list: npt.NDArray[np.int32]

    def rows_of(self, sample: int, index: int) -> npt.NDArray[np.int32] | None:
        """(segments,) the distinct segments of a sample's haplotype; None where it has no second one."""
        row = int(self.people.list_of[sample, index])
        return None if row == HAPLOID else self.rows_of_list[row]

    def sequence(self, row: int) -> bytes:
        """One distinct segment in the direction of its strand.

        Raises:
            ValueError: the stretch of the reference is too short for it; see `reach`.
        """
        text = spelled(self.people.edits, self.distinct[row].reading, self.people.stretch)
        return text if self.windows[0].interval.strand == "+" else reverse_complement(text)

    def sequences(self) -> Iterator[bytes]:
        """Every distinct segment in turn."""
        return map(self.sequence, range(len(self.distinct)))

    def reach(self) -> Interval:
        """The reference bases that must be known, variants and all, for every segment to be right."""
        readings = [segment.reading for segment in self.distinct]
        first = self.windows[0].interval
        return Interval(
            first.contig, min(each.start for each in readings), max(each.end for each in readings), first.strand
        )


def cut(interval: Interval, count: int) -> tuple[Window, ...]:
    """A window's segments of equal length in the direction of its strand, each with its centre in place.

    Raises:
        ValueError: the window is not a multiple of `count` long.
    """
    bases, rest = divmod(interval.bases, count)
    if rest:
        raise ValueError(f"{interval.bases} bases do not make {count} segments of equal length")
    starts = range(interval.start, interval.end, bases)
    places = [centred(Interval(interval.contig, start, start + bases, interval.strand)) for start in starts]
    return tuple(places if interval.strand == "+" else reversed(places))


def build_segments(people: People, windows: Sequence[Window]) -> Segments:
    """Find the distinct segments of everybody's haplotypes.

    Args:
        windows: the segments' places in reading order.
    """
    nothing = people.lists[0].applied
    distinct = [
        DistinctSegment(place, natural(people.edits, nothing, window.interval)) for place, window in enumerate(windows)
    ]
    row_of: dict[tuple[int, bytes], int] = {}
    rows_of_list = np.tile(np.arange(len(windows), dtype=np.int32), (len(people.lists), 1))
    for row, each in enumerate(people.lists):
        along = course(people.edits, each.applied)
        read = spans(along, windows)
        for place in np.flatnonzero(read.first < read.stop).tolist():
            key = (place, each.applied[read.first[place] : read.stop[place]].tobytes())
            rows_of_list[row, place] = row_of.setdefault(key, len(distinct))
            if row_of[key] == len(distinct):
                distinct.append(DistinctSegment(place, fitted(each.applied, read, place)))
    return Segments(people, tuple(windows), tuple(distinct), rows_of_list)
