"""Contigs by their several names."""

from __future__ import annotations

import pytest

from app.genome.contigs import aliases, resolve


@pytest.mark.parametrize(
    ("contig", "expected"),
    [
        ("chr1", ("chr1", "1")),
        ("1", ("1", "chr1")),
        ("chrX", ("chrX", "X")),
        ("MT", ("MT", "chrM", "chrMT", "M")),
        ("chrM", ("chrM", "MT", "chrMT", "M")),
        ("chr", ("chr",)),
        ("NW_019171628.1", ("NW_019171628.1", "chrNW_019171628.1")),
    ],
)
def test_a_contig_is_known_with_and_without_chr(contig, expected):
    assert aliases(contig) == expected


def test_its_own_name_comes_first():
    assert resolve("1", ["chr1", "1"]) == "1"
    assert resolve("1", ["chr1", "chr2"]) == "chr1"
    assert resolve("1", {"chr2": 5}) is None
