"""One line of a VCF, without its genotypes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.errors import VcfRefused
from app.genome.vcf.header import VcfHeader
from app.genome.vcf.record import Record, read_record
from tests.genome.vcfs import LIMITS

SITES = VcfHeader((), has_format=False, contigs={}, lines=9)
TWO_SAMPLES = VcfHeader(("a", "b"), has_format=True, contigs={}, lines=9)


def record(text: str, header: VcfHeader = SITES, **limits: int) -> Record:
    return read_record(text.replace(" ", "\t").encode(), 12, header, replace(LIMITS, **limits))


def refused(text: str, header: VcfHeader = SITES, **limits: int) -> tuple[str, str]:
    with pytest.raises(VcfRefused) as error:
        record(text, header, **limits)
    return error.value.problem_code, error.value.detail


def test_keeps_the_text_and_counts_from_one():
    assert record("chr1 7 rs5 acg T,<DEL> 30 PASS END=20 GT 0|1 1|1", TWO_SAMPLES) == Record(
        line=12,
        contig=b"chr1",
        position=7,
        end=20,
        reference=b"acg",
        alternates=(b"T", b"<DEL>"),
        passed=True,
        format=b"GT",
        calls=b"0|1\t1|1",
    )


@pytest.mark.parametrize(("filters", "passed"), [("PASS", True), (".", True), ("q10", False), ("PASS;q10", False)])
def test_passes_with_pass_or_a_dot(filters, passed):
    assert record(f"1 1 . A C . {filters} .").passed is passed


@pytest.mark.parametrize(
    "alternate",
    ["c", "N", "RY", "*", "<DEL>", "<INS:ME:ALU>", "<*>", "<NON_REF>", "A[2:5[", "]2:5]A", ".A", "G.", "A,*,<DUP>"],
)
def test_reads_every_form_of_alternate(alternate):
    assert record(f"1 5 . A {alternate} . . .").alternates == tuple(alternate.encode().split(b","))


def test_a_dot_is_no_alternate():
    assert record("1 5 . A . . . .").alternates == ()


@pytest.mark.parametrize(
    "alternate",
    ["A,", ",A", "A,.", "Z", "A C", "<DEL", "DEL>", "<>", "<A<B>", "[2:5", "A[2:5[G[", "A[2:5]", "AC-", "..", "é"],
)
def test_refuses_other_alternates(alternate):
    code, detail = refused(f"1 5 . A {alternate} . . .")
    assert code in ("vcf_allele", "vcf_columns")
    assert detail.startswith("Line 12: ")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("1 5 . A C . . .", 5),
        ("1 5 . ACG C . . END=50", 7),  # END belongs to symbols and blocks; bases say their own length
        ("1 5 . A <DEL> . . SVTYPE=DEL;END=9", 9),
        ("1 5 . A <DEL> . . SVLEN=-4", 9),
        ("1 5 . A <DEL> . . SVLEN=4", 9),
        ("1 5 . A <DEL>,<DEL> . . SVLEN=-4,-7", 12),
        ("1 5 . A C,<DEL> . . SVLEN=.,-7", 12),
        ("1 5 . A <INS> . . SVLEN=300", 5),
        ("1 5 . A <DEL> . . .", 5),
        ("1 5 . TAC <DEL> . . END=5", 7),
        ("1 5 . A <DEL> . . END=.;SVLEN=-2", 7),
        ("1 5 . A <NON_REF> . . END=8", 8),
        ("1 5 . A . . . END=8", 8),
        ("1 2147483647 . A <DEL> . . SVLEN=-9", 2147483647),
    ],
)
def test_spans_bases_of_the_reference(text, end):
    assert record(text).end == end


@pytest.mark.parametrize(
    "position", ["0", "-1", "+1", "2147483648", "9223372036854775808", "ten", "1e3", "1_0", "٣", "1" * 400]
)
def test_refuses_positions_outside_a_contig(position):
    assert refused(f"1 {position} . A C . . .") == (
        "vcf_position",
        "Line 12: POS is a whole number from 1 to 2147483647.",
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 5 . A <DEL> . . END=x", "vcf_position"),
        ("1 5 . A <DEL> . . END=-3", "vcf_position"),
        ("1 5 . A <DEL> . . SVLEN=--3", "vcf_position"),
        ("1 5 . A*C C . . .", "vcf_allele"),
        ("1 5 . . C . . .", "vcf_allele"),
        ("1 5 . <DEL> C . . .", "vcf_allele"),
        ("1 2147483647 . AC C . . .", "vcf_allele"),
        ("\x01 5 . A C . . .", "vcf_contig"),
        ("x" * 1025 + " 5 . A C . . .", "vcf_contig"),
        ("1 5 . A C . .", "vcf_columns"),
        ("1 5 . A C . . . GT 0|1", "vcf_columns"),
        ("1 5  A C . . .", "vcf_columns"),
        ("#CHROM POS ID REF ALT QUAL FILTER INFO", "vcf_columns"),
    ],
)
def test_refuses_a_broken_line(text, code):
    assert refused(text)[0] == code


@pytest.mark.parametrize("calls", ["GT 0|1", "GT 0|1 0|1 0|1", "GT", "GT 0|1 "])
def test_has_one_column_for_each_sample(calls):
    text = f"1 5 . A C . . . {calls}"
    if calls == "GT 0|1 ":
        assert record(text, TWO_SAMPLES).calls == b"0|1\t"  # the empty genotype is refused where it is read
        return
    assert refused(text, TWO_SAMPLES) == (
        "vcf_columns",
        "Line 12: expected 11 columns, as in the #CHROM line, none empty and tabs between them.",
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [("1 5 . ACG C . . .", "vcf_allele"), ("1 5 . A CGT . . .", "vcf_allele"), ("1 5 . A C,G,T . . .", "vcf_too_many")],
)
def test_is_bounded(text, code):
    assert refused(text, max_allele_bases=2, max_alternates=2)[0] == code


def test_a_record_of_an_indexed_file_has_no_line():
    with pytest.raises(VcfRefused, match="A record of this region: POS is"):
        read_record(b"1\tx\t.\tA\tC\t.\t.\t.", 0, SITES, LIMITS)
