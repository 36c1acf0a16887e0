"""A haplotype's sequence from the reference and its changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

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
    text = bytearray(stretch.between(reading.start, reading.end))
    letters = edits.letters[reading.changes]
    single = letters != 0  # most are, and are put in place at once
    np.frombuffer(text, dtype=np.uint8)[edits.starts[reading.changes[single]] - reading.start] = letters[single]
    pieces = list(_pieces(memoryview(text), edits, reading.changes[~single].tolist(), reading.start))
    return b"".join(pieces)[reading.skipped : reading.skipped + reading.bases]


def _pieces(text: memoryview, edits: Edits, changes: Sequence[int], start: int) -> Iterator[memoryview | bytes]:
    """What some changes put in, and what is left of a text between them.

    Args:
        start: position of the text's first base.
    """
    at = 0
    for row in changes:
        edit = edits.rows[row]
        yield text[at : edit.start - start]
        yield edit.bases
        at = edit.end - start
    yield text[at:]


def anchor_offset(edits: Edits, reading: Reading, anchor: int) -> int:
    """How many reference bases right of the anchor the base lies that stands in its place: 0 unless it is deleted."""
    place = anchor
    for row in reading.changes.tolist():
        edit = edits.rows[row]
        if edit.start <= place < edit.end and len(edit.bases) <= place - edit.start:
            place = edit.end
    return place - anchor
