"""A VCF as a list of variants: one for each alternate allele that is written out."""

from __future__ import annotations

import pytest

from app.errors import VcfRefused
from app.genome.variants import Variant
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.sites import Site, read_sites
from tests.genome.vcfs import sites as without_samples
from tests.genome.vcfs import vcf


def read(text: bytes, *, passed_only: bool = True) -> list[Site]:
    return list(read_sites(text.splitlines(), VcfLimits(), passed_only=passed_only))


def sites(*records: str, passed_only: bool = True) -> list[Site]:
    return read(without_samples(*records), passed_only=passed_only)


def test_every_alternate_allele_is_a_variant_of_its_own() -> None:
    first, second = sites("1 5 . a G,gt . PASS .")
    assert (first.allele, first.variant) == (1, Variant("1", 5, "A", "G"))
    assert (second.allele, second.variant) == (2, Variant("1", 5, "A", "GT"))


def test_contigs_come_in_the_order_of_the_file_and_need_not_be_sorted() -> None:
    found = sites("2 9 . A G . . .", "1 5 . A G . . .", "2 3 . A G . . .")
    assert [(site.variant.contig, site.variant.position) for site in found if site.variant] == [
        ("2", 9),
        ("1", 5),
        ("2", 3),
    ]


def test_genotypes_are_not_read() -> None:
    (site,) = read(vcf("1 5 . A G . . . GT nonsense", samples="ann"))
    assert site.variant == Variant("1", 5, "A", "G")


@pytest.mark.parametrize(
    ("alternate", "reason"),
    [
        (".", "no_change"),
        ("*", "no_change"),
        ("<*>", "no_change"),
        ("<NON_REF>", "no_change"),
        ("a", "no_change"),
        ("<DEL>", "unsupported_allele"),
        ("<INS>", "unsupported_allele"),
        ("A[2:3[", "unsupported_allele"),
    ],
)
def test_what_is_not_written_out_has_a_reason_in_place_of_a_variant(alternate: str, reason: str) -> None:
    (site,) = sites(f"1 5 . A {alternate} . . .")
    assert (site.variant, site.reason) == (None, reason)


def test_a_record_that_did_not_pass_is_left_out_unless_any_is_wanted() -> None:
    record = "1 5 . A G . q10 ."
    assert [(site.allele, site.reason) for site in sites(record)] == [(0, "filtered")]
    assert [site.variant for site in sites(record, passed_only=False)] == [Variant("1", 5, "A", "G")]


def test_a_broken_line_is_named() -> None:
    with pytest.raises(VcfRefused) as refused:
        sites("1 5 . A G . . .", "1 x . A G . . .")
    assert refused.value.problem_code == "vcf_position"
    assert "Line 5" in refused.value.detail
