"""A stretch of the reference in memory: all that building haplotypes reads of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.genome.intervals import Interval
from app.genome.letters import model_letters


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive bases of a contig.

    Attributes:
        start: 0-based position of the first base.
        bases: as the reference writes them.
        first, last: where the contig's own bases start and end (exclusive); past them there is only N.
    """

    contig: str
    start: int
    bases: bytes
    first: int
    last: int

    @property
    def end(self) -> int:
        """Position after the last base."""
        return self.start + len(self.bases)

    def in_model_letters(self) -> Stretch:
        """The same in upper case, with N for every letter beside A, C, G and T."""
        return replace(self, bases=model_letters(self.bases))

    def between(self, start: int, end: int) -> bytes:
        """The bases of an interval, with N past the contig's ends.

        Raises:
            ValueError: the contig has bases there that this stretch lacks.
        """
        inner_start, inner_end = max(start, self.first), min(end, self.last)
        if inner_start >= inner_end:
            return b"N" * (end - start)
        if inner_start < self.start or inner_end > self.end:
            raise ValueError("the stretch of the reference is too short")
        inner = self.bases[inner_start - self.start : inner_end - self.start]
        return b"N" * (inner_start - start) + inner + b"N" * (end - inner_end)

    def holds(self, interval: Interval) -> bool:
        """Whether every base that the contig has in an interval is here."""
        return max(interval.start, self.first) >= self.start and min(interval.end, self.last) <= self.end


def whole(contig: str, bases: bytes, start: int = 0) -> Stretch:
    """A contig, or the only piece of it that there is."""
    return Stretch(contig, start, bases, start, start + len(bases))


def masked(stretch: Stretch, intervals: Iterable[Interval], character: bytes = b"N") -> Stretch:
    """The stretch with every base overwritten that lies in some intervals of its contig."""
    bases = bytearray(stretch.bases)
    for interval in intervals:
        if interval.contig != stretch.contig:
            continue
        start, end = max(interval.start, stretch.start), min(interval.end, stretch.end)
        if start < end:
            bases[start - stretch.start : end - stretch.start] = character * (end - start)
    return replace(stretch, bases=bytes(bases))
