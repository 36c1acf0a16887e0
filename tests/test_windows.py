"""Which windows a model reads for a gene or a region."""

from __future__ import annotations

from typing import Any

import pytest

from app.bundle import Input, Window
from app.errors import Unprocessable
from app.genome.genes import Gene
from app.genome.intervals import Interval, Strand
from app.windows import MAX_TILES, gene_window, region_windows


def rules(min_bases: int = 1, max_bases: int = 10, **window: Any) -> Input:
    """Of a model that reads 6 bases upstream and 4 downstream, if it has a window."""
    around = Window(**{"anchor": "tss", "upstream_bases": 6, "downstream_bases": 4} | window) if window else None
    return Input(encoding="one_hot", min_bases=min_bases, max_bases=max_bases, max_tokens=max_bases, window=around)


def region(start: int, end: int, strand: Strand = "+") -> Interval:
    return Interval("chr1", start, end, strand)


def placed(rules: Input, interval: Interval, *, tile: bool = False) -> list[tuple[int, int, int]]:
    return [
        (each.interval.start, each.interval.end, each.anchor) for each in region_windows(rules, interval, tile=tile)
    ]


TSS = {"anchor": "tss"}


@pytest.mark.parametrize(
    ("gene_strand", "window", "expected"),
    [
        ("+", TSS, (94, 104, 100, "+")),
        # Upstream is to the right: six bases after 199, and 199 itself with three before it.
        ("-", TSS, (196, 206, 199, "-")),
        ("-", TSS | {"strand_specific": False}, (193, 203, 199, "+")),
        ("-", {"anchor": "start"}, (196, 206, 199, "-")),
        ("+", {"anchor": "centre"}, (144, 154, 150, "+")),
    ],
)
def test_a_gene_s_window_lies_around_its_anchor(
    gene_strand: Strand, window: dict[str, Any], expected: tuple[int, int, int, str]
) -> None:
    found = gene_window(rules(**window), Gene("G", "G", "chr1", 100, 200, gene_strand))
    interval = found.interval
    assert (interval.start, interval.end, found.anchor, interval.strand) == expected


def test_a_gene_says_nothing_to_a_model_without_a_window() -> None:
    with pytest.raises(Unprocessable, match="send a region") as refused:
        gene_window(rules(), Gene("G", "G", "chr1", 100, 200, "+"))
    assert refused.value.items[0].pointer == "/gene"


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (region(100, 110), (100, 110, 106)),
        (region(100, 110, "-"), (100, 110, 103)),
        (region(104, 106), (100, 110, 106)),
        (region(0, 1), (-5, 5, 1)),
    ],
    ids=["of its length", "minus strand", "shorter", "at the contig's start"],
)
def test_a_model_with_a_window_reads_one_of_its_length(interval: Interval, expected: tuple[int, int, int]) -> None:
    assert placed(rules(**TSS), interval) == [expected]


def test_a_window_with_its_anchor_in_the_centre_keeps_that() -> None:
    assert placed(rules(anchor="centre"), region(100, 110)) == [(100, 110, 105)]


def test_a_model_without_a_window_reads_the_region_as_it_is() -> None:
    assert placed(rules(), region(100, 104)) == [(100, 104, 102)]


def test_tiles_lie_side_by_side_and_the_last_may_reach_beyond() -> None:
    assert placed(rules(**TSS), region(100, 125), tile=True) == [(100, 110, 106), (110, 120, 116), (120, 130, 126)]
    assert placed(rules(), region(100, 104), tile=True) == [(100, 104, 102)]


@pytest.mark.parametrize(
    ("given", "interval", "tile", "code"),
    [
        (rules(**TSS), region(100, 111), False, "region_too_long"),
        (rules(), region(100, 111), False, "region_too_long"),
        (rules(min_bases=5), region(100, 104), False, "too_short"),
        (rules(), region(0, 10 * MAX_TILES + 1), True, "too_many"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(given: Input, interval: Interval, tile: bool, code: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        region_windows(given, interval, tile=tile)
    assert [(item.pointer, item.code) for item in refused.value.items] == [("/region", code)]
