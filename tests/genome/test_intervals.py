"""Intervals: 0-based and half-open inside, 1-based and inclusive in text."""

from __future__ import annotations

import pytest

from app.errors import Unprocessable
from app.genome.intervals import Interval, Window, parse_interval


def test_the_text_form_is_1_based_and_inclusive() -> None:
    interval = parse_interval("chr22:37,200,001-37,300,000")
    assert interval == Interval("chr22", 37_200_000, 37_300_000)
    assert interval.bases == 100_000
    assert str(interval) == "chr22:37,200,001-37,300,000"


def test_a_contig_s_name_may_hold_colons() -> None:
    assert parse_interval("HLA-A*01:01:5-9") == Interval("HLA-A*01:01", 4, 9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chr1",
        "chr1:",
        "chr1:5",
        ":1-2",
        "chr1:a-b",
        "chr1:0-5",
        "chr1:-1-5",
        "chr1:\u0661-\u0662",
        "c" * 300 + ":1-2",
    ],
)
def test_other_text_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Unprocessable, match="A region is written") as refused:
        parse_interval(text)
    assert [(item.pointer, item.code) for item in refused.value.items] == [("/region", "invalid_value")]


def test_an_interval_does_not_end_before_it_starts() -> None:
    with pytest.raises(Unprocessable, match="ends before it starts"):
        parse_interval("chr1:9-5")
    with pytest.raises(ValueError, match="ends where it starts or later"):
        Interval("chr1", 9, 8)


def test_a_window_s_anchor_lies_in_it() -> None:
    with pytest.raises(ValueError, match="anchor lies in it"):
        Window(Interval("c", 5, 9), 10)


def test_containing_widening_and_joining() -> None:
    interval = Interval("c", 5, 9)
    assert interval.contains(Interval("c", 5, 9, "-"))
    assert not interval.contains(Interval("c", 5, 10))
    assert not interval.contains(Interval("d", 5, 9))
    assert interval.widened(6) == Interval("c", -1, 15)
    assert interval.joined(Interval("c", 20, 30)) == Interval("c", 5, 30)
