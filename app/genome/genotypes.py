"""What a VCF says about one region: the only thing that the reader hands to the haplotype builder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MISSING = -1
"""An allele that was not called."""

ABSENT = -2
"""The second allele of a haploid call."""


@dataclass(frozen=True, slots=True, eq=False)
class Genotypes:
    """The variants of one region in file order, with every sample's alleles.

    Attributes:
        contig: as the VCF names it.
        samples: as the VCF names them, in its order.
        positions: (records,) POS, 1-based.
        ends: (records,) last reference base that the record spans, 1-based inclusive: the end of REF, or of a symbolic
            deletion or reference block (INFO/END, else SVLEN).
        lines: (records,) line number in the file, 1-based; 0 where unknown (indexed reads).
        references: REF as written.
        alternates: ALT as written, symbolic and `*` included; `.` is an empty tuple.
        passed: (records,) FILTER is PASS or `.`.
        alleles: (records, samples, 2) index of the allele; `MISSING`; `ABSENT` in the second column of a haploid call.
        phased: (records, samples).
        phase_sets: (records, samples) PS, 0 where there is none.
    """

    contig: str
    samples: tuple[str, ...]
    positions: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    references: tuple[bytes, ...]
    alternates: tuple[tuple[bytes, ...], ...]
    passed: npt.NDArray[np.bool_]
    alleles: npt.NDArray[np.int16]
    phased: npt.NDArray[np.bool_]
    phase_sets: npt.NDArray[np.int64]
