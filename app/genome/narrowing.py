"""A part of genotypes that were read already: an upload is read once, and its windows are cut from that."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress

from app.genome.genotypes import Genotypes


def narrowed(genotypes: Genotypes, start: int, end: int) -> Genotypes:
    """The records that overlap an interval of the contig, 0-based and end exclusive."""
    inside = (genotypes.positions <= end) & (genotypes.ends > start)
    return replace(
        genotypes,
        positions=genotypes.positions[inside],
        ends=genotypes.ends[inside],
        lines=genotypes.lines[inside],
        references=tuple(compress(genotypes.references, inside)),
        alternates=tuple(compress(genotypes.alternates, inside)),
        passed=genotypes.passed[inside],
        alleles=genotypes.alleles[inside],
        phased=genotypes.phased[inside],
        phase_sets=genotypes.phase_sets[inside],
    )
