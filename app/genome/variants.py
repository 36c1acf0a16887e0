"""A variant by itself: read from text, trimmed and left-aligned, so that one change has one name."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import ItemError, Unprocessable
from app.genome.intervals import MAX_TEXT, is_position
from app.genome.stretch import Stretch

FORMS = "chr22:39399925:A>G, 22:39399925:A:G, chr22_39399925_A_G or 22-39399925-A-G"
BASES = frozenset("ACGTN")
MAX_ALLELE_BASES = 100_000


@dataclass(frozen=True, slots=True)
class Variant:
    """Reference bases at a place, and what stands there instead.

    Attributes:
        position: 1-based, of the first reference base.
    """

    contig: str
    position: int
    reference_bases: str
    alternate_bases: str

    def __str__(self) -> str:
        """The text form."""
        return f"{self.contig}:{self.position}:{self.reference_bases}>{self.alternate_bases}"


def parse_variant(text: str, pointer: str = "/variants") -> Variant:
    """Read a variant in one of the usual text forms; case is dropped.

    Raises:
        Unprocessable: it is of none of them.
    """
    parts = _parts(text) if len(text) <= MAX_TEXT + 2 * MAX_ALLELE_BASES else ()
    if len(parts) != 4 or not parts[0] or not is_position(parts[1]) or not all(map(_is_allele, parts[2:])):
        detail = f"A variant is written {FORMS}, with bases A, C, G, T and N."
        raise Unprocessable(detail, items=[ItemError(pointer, "invalid_value", detail)])
    contig, position, reference, alternate = parts
    return Variant(contig, int(position), reference.upper(), alternate.upper())


def trim(variant: Variant) -> Variant:
    """Without the bases that both alleles share at their ends, but with at least one base in each."""
    reference, alternate = variant.reference_bases, variant.alternate_bases
    shorter = min(len(reference), len(alternate))
    tail = _shared(reference[::-1], alternate[::-1], shorter - 1)
    reference, alternate = reference[: len(reference) - tail], alternate[: len(alternate) - tail]
    head = _shared(reference, alternate, min(len(reference), len(alternate)) - 1)
    return Variant(variant.contig, variant.position + head, reference[head:], alternate[head:])


def left_align(variant: Variant, stretch: Stretch) -> Variant:
    """The same change written as far to the left as the reference allows, and trimmed.

    Args:
        stretch: bases to the left of the variant; no shift goes further than they do.
    """
    position, reference, alternate = variant.position, variant.reference_bases, variant.alternate_bases
    while reference != alternate and reference[-1] == alternate[-1]:
        if min(len(reference), len(alternate)) == 1:
            if position - 2 < stretch.start:
                break
            before = stretch.between(position - 2, position - 1).decode("ascii").upper()
            position, reference, alternate = position - 1, before + reference, before + alternate
        reference, alternate = reference[:-1], alternate[:-1]
    return trim(Variant(variant.contig, position, reference, alternate))


def _parts(text: str) -> tuple[str, ...]:
    place, arrow, alternate = text.partition(">")
    if arrow:
        return (*place.rsplit(":", 2), alternate)
    if ":" in text:
        return tuple(text.rsplit(":", 3))
    if "-" in text:
        return tuple(text.rsplit("-", 3))
    return tuple(_without_build(text).rsplit("_", 3))


def _without_build(text: str) -> str:
    """GTEx ends a variant's name with the build, such as `_b38`."""
    rest, _, build = text.rpartition("_")
    return rest if build.startswith("b") and build[1:].isdecimal() else text


def _is_allele(text: str) -> bool:
    return 0 < len(text) <= MAX_ALLELE_BASES and not set(text.upper()) - BASES


def _shared(first: str, second: str, most: int) -> int:
    return next((count for count in range(most) if first[count] != second[count]), max(most, 0))
