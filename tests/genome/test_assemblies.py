"""An assembly is told by the lengths of its chromosomes."""

from __future__ import annotations

import pytest

from app.genome.assemblies import assembly_of, canonical


@pytest.mark.parametrize(
    ("contig", "bases", "expected"),
    [
        ("chr22", 50_818_468, "GRCh38"),
        ("22", 51_304_566, "GRCh37"),
        ("chr21", 50_818_468, None),
        ("chr22", 100, None),
        ("chr22", None, None),
    ],
)
def test_the_length_of_a_chromosome_tells(contig: str, bases: int | None, expected: str | None) -> None:
    assert assembly_of(contig, bases) == expected


def test_one_assembly_has_one_name() -> None:
    assert [canonical(name) for name in ("hg19", "hg38", "GRCh38", "T2T")] == ["GRCh37", "GRCh38", "GRCh38", "T2T"]
