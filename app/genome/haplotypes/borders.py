"""What happens at the ends of a region: which changes belong to it, and what of them lies within."""

from __future__ import annotations

import numpy as np

from app.genome.genotypes import Genotypes
from app.genome.haplotypes.edits import NOTHING, Edit, Edits, Flags, edits_of
from app.genome.haplotypes.policies import Overlap
from app.genome.intervals import Interval
from app.genome.letters import shared_bases


def only_inside(edits: Edits, genotypes: Genotypes, region: Interval, rule: Overlap) -> Edits:
    """The changes that belong to a region, cut at its ends; the others change nothing any more.

    Args:
        genotypes: what the changes were worked out from.
    """
    inside = _inside(edits, genotypes, region, rule)
    rows = [NOTHING, *(_cut(edit, region) for edit in edits.rows[1:])]
    row_of = np.where(inside[edits.row_of], edits.row_of, np.int32(0))
    return edits_of(rows, row_of, edits.spanning)


def _inside(edits: Edits, genotypes: Genotypes, region: Interval, rule: Overlap) -> Flags:
    if rule == "position":
        return (edits.positions >= region.start) & (edits.positions < region.end)
    if rule == "record":
        return (edits.positions < region.end) & (edits.touched >= region.start)
    # A record belongs as a whole: for all of its alleles, if for one.
    changed = np.array([edit.position + _shared(genotypes, edit.record) for edit in edits.rows])
    return (edits.ends > region.start) & (changed < region.end)


def _shared(genotypes: Genotypes, record: int) -> int:
    """How many bases every allele of a record begins with; what is not spelled out has none."""
    if record < 0:
        return 0
    reference = genotypes.references[record].upper()
    alternates = genotypes.alternates[record]
    return min((shared_bases(reference, alternate.upper()) for alternate in alternates), default=0)


def _cut(edit: Edit, region: Interval) -> Edit:
    """A change counts base by base from where it starts, as a substitution does; what lies outside is left out."""
    start, end = edit.start, edit.end
    bases = edit.bases[max(region.start - start, 0) :]
    start = min(max(start, region.start), region.end)
    if end > region.end:
        bases, end = bases[: region.end - start], region.end
    touched = min(edit.touched, region.end - 1)
    return edit._replace(start=start, end=max(end, start), touched=touched, bases=bases)
