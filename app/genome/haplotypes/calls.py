"""What a reader of the answer must know of each person's calls, and which calls a policy refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from app.errors import ItemError, Unprocessable
from app.genome.genotypes import Genotypes
from app.genome.haplotypes.carried import missing_alleles, ploidy, spanning_alleles
from app.genome.haplotypes.edits import Codes, Edits, Flags
from app.genome.haplotypes.phase import phase_sets
from app.genome.haplotypes.policies import Policies

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """What the calls in a region leave open.

    Attributes:
        unphased: (samples,) calls of two different alleles without phase.
        phase_sets: (samples,) sets of phased calls; how two sets belong together is not known.
        missing: (samples,) alleles that were not called.
        spanning: (samples,) alleles that are `*`; their deletion comes from a record of its own.
        mixed_ploidy: (samples,) calls of one and of two alleles; the second haplotype has the reference where a call
            has one.
    """

    unphased: Counts
    phase_sets: Counts
    missing: Counts
    spanning: Counts
    mixed_ploidy: Flags


def count_calls(genotypes: Genotypes, edits: Edits, codes: Codes, open_calls: Flags, counted: Flags) -> Calls:
    """Count what the calls leave open.

    Args:
        codes: (records, samples, 2) the rows of `edits` that the alleles stand for.
        open_calls: (records, samples) calls of two different alleles without phase.
        counted: (records,) the others are left out.
    """
    return Calls(
        unphased=_per_sample(open_calls[counted, :, None]),
        phase_sets=phase_sets(genotypes, codes, counted),
        missing=_per_sample(missing_alleles(genotypes)[counted]),
        spanning=_per_sample(spanning_alleles(genotypes, edits)[counted]),
        mixed_ploidy=ploidy(genotypes).mixed,
    )


def joined(blocks: Sequence[Calls]) -> Calls:
    """The calls of several blocks of samples, one after the other."""
    return Calls(*(np.concatenate([getattr(block, field.name) for block in blocks]) for field in fields(Calls)))


def check_calls(genotypes: Genotypes, open_calls: Flags, counted: Flags, policies: Policies) -> None:
    """Refuse the calls that the policies refuse.

    Raises:
        Unprocessable: there is at least one.
    """
    if policies.unphased == "error":
        way_out = "Phase the VCF, or choose another policy for unphased calls."
        _refuse(genotypes, open_calls.any(axis=1) & counted, "vcf_unphased", "two alleles without phase", way_out)
    if policies.missing == "error":
        way_out = "Impute the VCF, or choose another policy for missing calls."
        missing = missing_alleles(genotypes).any(axis=(1, 2))
        _refuse(genotypes, missing & counted, "vcf_missing", "an allele that was not called", way_out)


def _per_sample(flags: Flags) -> Counts:
    """(samples,) how many of (records, samples, alleles) are set; mostly none is, which is quick to see."""
    return flags.sum(axis=(0, 2)) if flags.any() else np.zeros(flags.shape[1], dtype=np.int64)


def _refuse(genotypes: Genotypes, records: Flags, code: str, what: str, way_out: str) -> None:
    wrong = np.flatnonzero(records)
    if not len(wrong):
        return
    line = int(genotypes.lines[wrong[0]])
    first = f", the first on line {line}" if line else ""
    detail = f"{len(wrong)} of the region's records{first} have a call with {what}. {way_out}"
    raise Unprocessable(detail, items=[ItemError("/vcf", code, detail)])
