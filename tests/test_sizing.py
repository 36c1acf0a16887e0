"""docs/sizing.md: its arithmetic, and that its tables can be written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.sizing_tables import Sized, duration, rewritten, tables

PAGE = Path(__file__).parent.parent / "docs" / "sizing.md"
# A served core answers 0.8 of 125, which is 100 a second.
NET = Sized("a net", bases=60, tokens=30, per_second=125, spread=0.05)


def _cells(table: str) -> list[str]:
    return [cell.strip() for cell in tables([NET])[table].splitlines()[-1].strip("|").split("|")]


def test_a_core_alone_is_told_as_it_was_measured() -> None:
    assert _cells("one core") == ["a net", "60", "30", "125", "3,750", "5%", "2.22"]


def test_a_million_takes_10_000_seconds_of_a_served_core() -> None:
    assert _cells("a million") == ["a net, 60 bases", "2.8", "10 min"]  # 10,000 s are 2.8 h, on 16 cores 10.4 min


def test_people_take_their_distinct_haplotypes_in_20_000_genes() -> None:
    assert _cells("people") == ["a net, 60 bases", "33 min", "5.6 h", "56 h", "1,100 h"]  # 2,000 s for ten of them


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.5, "0.5 s"), (59, "59 s"), (60, "1 min"), (3599, "60 min"), (7200, "2 h")]
)
def test_a_time_has_two_digits_in_the_largest_unit_that_it_fills(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_the_page_has_a_place_for_each_table() -> None:
    parts = {"machine": "Machine: a toy.", **tables([NET])}
    written = rewritten(PAGE.read_text(), parts)
    assert all(text in written for text in parts.values())
    assert "`pf-expression`, 4,000 bases" not in written


def test_what_stands_around_a_table_stays() -> None:
    page = "before\n<!-- people: written by a command -->\nold\n<!-- end of people -->\nafter\n"
    assert rewritten(page, {"people": "new"}) == page.replace("old", "new")


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the table 'people'"):
        rewritten("", {"people": "new"})
