"""Haplotypes of a fixed length: the anchor keeps its place, and both sides are the person's own sequence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.genome.haplotypes.distinct import build_haplotypes
from app.genome.haplotypes.fitting import all_fitted, course, fitted, spans
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import Policies
from app.genome.intervals import Interval, Window, around, centred, from_start
from app.genome.stretch import whole
from app.genome.variants import Variant
from tests.genome.haplotypes.built import in_window, only, pairs, people
from tests.genome.haplotypes.generated import Drawn, drawn
from tests.genome.vcf_text import read_vcf, toy

#  1234567890123456
#  AACCGGTTACGTTGCA


class TestOneChange:
    """The window is 5 to 12, GGTTACGT, with base 9 (A) in its place, four bases from the left."""

    @pytest.mark.parametrize(
        ("record", "sequence"),
        [
            ("9 A C", "GGTTCCGT"),
            ("6 GT G", "CGGTACGT"),
            ("10 CG C", "GGTTACTT"),
            ("5 G GAA", "AGTTACGT"),
            ("10 C CAA", "GGTTACAA"),
            ("8 T TCC", "TTCCACGT"),
            ("9 A ACC", "GGTTACCC"),
            ("12 T TCC", "GGTTACGT"),
            ("4 C CTT", "GGTTACGT"),
            ("3 CCGGT C", "AACTACGT"),
            ("1 AACCGGTT A", "NNNAACGT"),
            ("11 GTTGCA G", "GGTTACGN"),
        ],
    )
    def test_the_anchor_stays(self, record: str, sequence: str) -> None:
        assert only(in_window(toy(f"{record} 1|1"), 5, 12, 9)) == sequence

    def test_a_change_outside_is_no_other_haplotype(self) -> None:
        built = in_window(toy("2 A T 0|1", "14 G C 1|0"), 5, 12, 9)
        assert built.row_of.tolist() == [[0, 0]]

    def test_a_change_outside_counts_where_a_deletion_pulls_it_in(self) -> None:
        built = in_window(toy("3 C T 1|1", "4 C A 1|0", "5 GG G 1|1"), 5, 12, 9)
        assert pairs(built) == [("AGTTACGT", "CGTTACGT")]
        assert [len(built.applied(row)) for row in built.row_of[0].tolist()] == [2, 1]


class TestAnchor:
    def test_its_offset_is_zero_while_its_base_is_there(self) -> None:
        built = in_window(toy("6 GT G 1|1", "9 A C 1|1"), 5, 12, 9)
        assert built.anchor_offset(int(built.row_of[0, 0])) == 0

    def test_the_next_base_takes_the_place_of_a_deleted_one(self) -> None:
        built = in_window(toy("8 TACG T 1|1"), 5, 12, 9)
        assert only(built) == "GGTTTTGC"
        assert built.anchor_offset(int(built.row_of[0, 0])) == 3

    def test_the_start_of_a_window_can_be_kept(self) -> None:
        assert only(in_window(toy("3 CCG C 1|1", "7 TT T 1|1"), 5, 8, 5)) == "GTAC"
        assert only(in_window(toy("4 CGG C 1|1"), 5, 8, 5)) == "TTAC"

    def test_the_base_after_a_window_can_be_kept(self) -> None:
        assert only(in_window(toy("7 TT T 1|1"), 5, 8, 9)) == "CGGT"
        assert only(in_window(toy("7 TTA T 1|1"), 5, 8, 9)) == "CGGT"


class TestWindows:
    def test_the_middle_of_an_interval(self) -> None:
        assert centred(Interval("c", 10, 20)).anchor == 15
        assert centred(Interval("c", 10, 21)).anchor == 15

    def test_the_first_base_in_the_direction_of_the_strand(self) -> None:
        assert from_start(Interval("c", 10, 20)).anchor == 10
        assert from_start(Interval("c", 10, 20, "-")).anchor == 19

    def test_upstream_and_downstream_of_a_transcription_start_site(self) -> None:
        assert around("c", 100, 30, 10, "+") == Window(Interval("c", 70, 110, "+"), 100)
        assert around("c", 100, 30, 10, "-") == Window(Interval("c", 91, 131, "-"), 100)

    def test_a_window_over_the_contig_s_start_is_filled_with_n(self) -> None:
        window = around("c", 2, 5, 3, "+")
        assert build_haplotypes(people(toy(), window.interval), window).sequence(0) == b"NNNAACCG"

    def test_the_minus_strand_is_turned_last(self) -> None:
        window = around("c", 8, 2, 3, "-")
        built = build_haplotypes(people(toy("9 A C 0|1"), window.interval), window)
        assert pairs(built) == [("CGTAA", "CGGAA")]


@pytest.mark.parametrize(
    ("interval", "anchor", "sequence"),
    [
        (Interval("chr1", 2, 9), 5, b"CGAACGT"),
        (Interval("chr1", 2, 9, "-"), 5, b"ACGTTCG"),
        (Interval("chr1", 0, 30), 28, b"NACGCGAACGTAACGTAACGTAACGTGATA"),
    ],
)
def test_windows_are_those_that_kipoiseq_gives(
    data_folder: Path, interval: Interval, anchor: int, sequence: bytes
) -> None:
    folder = data_folder / "kipoiseq"
    bases = "".join((folder / "sample.5kb.fa").read_text().split("\n")[1:])
    with pysam.BGZFile(str(folder / "test.vcf.gz")) as file:
        sites = [line.split(b"\t") for line in file if line.startswith(b"chr1\t")]
    records = toy(*(f"{site[1].decode()} {site[3].decode()} {site[4].decode()} 1|1" for site in sites))
    found = people_of(records, whole("chr1", bases.encode()), interval, Policies(filter="any"))
    built = build_haplotypes(found, Window(interval, anchor))
    assert built.sequence(int(built.row_of[0, 0])) == sequence


def base_by_base(bases: str, changes: list[Variant], anchor: int, left: int, right: int) -> str:
    """A fitted haplotype as one would write it by hand: every base with its place on the reference."""
    placed: list[tuple[float, str]] = []
    at = 0
    for change in changes:
        start, end, put_in = change.position - 1, change.position - 1 + len(change.reference_bases), change
        placed += [(place, bases[place]) for place in range(at, start)]
        over = put_in.alternate_bases
        placed += [(start + index if start + index < end else end - 0.5, base) for index, base in enumerate(over)]
        at = end
    placed += [(place, bases[place]) for place in range(at, len(bases))]
    middle = sum(place < anchor for place, _ in placed)
    text = "N" * left + "".join(base for _, base in placed) + "N" * right
    return text[middle : middle + left + right].upper()


@given(case=drawn(), data=st.data())
def test_any_window_is_what_one_would_write_by_hand(case: Drawn, data: st.DataObject) -> None:
    anchor = data.draw(st.integers(0, len(case.bases)))
    left, right = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 30))
    window = Window(Interval("c", anchor - left, anchor + right), anchor)
    found = people_of(read_vcf(case.vcf(), "c"), whole("c", case.bases.encode()), window.interval, Policies())
    built = build_haplotypes(found, window)
    for row, each in enumerate(found.lists):
        changes = [found.edits.rows[change] for change in each.applied.tolist()]
        by_hand = [
            Variant("c", edit.start + 1, case.bases[edit.start : edit.end], edit.bases.decode()) for edit in changes
        ]
        expected = base_by_base(case.bases, by_hand, anchor, left, right)
        assert built.sequence(int(built.row_of_list[row])).decode() == expected


@given(case=drawn(), data=st.data())
def test_nothing_outside_its_reach_decides_a_haplotype(case: Drawn, data: st.DataObject) -> None:
    anchor = data.draw(st.integers(0, len(case.bases)))
    window = Window(Interval("c", anchor - data.draw(st.integers(0, 9)), anchor + data.draw(st.integers(0, 9))), anchor)
    stretch = whole("c", case.bases.encode())
    built = build_haplotypes(people_of(read_vcf(case.vcf(), "c"), stretch, window.interval, Policies()), window)
    reach = built.reach()
    start, end = max(reach.start, 0), min(reach.end, len(case.bases))
    short = replace(stretch, start=start, bases=stretch.bases[start:end])
    assert short.holds(reach)
    again = replace(built, people=replace(built.people, stretch=short))
    assert list(again.sequences()) == list(built.sequences())


@given(case=drawn(), data=st.data())
def test_many_lists_at_once_are_fitted_as_each_alone(case: Drawn, data: st.DataObject) -> None:
    window = around("c", data.draw(st.integers(0, len(case.bases))), 4, 5, "+")
    found = people_of(read_vcf(case.vcf(), "c"), whole("c", case.bases.encode()), window.interval, Policies())
    applied = [each.applied for each in found.lists]
    picks = data.draw(st.lists(st.tuples(st.sampled_from(applied), st.integers(0, 255)), min_size=1, max_size=6))
    lists = [each[[bool(pick >> at % 8 & 1) for at in range(len(each))]] for each, pick in picks]
    alone = [fitted(each, spans(course(found.edits, each), [window]), 0) for each in lists]
    together = list(all_fitted(found.edits, lists, window))
    assert [reading[1:] for reading in together] == [reading[1:] for reading in alone]
    assert all(np.array_equal(one.changes, other.changes) for one, other in zip(together, alone, strict=True))
