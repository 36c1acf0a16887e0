"""The coordinate map of a haplotype in the UCSC chain format."""

from __future__ import annotations

from app.genome.haplotypes.chains import chain
from app.genome.intervals import Interval
from tests.genome.haplotypes.built import natural
from tests.genome.vcf_text import toy


def test_indels_part_blocks_and_substitutions_do_not() -> None:
    built = natural(toy("3 C T 1|1", "5 GGT G 1|1", "9 A ATT 1|1"), 2, 14)
    region = Interval("c", 1, 14)
    assert chain(built.people.edits, built.distinct[1].changes, region, 7).split("\n") == [
        "chain 11 c 14 + 1 14 c 14 + 1 14 7",
        "4 2 0",
        "2 0 2",
        "5",
        "",
        "",
    ]


def test_a_haplotype_without_indels_is_one_block() -> None:
    built = natural(toy("3 C T 1|1"))
    text = chain(built.people.edits, built.distinct[1].changes, Interval("c", 0, 16), 1)
    assert text == "chain 16 c 16 + 0 16 c 16 + 0 16 1\n16\n\n"
