"""Which changes each haplotype of a cohort carries; equal ones are found here, before anything is built."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.genome.genotypes import ABSENT, MISSING, Genotypes
from app.genome.haplotypes.edits import Codes, Edits, Flags

HAPLOID = -1
"""Where a sample has no second haplotype."""


class Ploidy(NamedTuple):
    """(samples,) who has one haplotype only, and who has calls of one and of two alleles."""

    haploid: Flags
    mixed: Flags


def ploidy(genotypes: Genotypes) -> Ploidy:
    """A sample is haploid where it has calls, and all of them are of one allele."""
    first, second = genotypes.alleles[:, :, 0], genotypes.alleles[:, :, 1]
    of_one = ((second == ABSENT) & (first >= 0)).any(axis=0)
    of_two = (second != ABSENT).any(axis=0)
    return Ploidy(of_one & ~of_two, of_one & of_two)


def carried_codes(genotypes: Genotypes, edits: Edits) -> Codes:
    """(records, samples, 2) the row of `edits` that each allele stands for."""
    return edits.row_of.ravel().take(_table_index(edits.row_of, genotypes))


def spanning_alleles(genotypes: Genotypes, edits: Edits) -> Flags:
    """(records, samples, 2) the alleles that are `*`."""
    if not edits.spanning.any():
        return np.zeros(genotypes.alleles.shape, dtype=np.bool_)
    return edits.spanning.ravel().take(_table_index(edits.spanning, genotypes))


def missing_alleles(genotypes: Genotypes) -> Flags:
    """(records, samples, 2) the alleles that were not called; a lone `.` stands for both."""
    missing: Flags = genotypes.alleles == MISSING
    missing[:, :, 1] |= missing[:, :, 0] & (genotypes.alleles[:, :, 1] == ABSENT)
    return missing


class DistinctLists:
    """Distinct lists of carried changes, the empty one first, as block after block of samples is added.

    Attributes:
        lists: rows of `Edits` in the file's order.
    """

    def __init__(self) -> None:
        self.lists = [np.zeros(0, dtype=np.int32)]
        self._row_of: dict[bytes, int] = {b"": 0}

    def add(self, codes: Codes) -> npt.NDArray[np.int32]:
        """Take in the lists of some samples.

        Args:
            codes: (records, samples, 2).

        Returns:
            (samples, 2) which of the lists each haplotype has.
        """
        records, samples, _ = codes.shape
        by_haplotype = codes.transpose(1, 2, 0).reshape(2 * samples, records)
        haplotypes, at = np.nonzero(by_haplotype)
        carried = by_haplotype[haplotypes, at]
        bounds = np.searchsorted(haplotypes, np.arange(2 * samples + 1)).tolist()
        rows = [self._row(carried[start:end]) for start, end in pairwise(bounds)]
        return np.array(rows, dtype=np.int32).reshape(samples, 2)

    def _row(self, carried: Codes) -> int:
        row = self._row_of.setdefault(carried.tobytes(), len(self.lists))
        if row == len(self.lists):
            self.lists.append(carried.copy())  # a view would keep the whole block's
        return row


def _table_index(table: npt.NDArray[np.generic], genotypes: Genotypes) -> npt.NDArray[np.int32]:
    """(records, samples, 2) where in the flat table each allele's entry lies."""
    records, width = table.shape
    first = np.arange(records, dtype=np.int32) * width - ABSENT
    alleles = np.where(missing_alleles(genotypes), np.int16(MISSING), genotypes.alleles)
    return np.asarray(alleles + first[:, None, None])
