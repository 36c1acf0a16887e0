"""Which records, samples and contigs an answer has, and in what order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.errors import Unprocessable
from app.genome.vcf.query import GenotypeQuery
from tests.genome.vcfs import FIRST_KILOBASE, LIMITS, read, refusal, sites, vcf


def snv(position: int, contig: str = "chr1") -> str:
    return f"{contig} {position} . A C . . . GT 0|1 1|1"


def test_arrays_follow_the_file():
    genotypes = read(vcf("chr1 5 . AC A,ACT . PASS . GT 0|1 1/2", "chr1 9 . g . . q10 . GT 0/0 ./."))
    assert genotypes.contig == "chr1"
    assert genotypes.samples == ("a", "b")
    assert genotypes.positions.tolist() == [5, 9]
    assert genotypes.ends.tolist() == [6, 9]
    assert genotypes.lines.tolist() == [4, 5]
    assert genotypes.references == (b"AC", b"g")
    assert genotypes.alternates == ((b"A", b"ACT"), ())
    assert genotypes.passed.tolist() == [True, False]
    assert genotypes.alleles.dtype.name == "int16"
    assert genotypes.phased.tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize(
    ("start", "end", "positions"), [(4, 5, [5]), (5, 9, []), (0, 4, []), (0, 5, [5]), (9, 10, [10])]
)
def test_a_region_is_half_open_and_counts_from_zero(start, end, positions):
    text = vcf(snv(5), snv(10))
    assert read(text, GenotypeQuery("chr1", start, end)).positions.tolist() == positions


def test_a_record_that_reaches_into_the_region_belongs_to_it():
    text = vcf("chr1 5 . ACGT A . . . GT 0|1 1|1", "chr1 5 . A <DEL> . . END=20 GT 0|1 1|1", snv(30))
    assert read(text, GenotypeQuery("chr1", 7, 10)).ends.tolist() == [8, 20]
    assert read(text, GenotypeQuery("chr1", 8, 10)).ends.tolist() == [20]


def test_an_insertion_on_the_base_before_the_region_does_not():
    assert not len(read(vcf("chr1 5 . A ACG . . . GT 0|1 1|1"), GenotypeQuery("chr1", 5, 9)).positions)


def test_records_at_one_position_keep_the_order_of_the_file():
    genotypes = read(
        vcf("chr1 5 . A G . . . GT 0|1 1|1", "chr1 5 . A C . . . GT 0|1 1|1", "chr1 5 . A G . . . GT 0|1 1|1")
    )
    assert genotypes.alternates == ((b"G",), (b"C",), (b"G",))


def test_records_that_go_back_are_refused():
    code, detail = refusal(vcf(snv(5), snv(9), snv(8)))
    assert code == "vcf_unsorted"
    assert detail == "Line 6: the position is before that of an earlier line; sort the VCF."


def test_order_matters_on_the_contig_of_the_region_alone():
    text = vcf(snv(5), snv(9, "chr2"), snv(3, "chr2"), snv(6))
    assert read(text).positions.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("in_file", "asked"), [("chr1", "1"), ("1", "chr1"), ("MT", "chrM"), ("chrM", "MT"), ("M", "MT")]
)
def test_contigs_are_known_by_their_aliases(in_file, asked):
    text = vcf(snv(5, in_file), header="##source=x")
    genotypes = read(text, GenotypeQuery(asked, 0, 10))
    assert (genotypes.contig, len(genotypes.positions)) == (in_file, 1)


def test_an_unknown_contig_is_refused_and_not_answered_with_the_reference():
    code, detail = refusal(vcf(snv(5)), GenotypeQuery("chr2", 0, 10))
    assert code == "vcf_contig"
    assert "neither a ##contig line nor a record" in detail


def test_a_declared_contig_without_records_is_known():
    genotypes = read(vcf(), GenotypeQuery("1", 0, 10))
    assert (genotypes.contig, genotypes.samples, genotypes.alleles.shape) == ("chr1", ("a", "b"), (0, 2, 2))


def test_one_contig_under_two_names_is_refused():
    assert refusal(vcf(snv(5), snv(6, "1")))[0] == "vcf_contig"


def test_a_contig_of_another_length_is_of_another_assembly():
    right, wrong = (GenotypeQuery("1", 0, 10, contig_bases=bases) for bases in (1000, 1001))
    assert len(read(vcf(snv(5)), right).positions) == 1
    assert refusal(vcf(snv(5)), wrong)[0] == "vcf_assembly"
    assert len(read(vcf(snv(5), header="##contig=<ID=chr1>"), wrong).positions) == 1


def test_a_vcf_without_samples_lists_its_variants():
    genotypes = read(sites("chr1 5 . A C . . .", "chr1 6 . A G . . ."))
    assert genotypes.samples == ()
    assert genotypes.alleles.shape == (2, 0, 2)
    assert genotypes.positions.tolist() == [5, 6]


def test_unknown_samples_are_named_by_their_index():
    with pytest.raises(Unprocessable) as error:
        read(vcf(snv(5)), replace(FIRST_KILOBASE, samples=("a", "x", "y")))
    assert [(item.pointer, item.code) for item in error.value.items] == [
        ("/samples/1", "vcf_samples"),
        ("/samples/2", "vcf_samples"),
    ]


def test_a_sample_is_asked_for_once():
    assert refusal(vcf(snv(5)), replace(FIRST_KILOBASE, samples=("a", "a")))[0] == "invalid_value"


def test_empty_lines_may_stand_at_the_end_only():
    assert len(read(vcf(snv(5)) + b"\n\n").positions) == 1
    code, detail = refusal(vcf(snv(5)) + b"\n" + vcf(snv(6)).splitlines()[-1])
    assert (code, detail) == ("vcf_columns", "Line 5: an empty line between records.")


def test_every_line_is_checked_wherever_it_is():
    assert refusal(vcf(snv(5), "chr2 5 . A Z . . . GT 0|1 1|1"))[1].startswith("Line 5: each allele of ALT")


def test_records_are_bounded():
    text = vcf(snv(5), snv(6), snv(7))
    assert len(read(text, limits=replace(LIMITS, max_vcf_records=3)).positions) == 3
    code, detail = refusal(text, limits=replace(LIMITS, max_vcf_records=2))
    assert (code, detail) == ("vcf_too_many", "Line 6: a VCF has at most 2 records; send a part.")


def test_genotypes_are_bounded_by_what_is_asked_for():
    text, limits = vcf(snv(5), snv(6), snv(7)), replace(LIMITS, max_genotypes=4)
    assert refusal(text, limits=limits)[0] == "vcf_too_many"
    assert len(read(text, GenotypeQuery("chr1", 0, 6), limits).positions) == 2
    assert len(read(text, replace(FIRST_KILOBASE, samples=("b",)), limits).positions) == 3
