"""What to decide where a VCF leaves a choice: the rules for building haplotypes, said explicitly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.genome.intervals import Interval

Unphased = Literal["as_listed", "error", "iupac", "random"]
Missing = Literal["reference", "n", "error"]
Filter = Literal["pass", "any"]
Mismatch = Literal["error", "skip"]
Letters = Literal["model", "reference"]
SpanningDeletion = Literal["ignored", "written"]
Overlap = Literal["position", "record", "variant"]

REGIONS_OVERLAP: dict[str, Overlap] = {"0": "position", "1": "record", "2": "variant"}
"""The rules by the numbers that bcftools gives them."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The rules for building haplotypes; the defaults are those of the service.

    Attributes:
        unphased: a call of two different alleles without phase: in the order they are listed, refused, written as IUPAC
            codes (N where there is none) on both haplotypes, or dealt at random.
        seed: what `random` starts from; one person's draw depends on nothing else but name and position.
        missing: an allele that was not called: the reference's bases, N, or refused.
        filter: records that passed their filters, or any.
        mismatch: a record whose REF is not what the reference has: refused, or skipped.
        letters: upper case with N for ambiguous bases, or the reference's own, inserted bases in the case of the base
            they stand at.
        spanning_deletion: the allele `*`: no change, or the character itself.
        overlap: which records count as inside a region of natural length: by their POS, by the reference bases of the
            record, or by those that change.
        masked: intervals in which no record is applied; contigs as the reference names them.
        missing_character: what `n` writes.
    """

    unphased: Unphased = "as_listed"
    seed: int = 0
    missing: Missing = "reference"
    filter: Filter = "pass"
    mismatch: Mismatch = "error"
    letters: Letters = "model"
    spanning_deletion: SpanningDeletion = "ignored"
    overlap: Overlap = "record"
    masked: tuple[Interval, ...] = ()
    missing_character: bytes = b"N"


BCFTOOLS = Policies(filter="any", letters="reference", spanning_deletion="written")
"""As `bcftools consensus -H` builds, byte for byte."""
