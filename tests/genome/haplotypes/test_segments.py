"""Segments of a long window: each is the person's own sequence there, and distinct ones are found without building."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.genome.genotypes import Genotypes
from app.genome.haplotypes.distinct import build_haplotypes
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import Policies
from app.genome.haplotypes.segments import Segments, build_segments, cut
from app.genome.intervals import Interval, Strand
from app.genome.stretch import whole
from tests.genome.haplotypes.built import people
from tests.genome.haplotypes.generated import CALLS, Drawn, drawn
from tests.genome.vcf_text import of_sample, read_vcf, toy


def test_a_window_is_cut_at_fixed_places_in_the_direction_of_its_strand() -> None:
    assert [window.interval.start for window in cut(Interval("c", 0, 12), 3)] == [0, 4, 8]
    assert [window.interval.start for window in cut(Interval("c", 0, 12, "-"), 3)] == [8, 4, 0]
    with pytest.raises(ValueError, match="do not make 5 segments"):
        cut(Interval("c", 0, 12), 5)


def test_a_cohort_costs_its_distinct_segments() -> None:
    windows = cut(Interval("c", 0, 16), 4)
    records = toy("2 A T 0|1 1|1 0|0", "10 C G 0|1 0|0 0|1", samples=3)
    segments = build_segments(people(records, Interval("c", 0, 16)), windows)
    assert [text.decode() for text in segments.sequences()] == ["AACC", "GGTT", "ACGT", "TGCA", "ATCC", "AGGT"]
    rows = [[segments.rows_of(sample, index).tolist() for index in (0, 1)] for sample in range(3)]
    assert rows == [
        [[0, 1, 2, 3], [4, 1, 5, 3]],
        [[4, 1, 2, 3], [4, 1, 2, 3]],
        [[0, 1, 2, 3], [0, 1, 5, 3]],
    ]


def test_an_indel_changes_its_own_segment_only() -> None:
    segments = build_segments(people(toy("5 GG G 1|1"), Interval("c", 0, 16)), cut(Interval("c", 0, 16), 4))
    assert [segments.sequence(row).decode() for row in segments.rows_of(0, 0)] == ["AACC", "CGTT", "ACGT", "TGCA"]


def test_a_haploid_sample_has_no_second_row() -> None:
    segments = build_segments(people(toy("6 G T 1"), Interval("c", 0, 16)), cut(Interval("c", 0, 16), 4))
    assert segments.rows_of(0, 1) is None


def test_the_minus_strand_is_read_from_its_own_start() -> None:
    window = Interval("c", 0, 16, "-")
    segments = build_segments(people(toy("2 A T 1|1"), window), cut(window, 4))
    assert [segments.sequence(row).decode() for row in segments.rows_of(0, 0)] == ["TGCA", "ACGT", "AACC", "GGAT"]


@given(case=drawn(), count=st.integers(1, 4))
def test_each_segment_is_the_window_of_its_own(case: Drawn, count: int) -> None:
    interval = Interval("c", 1, 1 + 3 * count)
    found = people_of(read_vcf(case.vcf(), "c"), whole("c", case.bases.encode()), interval, Policies())
    segments = build_segments(found, cut(interval, count))
    for place, window in enumerate(segments.windows):
        alone = build_haplotypes(found, window)
        for index in (0, 1):
            row = int(segments.rows_of(0, index)[place])
            assert segments.sequence(row) == alone.sequence(int(alone.row_of[0, index]))


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[str, Genotypes]:
    """The bases of a reference, and three people with the same records."""
    case = draw(drawn())
    lines = case.vcf().splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("#CHROM"))
    more = [
        "\t".join([line, draw(st.sampled_from(CALLS)), draw(st.sampled_from(CALLS))]) for line in lines[first + 1 :]
    ]
    return case.bases, read_vcf("\n".join([*lines[:first], f"{lines[first]}\tt\tu", *more]), "c")


def spelled(segments: Segments, sample: int, index: int) -> list[bytes]:
    row = int(segments.row_of[sample, index])
    return [segments.sequence(segment) for segment in segments.segments_of[row]]


@given(case=cohorts(), count=st.integers(1, 4), strand=st.sampled_from("+-"))
def test_everybody_has_in_a_cohort_what_he_has_alone(case: tuple[str, Genotypes], count: int, strand: Strand) -> None:
    bases, genotypes = case
    window = Interval("c", 1, 1 + 3 * count, strand)
    stretch = whole("c", bases.encode())

    def built(genotypes: Genotypes) -> Segments:
        return build_segments(people_of(genotypes, stretch, window, Policies()), cut(window, count))

    together = built(genotypes)
    assert together.interval == window
    assert len({row.tobytes() for row in together.segments_of}) == together.rows
    for sample, name in enumerate(genotypes.samples):
        alone = built(of_sample(genotypes, name))
        for index in (0, 1):
            assert spelled(together, sample, index) == spelled(alone, 0, index)
            ours, theirs = together.row_of[sample, index], alone.row_of[0, index]
            assert together.applied(ours) == alone.applied(theirs)
            assert together.skipped(sample, index) == alone.skipped(0, index)


def test_a_change_that_two_segments_read_is_one_variant() -> None:
    segments = build_segments(people(toy("7 TTA T 1|0"), Interval("c", 0, 16)), cut(Interval("c", 0, 16), 4))
    row = int(segments.row_of[0, 0])
    assert [variant.position for variant in segments.applied(row)] == [7]
    assert len({*segments.segments_of[row]} - {0, 1, 2, 3}) == 2
    assert segments.anchor_offset(row) == 0


def test_the_reference_is_the_first_haplotype_and_nobody_need_have_it() -> None:
    segments = build_segments(people(toy("2 A T 1|1"), Interval("c", 0, 16)), cut(Interval("c", 0, 16), 4))
    assert segments.segments_of.tolist() == [[0, 1, 2, 3], [4, 1, 2, 3]]
    assert (segments.rows, segments.carried_rows, segments.distinct_bases) == (2, 1, 20)


def test_what_a_deletion_pulls_in_is_within_the_reach() -> None:
    segments = build_segments(people(toy("9 ACG A 1|1"), Interval("c", 4, 12)), cut(Interval("c", 4, 12), 2))
    assert segments.reach() == Interval("c", 4, 13)
