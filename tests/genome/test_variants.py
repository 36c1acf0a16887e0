"""Variants: read from the usual text forms; one change has one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Unprocessable
from app.genome.stretch import whole
from app.genome.variants import Variant, left_align, parse_variant, trim


@pytest.mark.parametrize(
    "text", ["chr22:1024:A>C", "chr22:1024:a:c", "chr22_1024_A_C_b38", "chr22_1024_A_C", "chr22-1024-A-C"]
)
def test_the_usual_forms(text: str) -> None:
    assert parse_variant(text) == Variant("chr22", 1024, "A", "C")


def test_a_contig_s_name_may_hold_the_separator() -> None:
    assert parse_variant("chr1_KI270706v1_random_7_AC_A").contig == "chr1_KI270706v1_random"


def test_the_text_form() -> None:
    assert str(Variant("chr22", 39399925, "A", "G")) == "chr22:39399925:A>G"


@pytest.mark.parametrize(
    "text", ["", "chr1:5", "chr1:0:A>C", "chr1:x:A>C", ":5:A>C", "chr1:5:A>", "chr1:5:A><DEL>", "rs7"]
)
def test_other_text_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Unprocessable, match="A variant is written") as refused:
        parse_variant(text, "/variants/3")
    assert [(item.pointer, item.code) for item in refused.value.items] == [("/variants/3", "invalid_value")]


@pytest.mark.parametrize(
    ("written", "trimmed"),
    [
        (Variant("c", 5, "A", "G"), Variant("c", 5, "A", "G")),
        (Variant("c", 5, "CTCC", "CCC"), Variant("c", 5, "CT", "C")),
        (Variant("c", 5, "GCACA", "GCA"), Variant("c", 5, "GCA", "G")),
        (Variant("c", 5, "ACGT", "ATGT"), Variant("c", 6, "C", "T")),
        (Variant("c", 5, "A", "A"), Variant("c", 5, "A", "A")),
    ],
)
def test_trimming_keeps_a_base_in_each_allele(written: Variant, trimmed: Variant) -> None:
    assert trim(written) == trimmed


def test_left_alignment_moves_an_indel_to_the_start_of_its_repeat() -> None:
    stretch = whole("c", b"GGGCACACACAGGG")
    assert left_align(Variant("c", 8, "CAC", "C"), stretch) == Variant("c", 3, "GCA", "G")
    assert left_align(Variant("c", 10, "C", "CAC"), stretch) == Variant("c", 3, "G", "GCA")


def test_left_alignment_stops_where_the_reference_does() -> None:
    assert left_align(Variant("c", 3, "AA", "A"), whole("c", b"AAAA")) == Variant("c", 1, "AA", "A")
    assert left_align(Variant("c", 13, "AA", "A"), whole("c", b"AAAA", 10)) == Variant("c", 11, "AA", "A")


@given(
    bases=st.text("AC", min_size=6, max_size=12),
    start=st.integers(0, 4),
    length=st.integers(1, 2),
    alternate=st.text("AC", min_size=1, max_size=3),
)
def test_left_alignment_never_changes_what_is_made(bases: str, start: int, length: int, alternate: str) -> None:
    variant = Variant("c", start + 1, bases[start : start + length], alternate)
    aligned = left_align(variant, whole("c", bases.encode()))
    assert made(bases, aligned) == made(bases, variant)
    assert aligned.position <= variant.position or trim(variant).position >= aligned.position


def made(bases: str, variant: Variant) -> str:
    start = variant.position - 1
    assert bases[start : start + len(variant.reference_bases)] == variant.reference_bases
    return bases[:start] + variant.alternate_bases + bases[start + len(variant.reference_bases) :]
