"""Which of the changes that one haplotype carries can stand together: the first in the file's order wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.genome.haplotypes.edits import Codes, Edits, Reason

BLOCK_LISTS = 1024


@dataclass(frozen=True, slots=True)
class Skipped:
    """A change that a haplotype carries and that was not made.

    Attributes:
        position: 1-based POS of its record.
    """

    position: int
    reason: Reason


@dataclass(frozen=True, slots=True, eq=False)
class EditList:
    """The changes that make one haplotype.

    Attributes:
        applied: rows of `Edits`, from left to right, no two of which touch.
        skipped: the others that it carries.
    """

    applied: Codes
    skipped: tuple[Skipped, ...] = ()


def resolve_each(edits: Edits, lists: Sequence[Codes]) -> Iterator[EditList]:
    """The changes that can stand together, of each list; most lists are seen to be fine some at once."""
    for start in range(0, len(lists), BLOCK_LISTS):
        block = lists[start : start + BLOCK_LISTS]
        doubtful = set(_doubtful(edits, block).tolist())
        yield from (resolve(edits, each) if row in doubtful else EditList(each) for row, each in enumerate(block))


def _doubtful(edits: Edits, lists: Sequence[Codes]) -> npt.NDArray[np.int64]:
    """The lists of which a change is never applied, or starts where the one before it has touched."""
    carried = np.concatenate(lists)
    of_list = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    close = edits.positions[carried][1:] <= edits.touched[carried][:-1]
    return np.concatenate([of_list[~edits.usable[carried]], of_list[1:][close & (of_list[1:] == of_list[:-1])]])


def resolve(edits: Edits, carried: Codes) -> EditList:
    """Apply in order, and skip what starts at or before the last touched base.

    An indel that only stands on that base is applied nevertheless, unless the change before it was an insertion: what
    is put in after a base can be said once only. One that changes bases beside adding or removing some is no such.

    Args:
        carried: rows of `edits` in the file's order.
    """
    usable = edits.usable[carried]
    able = carried[usable]
    apart = edits.positions[able][1:] > edits.touched[able][:-1]
    if usable.all() and apart.all():
        return EditList(carried)
    applied = able if apart.all() else able[_first_come(edits, able)]
    left_out = np.setdiff1d(carried, applied)
    return EditList(applied, tuple(_skipped(edits, row) for row in left_out.tolist()))


def _first_come(edits: Edits, carried: Codes) -> list[bool]:
    kept = []
    touched, after_insertion = -1, False
    for row in carried.tolist():
        edit = edits.rows[row]
        stands = edit.is_standing and edit.start > touched and not after_insertion
        fits = edit.position > touched or stands
        kept.append(fits)
        if fits:
            touched, after_insertion = max(touched, edit.touched), edit.is_insertion
    return kept


def _skipped(edits: Edits, row: int) -> Skipped:
    edit = edits.rows[row]
    return Skipped(edit.position + 1, edit.reason or "overlap")
