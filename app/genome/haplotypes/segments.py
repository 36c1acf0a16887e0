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
from app.genome.haplotypes.carriers import Carriers
from app.genome.haplotypes.edits import Codes
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
class Segments(Carriers):
    """Distinct haplotypes over an interval as the segments that make them, distinct ones once.

    Attributes:
        windows: the segments' places, in the direction of the strand.
        distinct: first the reference's own segments, then all others that somebody has.
        segments_of: (rows, segments) the distinct segments of each distinct haplotype, in the direction of the strand.
    """

    windows: tuple[Window, ...]
    distinct: tuple[DistinctSegment, ...]
    segments_of: npt.NDArray[np.int32]

    @property
    def rows(self) -> int:
        return len(self.segments_of)

    @property
    def distinct_bases(self) -> int:
        return sum(segment.reading.bases for segment in self.distinct)

    def changes(self, row: int) -> Codes:
        return np.unique(np.concatenate([self.distinct[it].reading.changes for it in self.segments_of[row]]))

    def anchor_offset(self, row: int) -> int:  # noqa: ARG002 - each segment keeps a place of its own
        return 0

    def rows_of(self, sample: int, index: int) -> npt.NDArray[np.int32] | None:
        """(segments,) the distinct segments of a sample's haplotype; None where it has no second one."""
        row = int(self.row_of[sample, index])
        return None if row == HAPLOID else self.segments_of[row]

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
    """Find the distinct segments of everybody's haplotypes, and the distinct haplotypes that they make.

    Args:
        windows: the segments' places in reading order, side by side.
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
    return _shared(people, tuple(windows), tuple(distinct), rows_of_list)


def _shared(
    people: People,
    windows: tuple[Window, ...],
    distinct: tuple[DistinctSegment, ...],
    rows_of_list: npt.NDArray[np.int32],
) -> Segments:
    row_of: dict[bytes, int] = {}
    rows = [row_of.setdefault(segments.tobytes(), len(row_of)) for segments in rows_of_list]
    segments_of = np.frombuffer(b"".join(row_of), dtype=np.int32).reshape(len(row_of), len(windows))
    interval = windows[0].interval.joined(windows[-1].interval)
    return Segments(people, interval, np.array(rows, dtype=np.int32), windows, distinct, segments_of)
