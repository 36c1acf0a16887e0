"""Variants are read as far around a window as deletions pull them in."""

from __future__ import annotations

import pytest

from app.errors import Unprocessable
from app.genome.genotypes import Genotypes
from app.genome.haplotypes.distinct import Haplotypes, build_haplotypes
from app.genome.haplotypes.people import People, records_inside
from app.genome.haplotypes.policies import Policies
from app.genome.haplotypes.widening import build_widened
from app.genome.intervals import Interval, Window
from app.genome.stretch import Stretch
from tests.genome.vcf_text import toy

BASES = "AACCGGTTACGTTGCA" * 4


def build(*records: str, margin_bases: int) -> tuple[str, list[Interval]]:
    """The second haplotype of 25 to 32 with base 29 in its place, and what was read for it."""
    genotypes = toy(*records)
    window = Window(Interval("c", 24, 32), 28)
    asked: list[Interval] = []

    def genotypes_in(interval: Interval) -> Genotypes:
        asked.append(interval)
        kept = records_inside(genotypes, interval).tolist()
        return toy(*(record for record, inside in zip(records, kept, strict=True) if inside))

    def stretch_of(interval: Interval) -> Stretch:
        start, end = max(interval.start, 0), min(interval.end, len(BASES))
        return Stretch("c", start, BASES[start:end].encode(), 0, len(BASES))

    def built(people: People) -> Haplotypes:
        return build_haplotypes(people, window)

    haplotypes = build_widened(window.interval, genotypes_in, stretch_of, Policies(), built, margin_bases)
    return haplotypes.sequence(int(haplotypes.row_of[0, 1])).decode(), asked


def test_a_margin_that_suffices_is_read_once() -> None:
    sequence, asked = build("26 C CT 0|1", margin_bases=4)
    assert sequence == "CTGTTGCA"
    assert asked == [Interval("c", 20, 36)]


def test_what_a_deletion_pulls_in_is_read_too_and_is_the_person_s_own() -> None:
    sequence, asked = build("15 C T 0|1", "16 A <DEL> 0|1 END=28", margin_bases=2)
    assert sequence == "TGTATGCA"
    assert asked == [Interval("c", 22, 34), Interval("c", 10, 36)]


def test_the_contig_s_ends_are_no_reason_to_read_further() -> None:
    sequence, asked = build("1 A <DEL> 0|1 END=28", margin_bases=40)
    assert sequence == "NNNATGCA"
    assert asked == [Interval("c", 0, 72)]


def test_a_deletion_that_pulls_in_too_much_is_refused() -> None:
    with pytest.raises(Unprocessable, match="more than 16,777,216 bases around the window") as refused:
        build("2 A <DEL> 0|1 END=20000000", margin_bases=2)
    assert refused.value.problem_code == "region_too_long"
