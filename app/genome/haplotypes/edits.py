"""What each allele of a region's records does to the reference, worked out once for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from app.genome.genotypes import ABSENT, MISSING, Genotypes
from app.genome.haplotypes.policies import Policies
from app.genome.intervals import Interval
from app.genome.letters import is_ambiguous, is_sequence, model_letters, shared_bases
from app.genome.stretch import Stretch

Codes = npt.NDArray[np.int32]  # rows of `Edits`, 0 for no change
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Letters = npt.NDArray[np.uint8]
Reason = Literal["overlap", "unsupported_allele", "unknown_length", "reference_mismatch", "masked"]

NO_CHANGE = 0
UNCHANGED_ALLELES = frozenset({b"<*>", b"<NON_REF>", b"."})
SPANNING_DELETION = b"*"


class Edit(NamedTuple):
    """One allele's change: `bases` instead of those from `start` to `end`.

    Attributes:
        record: index of its record.
        position: 0-based POS of the record.
        touched: the last reference base that the record speaks about.
        is_insertion: the allele is longer than REF, so nothing more fits in after it.
        is_standing: bases are only added or only removed after the record's first, which may be changed by another.
        reason: why it is never applied, if so.
        alternate: the allele as the record writes it; empty where it stands for a call without one.
    """

    record: int
    position: int
    start: int
    end: int
    touched: int
    bases: bytes
    is_insertion: bool = False
    is_standing: bool = False
    reason: Reason | None = None
    reference: bytes = b""
    alternate: bytes = b""


NOTHING = Edit(record=-1, position=-1, start=-1, end=-1, touched=-1, bases=b"")


@dataclass(frozen=True, slots=True, eq=False)
class Edits:
    """The changes of a region, and which allele of which record makes which.

    Attributes:
        rows: the changes; row 0 changes nothing.
        positions, starts, ends, touched, lengths: (rows,) the columns that are computed with; `lengths` of the bases
            put in.
        letters: (rows,) the base of a change of one base for one, 0 for any other change.
        usable: (rows,) whether the change is ever applied.
        ambiguous: (rows,) whether the allele had letters beside A, C, G and T.
        row_of: (records, alleles + 2) the row of allele a of record r is `row_of[r, a + 2]`, missing and absent ones
            included.
        spanning: (records, alleles + 2) whether that allele is `*`.
    """

    rows: tuple[Edit, ...]
    positions: Positions
    starts: Positions
    ends: Positions
    touched: Positions
    lengths: Positions
    letters: Letters
    usable: Flags
    ambiguous: Flags
    row_of: Codes
    spanning: Flags


def compile_edits(genotypes: Genotypes, stretch: Stretch, policies: Policies, kept: Flags) -> Edits:
    """Work out what each allele of the kept records does.

    Args:
        stretch: the reference around them; its case decides the case of inserted bases where letters are kept.
        kept: (records,) the others change nothing.
    """
    rows = [NOTHING]
    width = 3 + max(map(len, genotypes.alternates), default=0)
    row_of = np.zeros((len(genotypes.references), width), dtype=np.int32)
    spanning = np.zeros(row_of.shape, dtype=np.bool_)
    for record in np.flatnonzero(kept).tolist():
        for allele, alternate in enumerate(genotypes.alternates[record], start=1):
            spanning[record, allele - ABSENT] = alternate == SPANNING_DELETION
            edit = _edit_of(genotypes, record, alternate, stretch, policies)
            if edit is not None:
                row_of[record, allele - ABSENT] = len(rows)
                rows.append(edit)
        if policies.missing == "n":
            row_of[record, MISSING - ABSENT] = len(rows)
            rows.append(_unknown(genotypes, record, policies.missing_character))
    return edits_of(rows, row_of, spanning)


def edits_of(rows: Sequence[Edit], row_of: Codes, spanning: Flags) -> Edits:
    """The same with its columns."""
    return Edits(
        rows=tuple(rows),
        positions=np.array([row.position for row in rows]),
        starts=np.array([row.start for row in rows]),
        ends=np.array([row.end for row in rows]),
        touched=np.array([row.touched for row in rows]),
        lengths=np.array([len(row.bases) for row in rows]),
        letters=np.array([_letter(row) for row in rows], dtype=np.uint8),
        usable=np.array([row.reason is None for row in rows]),
        ambiguous=np.array([is_sequence(row.alternate) and is_ambiguous(row.alternate) for row in rows]),
        row_of=row_of,
        spanning=spanning,
    )


def _letter(edit: Edit) -> int:
    return edit.bases[0] if len(edit.bases) == edit.end - edit.start == 1 else 0


def substitution(record: int, position: int, reference: bytes, alternate: bytes) -> Edit:
    """An allele written out; where its length differs, a first base that both share is only the place to stand on."""
    end = position + len(reference)
    anchored = len(reference) != len(alternate) and reference[:1].upper() == alternate[:1].upper()
    return Edit(
        record=record,
        position=position,
        start=position + anchored,
        end=end,
        touched=end - 1,
        bases=alternate[anchored:],
        is_insertion=len(alternate) > len(reference),
        is_standing=anchored and _only_adds_or_removes(reference.upper(), alternate.upper()),
        reference=reference,
        alternate=alternate,
    )


def _only_adds_or_removes(reference: bytes, alternate: bytes) -> bool:
    """Whether the shorter allele is what the longer one begins and ends with."""
    before = shared_bases(reference, alternate)
    after = shared_bases(reference[::-1], alternate[::-1])
    return before + after >= min(len(reference), len(alternate))


def _edit_of(genotypes: Genotypes, record: int, alternate: bytes, stretch: Stretch, policies: Policies) -> Edit | None:
    reference = genotypes.references[record]
    position = int(genotypes.positions[record]) - 1
    end = int(genotypes.ends[record])
    if alternate in UNCHANGED_ALLELES or alternate.upper() == reference.upper():
        return None
    if _is_masked(Interval(stretch.contig, position, max(end, position + len(reference))), policies):
        return _never(record, position, reference, alternate, "masked")
    if alternate == SPANNING_DELETION:
        written = policies.spanning_deletion == "written"
        return substitution(record, position, reference, alternate) if written else None
    if alternate.startswith((b"<DEL>", b"<DEL:")):
        return _symbolic_deletion(record, position, end, reference, alternate)
    if not is_sequence(alternate):
        return _never(record, position, reference, alternate, "unsupported_allele")
    bases = _in_letters(alternate, position, stretch, policies)
    return substitution(record, position, reference, bases)._replace(alternate=alternate)


def _symbolic_deletion(record: int, position: int, end: int, reference: bytes, alternate: bytes) -> Edit:
    if end <= position + 1:
        return _never(record, position, reference, alternate, "unknown_length")
    return Edit(
        record, position, position + 1, end, end - 1, b"", is_standing=True, reference=reference, alternate=alternate
    )


def _unknown(genotypes: Genotypes, record: int, character: bytes) -> Edit:
    """An allele that was not called, over REF, or over the whole of a block without any alternate allele."""
    position = int(genotypes.positions[record]) - 1
    end = position + len(genotypes.references[record])
    if not set(genotypes.alternates[record]) - UNCHANGED_ALLELES:
        end = max(end, int(genotypes.ends[record]))
    return Edit(record, position, position, end, end - 1, character * (end - position))


def _never(record: int, position: int, reference: bytes, alternate: bytes, reason: Reason) -> Edit:
    return Edit(
        record, position, position, position, position, b"", reason=reason, reference=reference, alternate=alternate
    )


def _is_masked(record: Interval, policies: Policies) -> bool:
    return any(
        mask.contig == record.contig and mask.start < record.end and mask.end > record.start for mask in policies.masked
    )


def _in_letters(bases: bytes, position: int, stretch: Stretch, policies: Policies) -> bytes:
    if policies.letters == "model":
        return model_letters(bases)
    place = max(position, stretch.start) - stretch.start
    return bases.lower() if stretch.bases[place : place + 1].islower() else bases.upper()
