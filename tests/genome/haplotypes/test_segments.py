"""Segments of a long window: each is the person's own sequence there, and distinct ones are found without building."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.genome.haplotypes.distinct import build_haplotypes
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import Policies
from app.genome.haplotypes.segments import build_segments, cut
from app.genome.intervals import Interval
from app.genome.stretch import whole
from tests.genome.haplotypes.built import people
from tests.genome.haplotypes.generated import Drawn, drawn
from tests.genome.vcf_text import read_vcf, toy


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


def test_what_a_deletion_pulls_in_is_within_the_reach() -> None:
    segments = build_segments(people(toy("9 ACG A 1|1"), Interval("c", 4, 12)), cut(Interval("c", 4, 12), 2))
    assert segments.reach() == Interval("c", 4, 13)
