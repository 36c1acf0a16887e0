"""One variant over a window: its letters, its length, its anchor; the same as somebody who carries only that."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.genome.alternates import alternate_sequence, first_difference, margin_bases, reference_sequence, touches
from app.genome.genotypes import ABSENT, Genotypes
from app.genome.haplotypes.distinct import build_haplotypes
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import Policies
from app.genome.haplotypes.segments import build_segments, cut
from app.genome.intervals import Interval, Strand, Window, centred
from app.genome.stretch import Stretch, whole
from app.genome.variants import Variant

CONTIG = whole("c", b"AACCGGTTACGTACGTTTTTGGGG")
WINDOW = Window(Interval("c", 4, 12), 8)  # GGTT|ACGT


def over(position: int, reference: str, alternate: str, window: Window = WINDOW) -> str:
    return alternate_sequence(Variant("c", position, reference, alternate), CONTIG, window)


def test_without_a_variant_the_window_reads_the_reference() -> None:
    assert reference_sequence(CONTIG, WINDOW) == "GGTTACGT"


def test_a_substitution_changes_one_letter() -> None:
    assert over(6, "G", "A") == "GATTACGT"


def test_a_deletion_before_the_anchor_pulls_in_bases_from_the_left() -> None:
    assert over(6, "GT", "G") == "CGGTACGT"


def test_a_deletion_behind_the_anchor_pulls_in_bases_from_the_right() -> None:
    assert over(10, "CG", "C") == "GGTTACTA"


def test_an_insertion_before_the_anchor_pushes_bases_out_to_the_left() -> None:
    assert over(6, "G", "GAA") == "AATTACGT"


def test_an_insertion_behind_the_anchor_pushes_bases_out_to_the_right() -> None:
    assert over(9, "A", "ATT") == "GGTTATTC"


def test_past_the_contig_s_end_there_is_n() -> None:
    window = Window(Interval("c", 20, 28), 24)
    assert over(22, "GG", "G", window) == "TGGGNNNN"


def test_the_minus_strand_is_turned_last() -> None:
    assert over(6, "G", "A", Window(Interval("c", 4, 12, "-"), 8)) == "ACGTAATC"


def test_an_ambiguous_allele_reads_as_n() -> None:
    assert over(6, "G", "R") == "GNTTACGT"


@pytest.mark.parametrize(
    ("position", "reference", "inside"),
    [(4, "C", False), (4, "CG", True), (5, "G", True), (12, "T", True), (13, "A", False)],
)
def test_a_variant_touches_a_window_by_its_reference_bases(position: int, reference: str, *, inside: bool) -> None:
    assert touches(Variant("c", position, reference, "T"), WINDOW) == inside


@pytest.mark.parametrize(
    ("position", "reference", "wrong"),
    [
        (5, "GG", None),
        (5, "GA", 5),
        (5, "T", 4),
        (24, "G", None),
        (24, "GG", 24),  # the contig ends
        (25, "G", 24),
    ],
)
def test_the_first_base_that_differs_is_found(position: int, reference: str, wrong: int | None) -> None:
    assert first_difference(Variant("c", position, reference, "T"), CONTIG) == wrong


def test_case_and_ambiguous_letters_of_the_reference_are_read_as_a_vcf_writes_them() -> None:
    assert first_difference(Variant("c", 1, "AAC", "T"), whole("c", b"aRc")) is None


def test_a_base_before_what_the_reference_has_differs() -> None:
    assert first_difference(Variant("c", 3, "AC", "T"), whole("c", b"ACGT", start=10)) == 2


BASES = st.text("ACGT", min_size=1, max_size=6)


@given(
    contig=st.text("ACGT", min_size=30, max_size=60),
    at=st.integers(0, 29),
    deleted=st.integers(1, 6),
    alternate=BASES,
    start=st.integers(0, 25),
    length=st.integers(1, 30),
    anchored=st.integers(0, 30),
    strand=st.sampled_from("+-"),
)
def test_it_is_the_haplotype_of_somebody_who_carries_only_this_variant(
    contig: str, at: int, deleted: int, alternate: str, start: int, length: int, anchored: int, strand: Strand
) -> None:
    reference = contig[at : at + deleted]
    window = Window(Interval("c", start, start + length, strand), start + min(anchored, length))
    variant = Variant("c", at + 1, reference, alternate)
    whole_contig = whole("c", contig.encode())
    haplotypes = build_haplotypes(people_of(_carrier(variant), whole_contig, window.interval, Policies()), window)
    carried = haplotypes.sequence(int(haplotypes.row_of[0, 0])).decode()
    margin = margin_bases(variant)
    known = Stretch("c", *_cut(contig, start - margin, start + length + margin), 0, len(contig))
    if touches(variant, window):
        assert alternate_sequence(variant, known, window) == carried
        assert len(carried) == length


def _cut(contig: str, start: int, end: int) -> tuple[int, bytes]:
    first = max(start, 0)
    return first, contig[first : max(end, first)].encode()


def _carrier(variant: Variant) -> Genotypes:
    one = np.array([variant.position])
    return Genotypes(
        contig="c",
        samples=("carrier",),
        positions=one,
        ends=one + len(variant.reference_bases) - 1,
        lines=one,
        references=(variant.reference_bases.encode(),),
        alternates=((variant.alternate_bases.encode(),),),
        passed=np.ones(1, np.bool_),
        alleles=np.array([[[1, ABSENT]]], np.int16),
        phased=np.ones((1, 1), np.bool_),
        phase_sets=np.zeros((1, 1), np.int64),
    )


@given(
    contig=st.text("ACGT", min_size=30, max_size=60),
    at=st.integers(0, 29),
    deleted=st.integers(1, 6),
    alternate=BASES,
    start=st.integers(0, 20),
    count=st.integers(1, 5),
    bases=st.integers(1, 6),
    strand=st.sampled_from("+-"),
)
def test_in_segments_it_is_what_somebody_has_who_carries_only_this_variant(
    contig: str, at: int, deleted: int, alternate: str, start: int, count: int, bases: int, strand: Strand
) -> None:
    variant = Variant("c", at + 1, contig[at : at + deleted], alternate)
    window = Interval("c", start, start + count * bases, strand)
    whole_contig = whole("c", contig.encode())
    segments = build_segments(people_of(_carrier(variant), whole_contig, window, Policies()), cut(window, count))
    carried = [segments.sequence(segment).decode() for segment in segments.segments_of[segments.row_of[0, 0]]]
    margin = margin_bases(variant)
    known = Stretch("c", *_cut(contig, window.start - margin, window.end + margin), 0, len(contig))
    if touches(variant, centred(window)):
        assert [alternate_sequence(variant, known, piece) for piece in cut(window, count)] == carried
