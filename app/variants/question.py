"""Which variants are asked for: a list of them, or the alternate alleles of a VCF."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import VcfRefused
from app.genome.upload.inflate import text_of
from app.genome.upload.lines import lines_of
from app.genome.variants import Variant
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.sites import read_sites


@dataclass(frozen=True, slots=True)
class Asked:
    """One variant to score.

    Attributes:
        pointer: JSON pointer to what asks for it.
        line, allele: where it stands in a VCF, both from 1; 0 for one of a list.
    """

    variant: Variant
    pointer: str
    line: int = 0
    allele: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """An allele of a VCF that is not scored.

    Attributes:
        line: of its record, 1-based.
        allele: counted from 1; 0 stands for the whole record.
        reason: why.
    """

    line: int
    allele: int
    reason: str


@dataclass(frozen=True, slots=True)
class Question:
    """What to score, and what of a VCF was left out."""

    variants: tuple[Asked, ...]
    skipped: tuple[Skipped, ...] = ()


def question_of_vcf(
    chunks: Iterable[bytes], limits: VcfLimits, *, passed_only: bool, most: int, pointer: str = "/vcf"
) -> Question:
    """Every alternate allele of a VCF that can be scored.

    Args:
        chunks: of text, gzip or bgzip.
        most: alleles, scored or not.

    Raises:
        ServiceError: it is no VCF, or breaks a limit.
    """
    variants, skipped = list[Asked](), list[Skipped]()
    for site in read_sites(lines_of(text_of(chunks, limits), limits), limits, passed_only=passed_only):
        if len(variants) + len(skipped) == most:
            raise VcfRefused("vcf_too_many", f"One request takes at most {most:,} alternate alleles; send a part.")
        if site.variant is None:
            skipped.append(Skipped(site.line, site.allele, str(site.reason)))
        else:
            variants.append(Asked(site.variant, pointer, site.line, site.allele))
    return Question(tuple(variants), tuple(skipped))
