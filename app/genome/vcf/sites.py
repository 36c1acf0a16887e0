"""The variants of a VCF by themselves: every contig, one for each alternate allele, whoever carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from app.genome.letters import is_sequence
from app.genome.variants import Variant
from app.genome.vcf.header import read_header
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from app.genome.vcf.reading import check_assembly, numbered_records
from app.genome.vcf.record import Record

Reason = Literal["filtered", "no_change", "unsupported_allele"]
UNCHANGED = frozenset({b"*", b"<*>", b"<NON_REF>"})
ContigBases = Callable[[str], int | None]
_T_OF_U = bytes.maketrans(b"U", b"T")


def of_no_reference(_: str) -> None:
    """The length of a contig where there is no reference."""


class Site(NamedTuple):
    """One alternate allele of a record.

    Attributes:
        line: of the record, 1-based.
        allele: counted from 1, as genotypes do; 0 where the record has none.
        variant: in upper case; None where it is not scored.
        reason: why it is not.
    """

    line: int
    allele: int
    variant: Variant | None
    reason: Reason | None = None


def read_sites(
    lines: Iterable[bytes], limits: VcfLimits, *, passed_only: bool, contig_bases: ContigBases = of_no_reference
) -> Iterator[Site]:
    """Each alternate allele in the file's order; genotypes are counted and not read.

    Args:
        lines: of the file, without line ends.
        passed_only: leave out records that did not pass their filters.
        contig_bases: the length of a contig in the reference, where it is known.

    Raises:
        VcfRefused: it is no VCF, breaks a limit, or is of another assembly.
    """
    remaining = iter(lines)
    header = read_header(remaining, limits)
    seen: set[bytes] = set()
    for record in numbered_records(remaining, header, limits):
        if record.contig not in seen:
            seen.add(record.contig)
            contig = record.contig.decode("ascii")
            check_assembly(header, GenotypeQuery(contig, 0, 0, contig_bases=contig_bases(contig)))
        if passed_only and not record.passed:
            yield Site(record.line, 0, None, "filtered")
        elif not record.alternates:
            yield Site(record.line, 0, None, "no_change")
        else:
            yield from _alleles(record)


def _alleles(record: Record) -> Iterator[Site]:
    for allele, alternate in enumerate(record.alternates, start=1):
        if alternate in UNCHANGED or alternate.upper() == record.reference.upper():
            yield Site(record.line, allele, None, "no_change")
        elif not is_sequence(alternate):
            yield Site(record.line, allele, None, "unsupported_allele")
        else:
            yield Site(record.line, allele, _variant(record, alternate))


def _variant(record: Record, alternate: bytes) -> Variant:
    reference, written = (bases.upper().translate(_T_OF_U).decode("ascii") for bases in (record.reference, alternate))
    return Variant(record.contig.decode("ascii"), record.position, reference, written)
