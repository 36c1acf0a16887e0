"""Haplotypes of a fixed length: which changes a window reads, when its anchor keeps its place.

Positions on a haplotype are counted so that they equal those of the reference left of the first change. The window is
filled to both sides of the anchor with the person's own sequence: a deletion pulls in what follows it, an insertion
pushes out what it displaces. Which changes are read decides the sequence, so equal lists of them make equal sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.genome.haplotypes.edits import Codes, Edits
from app.genome.haplotypes.spelling import Reading
from app.genome.intervals import Window

Places = npt.NDArray[np.int64]


class Spans(NamedTuple):
    """(windows,) arrays of what each window reads of one list of changes.

    Attributes:
        first, stop: the changes `first` to `stop` (exclusive) of the list.
        start, end: the window on the haplotype.
    """

    first: Places
    stop: Places
    start: Places
    end: Places


class Course(NamedTuple):
    """(changes,) where the changes of a list lie, on the reference and on the haplotype."""

    starts: Places
    ends: Places
    lengths: Places
    own_starts: Places
    own_ends: Places


def course(edits: Edits, applied: Codes) -> Course:
    """Lay the changes of a list along the haplotype."""
    starts, ends, lengths = edits.starts[applied], edits.ends[applied], edits.lengths[applied]
    gained = np.cumsum(lengths - (ends - starts))
    own_ends = ends + gained
    return Course(starts, ends, lengths, own_ends - lengths, own_ends)


def spans(along: Course, windows: Sequence[Window]) -> Spans:
    """What each window reads of a list of changes."""
    anchors = np.array([window.anchor for window in windows])
    left = anchors - np.array([window.interval.start for window in windows])
    right = np.array([window.interval.end for window in windows]) - anchors
    before = np.searchsorted(along.ends, anchors, "right")  # changes that end at the anchor or before it
    own_anchors, over = _own_anchors(along, anchors, before)
    first = np.minimum(np.searchsorted(along.own_ends, own_anchors - left, "right"), before)
    stop = np.maximum(np.searchsorted(along.own_starts, own_anchors + right, "left"), before + over)
    return Spans(first, stop, own_anchors - left, own_anchors + right)


def fitted(along: Course, applied: Codes, span: Spans, at: int) -> Reading:
    """What one of the windows reads of a list of changes.

    Args:
        applied: the list that `along` was laid from.
        at: index of the window.
    """
    first, stop, own_start, own_end = (int(column[at]) for column in span)
    start, end, skipped = own_start - _gained(along, first), own_end - _gained(along, stop), 0
    if first < stop:
        skipped = max(own_start - int(along.own_starts[first]), 0)
        start, end = min(start, int(along.starts[first])), max(end, int(along.ends[stop - 1]))
    return Reading(applied[first:stop], start, end, skipped, own_end - own_start)


def _gained(along: Course, changes: int) -> int:
    """How many bases the first so many changes add."""
    return int(along.own_ends[changes - 1] - along.ends[changes - 1]) if changes else 0


def _own_anchors(along: Course, anchors: Places, before: Places) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Each anchor's place on the haplotype, and whether a change starts before it and ends after it.

    Inside such a change the anchor counts along the bases put in for as long as there are any, as in a substitution.
    """
    gained = np.concatenate([[0], along.own_ends - along.ends])[before]
    if not len(along.starts):
        return anchors, np.zeros(len(anchors), dtype=np.bool_)
    following = np.minimum(before, len(along.starts) - 1)
    depth = anchors - along.starts[following]
    over = (before < len(along.starts)) & (depth > 0)
    lost = np.where(over, depth - np.minimum(depth, along.lengths[following]), 0)
    return anchors + gained - lost, over
