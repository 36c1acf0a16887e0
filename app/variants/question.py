"""Which variants are asked for: a list of them, or the alternate alleles of a VCF."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import VcfRefused
from app.genome.upload.inflate import text_of
from app.genome.upload.lines import lines_of
from app.genome.variants import Variant
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.sites import ContigBases, of_no_reference, read_sites


@dataclass(frozen=True, slots=True)
class ListPlace:
    """A place in a list, from 0."""

    index: int

    @property
    def pointer(self) -> str:
        """JSON pointer to it."""
        return f"/variants/{self.index}"


@dataclass(frozen=True, slots=True)
class VcfPlace:
    """A place in a VCF.

    Attributes:
        line: of the record, from 1.
        allele: from 1; 0 stands for the whole record.
    """

    line: int
    allele: int

    @property
    def pointer(self) -> str:
        """JSON pointer to the VCF."""
        return "/vcf"


Place = ListPlace | VcfPlace


@dataclass(frozen=True, slots=True)
class Asked:
    """One variant to score.

    Attributes:
        place: where it is asked for.
    """

    variant: Variant
    place: Place

    @property
    def pointer(self) -> str:
        """JSON pointer to what asks for it."""
        return self.place.pointer


@dataclass(frozen=True, slots=True)
class Skipped:
    """What is not scored, and why."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Question:
    """What to score, and what of a VCF is left out."""

    variants: tuple[Asked, ...]
    skipped: tuple[Skipped, ...] = ()


def question_of_list(variants: Iterable[Variant]) -> Question:
    """Every variant of a list."""
    return Question(tuple(Asked(variant, ListPlace(index)) for index, variant in enumerate(variants)))


def question_of_vcf(
    chunks: Iterable[bytes],
    limits: VcfLimits,
    *,
    passed_only: bool,
    most: int,
    contig_bases: ContigBases = of_no_reference,
) -> Question:
    """Every alternate allele of a VCF that can be scored.

    Args:
        chunks: of text, gzip or bgzip.
        most: alleles, scored or not.
        contig_bases: the length of a contig in the reference, where it is known.

    Raises:
        ServiceError: it is no VCF, breaks a limit, or is of another assembly.
    """
    variants, skipped = list[Asked](), list[Skipped]()
    lines = lines_of(text_of(chunks, limits), limits)
    for site in read_sites(lines, limits, passed_only=passed_only, contig_bases=contig_bases):
        if len(variants) + len(skipped) == most:
            raise VcfRefused("vcf_too_many", f"One request takes at most {most:,} alternate alleles; send a part.")
        place = VcfPlace(site.line, site.allele)
        if site.variant is None:
            skipped.append(Skipped(place, str(site.reason)))
        else:
            variants.append(Asked(site.variant, place))
    return Question(tuple(variants), tuple(skipped))
