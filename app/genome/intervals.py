"""Intervals of a reference, and the windows that models read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.errors import ItemError, Unprocessable

Strand = Literal["+", "-"]

MAX_TEXT = 256


@dataclass(frozen=True, slots=True)
class Interval:
    """Bases `start` to `end` of a contig, 0-based, end exclusive.

    A window near a contig's end may reach past it, so `start` may be negative.
    """

    contig: str
    start: int
    end: int
    strand: Strand = "+"

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError("an interval ends where it starts or later")

    @property
    def bases(self) -> int:
        """Its length."""
        return self.end - self.start

    @property
    def centre(self) -> int:
        """The base in the middle, the right one of two."""
        return (self.start + self.end) // 2

    def contains(self, other: Interval) -> bool:
        """Whether every base of the other lies in this one, whatever their strands."""
        return self.contig == other.contig and self.start <= other.start and other.end <= self.end

    def widened(self, bases: int) -> Interval:
        """With so many more bases at either side."""
        return Interval(self.contig, self.start - bases, self.end + bases, self.strand)

    def joined(self, other: Interval) -> Interval:
        """From where the first of the two starts to where the last of them ends."""
        return Interval(self.contig, min(self.start, other.start), max(self.end, other.end), self.strand)

    def __str__(self) -> str:
        """The text form, 1-based and inclusive."""
        return f"{self.contig}:{self.start + 1:,}-{self.end:,}"


@dataclass(frozen=True, slots=True)
class Window:
    """The interval a model reads, and the reference base that keeps its place in every haplotype.

    Attributes:
        anchor: 0-based position of that base, `interval.start` to `interval.end`.
    """

    interval: Interval
    anchor: int

    def __post_init__(self) -> None:
        if not self.interval.start <= self.anchor <= self.interval.end:
            raise ValueError("a window's anchor lies in it")


def centred(interval: Interval) -> Window:
    """The window whose middle keeps its place."""
    return Window(interval, interval.centre)


def from_start(interval: Interval) -> Window:
    """The window whose first base in the direction of its strand keeps its place."""
    return Window(interval, interval.start if interval.strand == "+" else interval.end - 1)


def around(contig: str, position: int, upstream_bases: int, downstream_bases: int, strand: Strand) -> Window:
    """The window around a position of a gene, which keeps its place.

    Args:
        position: 0-based, such as that of the transcription start site.
        upstream_bases: before the position in the direction of the strand.
        downstream_bases: from the position on, itself included.
    """
    if strand == "+":
        interval = Interval(contig, position - upstream_bases, position + downstream_bases, strand)
    else:
        interval = Interval(contig, position - downstream_bases + 1, position + upstream_bases + 1, strand)
    return Window(interval, position)


def parse_interval(text: str, strand: Strand = "+", pointer: str = "/region") -> Interval:
    """Read `chr22:37,200,001-37,300,000`, which is 1-based and inclusive.

    Raises:
        Unprocessable: it is not of that form, or ends before it starts.
    """
    contig, colon, places = text.rpartition(":")
    first, dash, last = places.replace(",", "").partition("-")
    if len(text) > MAX_TEXT or not (contig and colon and dash and is_position(first) and is_position(last)):
        raise _refused(pointer, "A region is written contig:first-last, such as chr22:37,200,001-37,300,000.")
    if int(first) > int(last):
        raise _refused(pointer, "The region ends before it starts.")
    return Interval(contig, int(first) - 1, int(last), strand)


def is_position(text: str) -> bool:
    """Whether text is a 1-based position."""
    return text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) > 0


def _refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])
