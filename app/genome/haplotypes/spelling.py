"""A haplotype's sequence from the reference and its changes."""

from __future__ import annotations

from typing import NamedTuple

from app.genome.haplotypes.edits import Codes, Edits
from app.genome.intervals import Interval
from app.genome.stretch import Stretch


class Reading(NamedTuple):
    """One stretch of a haplotype: the reference from `start` to `end` with changes made, less what lies before it.

    Attributes:
        changes: rows of `Edits`, all of which lie within; equal ones make equal sequences.
        skipped: bases of the first change that lie before it.
        bases: its length.
    """

    changes: Codes
    start: int
    end: int
    skipped: int
    bases: int


def natural(edits: Edits, applied: Codes, region: Interval) -> Reading:
    """All of a region with all changes made, as long as they make it."""
    gained = int((edits.lengths[applied] - (edits.ends[applied] - edits.starts[applied])).sum())
    return Reading(applied, region.start, region.end, 0, region.bases + gained)


def spelled(edits: Edits, reading: Reading, stretch: Stretch) -> bytes:
    """The sequence, on the plus strand.

    Raises:
        ValueError: the stretch is too short for it.
    """
    if not len(reading.changes):
        return stretch.between(reading.start, reading.end)
    starts, ends = edits.starts[reading.changes].tolist(), edits.ends[reading.changes].tolist()
    # All that lies between two changes is in the stretch, as both ends are: slices need no further check.
    bases, offset = stretch.bases, stretch.start
    pieces = [b""] * (2 * len(starts) + 1)
    pieces[0] = stretch.between(reading.start, starts[0])
    pieces[1::2] = [edits.rows[row].bases for row in reading.changes.tolist()]
    pieces[2:-1:2] = [bases[end - offset : start - offset] for end, start in zip(ends[:-1], starts[1:], strict=True)]
    pieces[-1] = stretch.between(ends[-1], reading.end)
    return b"".join(pieces)[reading.skipped : reading.skipped + reading.bases]


def anchor_offset(edits: Edits, reading: Reading, anchor: int) -> int:
    """How many reference bases right of the anchor the base lies that stands in its place: 0 unless it is deleted."""
    place = anchor
    for row in reading.changes.tolist():
        edit = edits.rows[row]
        if edit.start <= place < edit.end and len(edit.bases) <= place - edit.start:
            place = edit.end
    return place - anchor
