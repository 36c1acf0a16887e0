"""What stands before the first record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.errors import VcfRefused
from app.genome.vcf.header import read_header
from tests.genome.vcfs import LIMITS

VERSION = b"##fileformat=VCFv4.2"
COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def refused(*lines: bytes) -> tuple[str, str]:
    with pytest.raises(VcfRefused) as error:
        read_header(iter(lines), LIMITS)
    return error.value.problem_code, error.value.detail


def test_says_samples_contigs_and_where_records_begin():
    contigs = [b'##contig=<ID=chr1,length=1000,species="a, b">', b"##contig=<ID=chrM>"]
    header = read_header(iter([VERSION, *contigs, COLUMNS + b"\tFORMAT\tHG1\tJos\xc3\xa9"]), LIMITS)
    assert header.samples == ("HG1", "José")
    assert header.contigs == {"chr1": 1000, "chrM": None}
    assert (header.lines, header.columns) == (4, 11)


def test_leaves_the_records_in_the_lines():
    lines = iter([VERSION, COLUMNS, b"first record"])
    read_header(lines, LIMITS)
    assert list(lines) == [b"first record"]


@pytest.mark.parametrize(
    ("tail", "has_format", "columns"), [(b"", False, 8), (b"\tFORMAT", True, 9), (b"\tFORMAT\ta", True, 10)]
)
def test_samples_are_optional(tail, has_format, columns):
    header = read_header(iter([VERSION, COLUMNS + tail]), LIMITS)
    assert (header.has_format, header.columns) == (has_format, columns)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "ends before the #CHROM line"),
        ([b""], "begins with ##fileformat=VCF"),
        ([b"ID,sequence"], "begins with ##fileformat=VCF"),
        ([b"##fileformat=BCF"], "begins with ##fileformat=VCF"),
        ([VERSION], "ends before the #CHROM line"),
        ([VERSION, b"chr1\t1\t.\tA\tC\t.\t.\t."], "Line 2: expected ## or the #CHROM line"),
        ([VERSION, COLUMNS.replace(b"\t", b" ")], "separated by tabs"),
        ([VERSION, COLUMNS.replace(b"ALT", b"OBS")], "separated by tabs"),
        ([VERSION, COLUMNS + b"\tHG1"], "the ninth column of the #CHROM line is FORMAT"),
        ([VERSION, COLUMNS + b"\tFORMAT\t"], "the name of a sample has 1 to 1024 bytes"),
        ([VERSION, COLUMNS + b"\tFORMAT\ta\x01"], "no control characters"),
        ([VERSION, COLUMNS + b"\tFORMAT\t" + b"a" * 1025], "1 to 1024 bytes"),
        ([VERSION, COLUMNS + b"\tFORMAT\t\xff"], "not UTF-8"),
        ([VERSION, b"##contig=<length=5>"], "has an ID"),
        ([VERSION, b"##contig=<ID=1,length=-5>"], "whole number"),
        ([VERSION, b"##contig=<ID=1,length=5>", b"##contig=<ID=1,length=6>"], "with another length"),
    ],
)
def test_refuses_what_is_no_header(lines, expected):
    code, detail = refused(*lines)
    assert code == "vcf_header"
    assert expected in detail


def test_samples_are_unique():
    assert refused(VERSION, COLUMNS + b"\tFORMAT\tx\tx") == (
        "vcf_samples",
        "Line 2: the names of the samples are not unique.",
    )


@pytest.mark.parametrize(
    ("limit", "detail"),
    [({"max_samples": 2}, "Line 3: a VCF has at most 2 samples"), ({"max_header_lines": 2}, "Line 3: a header has at")],
)
def test_is_bounded(limit, detail):
    lines = iter([VERSION, b"##source=x", COLUMNS + b"\tFORMAT\ta\tb\tc"])
    with pytest.raises(VcfRefused, match=detail) as error:
        read_header(lines, replace(LIMITS, **limit))
    assert error.value.problem_code == "vcf_too_many"
