"""Whether the records that somebody carries say what the reference says."""

from __future__ import annotations

from collections.abc import Iterable

from app.errors import ItemError, Unprocessable
from app.genome.genotypes import Genotypes
from app.genome.haplotypes.edits import Edit, Edits, edits_of
from app.genome.haplotypes.policies import Policies
from app.genome.letters import reduced
from app.genome.stretch import Stretch


def check_reference(
    edits: Edits, carried: Iterable[int], genotypes: Genotypes, stretch: Stretch, policies: Policies
) -> Edits:
    """Compare REF with the reference, for the records that change something in somebody.

    Args:
        carried: the rows of `edits` that occur.

    Returns:
        The same changes, those of wrong records never to be applied.

    Raises:
        Unprocessable: records differ, and the policy is not to skip them.
    """
    rows = [row for row in carried if edits.rows[row].reason is None]
    records = sorted({edits.rows[row].record for row in rows})
    wrong = {record for record in records if _first_difference(genotypes, record, stretch) is not None}
    if not wrong:
        return edits
    if policies.mismatch == "error":
        raise _refused(genotypes, sorted(wrong), stretch)
    return edits_of([_unless(edit, wrong) for edit in edits.rows], edits.row_of, edits.spanning)


def _first_difference(genotypes: Genotypes, record: int, stretch: Stretch) -> int | None:
    """0-based position of the first base that REF and the reference do not share, among those in memory."""
    start = int(genotypes.positions[record]) - 1
    written = genotypes.references[record].upper()
    if start >= stretch.last:
        return start
    first, last = max(start, stretch.start), min(start + len(written), stretch.end)
    written = written[first - start : max(last, first) - start]
    found = stretch.bases[first - stretch.start : max(last, first) - stretch.start].upper()
    if written in (found, reduced(found)):
        return None
    return next(first + at for at, (one, other) in enumerate(zip(written, found, strict=True)) if one != other)


def _refused(genotypes: Genotypes, wrong: list[int], stretch: Stretch) -> Unprocessable:
    items = [_item(genotypes, record, stretch) for record in wrong]
    detail = (
        f"{len(wrong)} of the VCF's records contradict the reference; lift the VCF over if it is of another assembly. "
        f"{items[0].detail}"
    )
    return Unprocessable(detail, items=items)


def _item(genotypes: Genotypes, record: int, stretch: Stretch) -> ItemError:
    line, place = int(genotypes.lines[record]), f"{genotypes.contig}:{int(genotypes.positions[record]):,}"
    name = f"The record on line {line}" if line else f"A record at {place}"
    at = _first_difference(genotypes, record, stretch)
    base = b"" if at is None else stretch.bases[at - stretch.start :][:1].upper()
    found = f"has {base.decode()} at {genotypes.contig}:{(at or 0) + 1:,}" if base else "ends before it"
    return ItemError("/vcf", "reference_mismatch", f"{name} has another REF than the reference, which {found}.")


def _unless(edit: Edit, wrong: set[int]) -> Edit:
    if edit.record not in wrong or edit.reason is not None:
        return edit
    return edit._replace(reason="reference_mismatch")
