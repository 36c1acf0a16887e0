"""Genotypes of other samples than the file's: a block of them, or one that carries everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from app.genome.genotypes import ABSENT, Genotypes

BLOCK_CALLS = 4 << 20


def in_blocks(genotypes: Genotypes, block_calls: int = BLOCK_CALLS) -> Iterator[Genotypes]:
    """A few samples at a time, so that what is worked out for each call never fills the memory; at least one block."""
    step = max(block_calls // max(len(genotypes.references), 1), 1)
    for start in range(0, max(len(genotypes.samples), 1), step):
        columns = slice(start, start + step)
        yield replace(
            genotypes,
            samples=genotypes.samples[columns],
            alleles=genotypes.alleles[:, columns],
            phased=genotypes.phased[:, columns],
            phase_sets=genotypes.phase_sets[:, columns],
        )


def every_alternate(genotypes: Genotypes) -> Genotypes:
    """One haploid sample that carries the first alternate allele of every record, whoever the samples are."""
    records = len(genotypes.references)
    alleles = np.full((records, 1, 2), ABSENT, dtype=np.int16)
    alleles[:, 0, 0] = [min(len(alternates), 1) for alternates in genotypes.alternates]
    return replace(
        genotypes,
        samples=("ALT",),
        alleles=alleles,
        phased=np.ones((records, 1), dtype=np.bool_),
        phase_sets=np.zeros((records, 1), dtype=np.int64),
    )
