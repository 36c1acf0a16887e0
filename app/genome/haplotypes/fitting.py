"""Haplotypes of a fixed length: which changes a window reads, when its anchor keeps its place.

Positions on a haplotype are counted so that they equal those of the reference left of the first change. The window is
filled to both sides of the anchor with the person's own sequence: a deletion pulls in what follows it, an insertion
pushes out what it displaces. Which changes are read decides the sequence, so equal lists of them make equal sequences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from app.genome.haplotypes.edits import Codes, Edits
from app.genome.haplotypes.spelling import Reading
from app.genome.intervals import Window

Places = npt.NDArray[np.int64]

APART = 1 << 40  # more than any place on a haplotype
BLOCK_LISTS = 1024


class Spans(NamedTuple):
    """What each window reads of a list of changes, as (windows,) arrays; of many lists as (lists, windows).

    Attributes:
        first, stop: the changes `first` to `stop` (exclusive) of the list.
        start, end: the stretch of the reference that is read, its changes whole.
        skipped: bases of the first change that lie before the window.
        bases: the window's length.
    """

    first: Places
    stop: Places
    start: Places
    end: Places
    skipped: Places
    bases: Places


class Course(NamedTuple):
    """Where the changes of some lists lie, on the reference and on the haplotype: list after list.

    Attributes:
        bounds: (lists + 1,) where each list begins, and where the last ends.
        offsets: (changes,) what sets the places of one list apart from those of the list before, so that all of them
            can be searched at once.
        gained: how many bases a list's changes have added up to here, each included.
    """

    bounds: Places
    offsets: Places
    starts: Places
    ends: Places
    lengths: Places
    gained: Places

    @property
    def own_ends(self) -> Places:
        """Where the changes end on the haplotype."""
        return self.ends + self.gained

    @property
    def own_starts(self) -> Places:
        """Where they start there."""
        return self.own_ends - self.lengths


def course(edits: Edits, applied: Codes) -> Course:
    """Lay the changes of a list, no two of which touch, along its haplotype."""
    return courses(edits, [applied])


def courses(edits: Edits, lists: Sequence[Codes]) -> Course:
    """The same of many lists at once."""
    sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    applied = np.concatenate(lists)
    starts, ends, lengths = edits.starts[applied], edits.ends[applied], edits.lengths[applied]
    gained = np.concatenate([[0], np.cumsum(lengths - (ends - starts))])
    of_list = np.repeat(np.arange(len(lists)), sizes)
    return Course(bounds, of_list * APART, starts, ends, lengths, gained[1:] - gained[bounds[of_list]])


def spans(along: Course, windows: Sequence[Window]) -> Spans:
    """What each window reads of one list of changes."""
    return Spans(*(column[0] for column in every_span(along, windows)))


def every_span(along: Course, windows: Sequence[Window]) -> Spans:
    """What each window reads of each list of changes, as (lists, windows) arrays."""
    anchors = np.array([window.anchor for window in windows])
    left = anchors - np.array([window.interval.start for window in windows])
    right = np.array([window.interval.end for window in windows]) - anchors
    before = _count(along, along.ends, anchors, "right")  # changes that end at the anchor or before it
    own_anchors, over = _own_anchors(along, anchors, before)
    own_start, own_end = own_anchors - left, own_anchors + right
    first = np.minimum(_count(along, along.own_ends, own_start, "right"), before)
    stop = np.maximum(_count(along, along.own_starts, own_end, "left"), before + over)
    start, end = own_start - _gained(along, first), own_end - _gained(along, stop)
    bases = np.broadcast_to(left + right, first.shape)
    return _with_whole_changes(along, Spans(first, stop, start, end, np.zeros_like(first), bases), own_start)


def fitted(applied: Codes, span: Spans, at: int) -> Reading:
    """What one of the windows reads of a list of changes.

    Args:
        applied: the list that the spans are of.
        at: index of the window.
    """
    first, stop, start, end, skipped, bases = (int(column[at]) for column in span)
    return Reading(applied[first:stop], start, end, skipped, bases)


def all_fitted(edits: Edits, lists: Sequence[Codes], window: Window) -> Iterator[Reading]:
    """What a window reads of each list of changes, some lists at a time, so that memory stays bounded."""
    for start in range(0, len(lists), BLOCK_LISTS):
        block = lists[start : start + BLOCK_LISTS]
        columns = every_span(courses(edits, block), [window])
        rows = zip(block, *(column[:, 0].tolist() for column in columns), strict=True)
        yield from (Reading(applied[first:stop], *place) for applied, first, stop, *place in rows)


def _with_whole_changes(along: Course, spans: Spans, own_start: Places) -> Spans:
    """The same, reading no part of a change."""
    if not len(along.starts):
        return spans
    reads = spans.first < spans.stop
    opening, closing = _change(along, spans.first), _change(along, spans.stop - 1)
    return spans._replace(
        start=np.where(reads, np.minimum(spans.start, along.starts[opening]), spans.start),
        end=np.where(reads, np.maximum(spans.end, along.ends[closing]), spans.end),
        skipped=np.where(reads, np.maximum(own_start - along.own_starts[opening], 0), 0),
    )


def _count(along: Course, places: Places, limits: Places, side: Literal["left", "right"]) -> Places:
    """(lists, windows) how many changes of each list lie below a limit.

    Args:
        places: (changes,) rising within each list.
        limits: (windows,) or (lists, windows).
    """
    lists = len(along.bounds) - 1
    wanted = limits + APART * np.arange(lists)[:, None]
    return np.searchsorted(along.offsets + places, wanted, side) - along.bounds[:-1, None]


def _change(along: Course, index: Places) -> Places:
    """(lists, windows) where a list's change of that index stands among all; any where the list has none such."""
    return np.asarray(np.clip(along.bounds[:-1, None] + index, 0, len(along.starts) - 1))


def _gained(along: Course, changes: Places) -> Places:
    """(lists, windows) how many bases the first so many changes of a list add."""
    if not len(along.starts):
        return np.zeros_like(changes)
    return np.where(changes > 0, along.gained[_change(along, changes - 1)], 0)


def _own_anchors(along: Course, anchors: Places, before: Places) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Each anchor's place on each haplotype, and whether a change starts before it and ends after it.

    Inside such a change the anchor counts along the bases put in for as long as there are any, as in a substitution.
    """
    if not len(along.starts):
        return np.broadcast_to(anchors, before.shape), np.zeros(before.shape, dtype=np.bool_)
    following = _change(along, before)
    depth = anchors - along.starts[following]
    over = (before < np.diff(along.bounds)[:, None]) & (depth > 0)
    lost = np.where(over, depth - np.minimum(depth, along.lengths[following]), 0)
    return anchors + _gained(along, before) - lost, over
