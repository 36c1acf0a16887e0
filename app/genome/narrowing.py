"""A part of genotypes that were read already: an upload is read once, and its windows are cut from that."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress

import numpy as np
import numpy.typing as npt

from app.genome.genotypes import Genotypes


def narrowed(genotypes: Genotypes, start: int, end: int) -> Genotypes:
    """The records that overlap an interval of the contig, 0-based and end exclusive."""
    return chosen(genotypes, (genotypes.positions <= end) & (genotypes.ends > start))


def chosen(genotypes: Genotypes, records: npt.NDArray[np.bool_]) -> Genotypes:
    """Some of the records.

    Args:
        records: (records,) whether it is kept.
    """
    return replace(
        genotypes,
        positions=genotypes.positions[records],
        ends=genotypes.ends[records],
        lines=genotypes.lines[records],
        references=tuple(compress(genotypes.references, records)),
        alternates=tuple(compress(genotypes.alternates, records)),
        passed=genotypes.passed[records],
        alleles=genotypes.alleles[records],
        phased=genotypes.phased[records],
        phase_sets=genotypes.phase_sets[records],
    )
