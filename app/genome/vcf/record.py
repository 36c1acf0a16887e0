"""One line of a VCF: its eight or nine columns before the genotypes, each checked."""

from __future__ import annotations

from typing import NamedTuple

from app.genome.vcf.header import VcfHeader
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.refusals import at_line

MAX_POSITION = 2**31 - 1
MAX_POSITION_DIGITS = 10
NOTHING = b"."
PASSED = (b"PASS", NOTHING)
# Letters of IUPAC too: whether they equal the reference is for those to judge who have it.
BASES = b"ACGTNRYSWKMBDHVUacgtnryswkmbdhvu"
VISIBLE = bytes(range(33, 127))
DELETION = b"<DEL"
MAX_CONTIG_BYTES = 1024


class Record(NamedTuple):
    """One record.

    Attributes:
        line: number in the file, 0 in an indexed one.
        contig: as written.
        position: POS, 1-based.
        end: last reference base that it spans, 1-based and inclusive.
        alternates: as written; none for `.`.
        passed: FILTER is PASS or `.`.
        format: the FORMAT column, empty where there is none.
        calls: the columns of the samples, tabs between them.
    """

    line: int
    contig: bytes
    position: int
    end: int
    reference: bytes
    alternates: tuple[bytes, ...]
    passed: bool
    format: bytes
    calls: bytes


def read_record(text: bytes, line: int, header: VcfHeader, limits: VcfLimits) -> Record:
    """Read one line; the genotypes are only counted.

    Args:
        text: without line end.
        line: its number, 0 if unknown.

    Raises:
        VcfRefused: it breaks the format or a limit.
    """
    fields = text.split(b"\t", 9)
    calls = fields[9] if len(fields) > 9 else b""
    if len(fields) + calls.count(b"\t") != header.columns or b"" in fields or text.startswith(b"#"):
        raise _wrong_columns(text, line, header)
    contig, position_text, _, reference, alternate_text, _, filters, info = fields[:8]
    if len(contig) > MAX_CONTIG_BYTES or contig.translate(None, VISIBLE):
        raise at_line("vcf_contig", line, f"CHROM is 1 to {MAX_CONTIG_BYTES} visible ASCII characters.")
    position = _position(position_text, line, "POS")
    last = position + len(reference) - 1
    if reference.translate(None, BASES) or len(reference) > limits.max_allele_bases or last > MAX_POSITION:
        raise _wrong_bases(line, "REF", limits)
    alternates = () if alternate_text == NOTHING else _alternates(alternate_text, line, limits)
    if not alternates or b"<" in alternate_text:
        last = max(last, _end(info, position, alternates, line))
    format_text = fields[8] if header.has_format else b""
    return Record(line, contig, position, last, reference, alternates, filters in PASSED, format_text, calls)


def _wrong_columns(text: bytes, line: int, header: VcfHeader) -> Exception:
    if text.startswith(b"#"):
        return at_line("vcf_columns", line, "a header line after the end of the header; one file has one header.")
    expected = f"expected {header.columns} columns, as in the #CHROM line, none empty and tabs between them."
    return at_line("vcf_columns", line, expected)


def _wrong_bases(line: int, column: str, limits: VcfLimits) -> Exception:
    expected = f"{column} is 1 to {limits.max_allele_bases} bases (A, C, G, T, N or IUPAC letters) within the contig."
    return at_line("vcf_allele", line, expected)


def _position(text: bytes, line: int, column: str) -> int:
    if text.isdigit() and len(text) <= MAX_POSITION_DIGITS and 0 < (position := int(text)) <= MAX_POSITION:
        return position
    raise at_line("vcf_position", line, f"{column} is a whole number from 1 to {MAX_POSITION}.")


def _alternates(text: bytes, line: int, limits: VcfLimits) -> tuple[bytes, ...]:
    alternates = tuple(text.split(b",", limits.max_alternates))
    if len(alternates) > limits.max_alternates:
        raise at_line("vcf_too_many", line, f"a record has at most {limits.max_alternates} alternate alleles.")
    if b"" in alternates or max(map(len, alternates)) > limits.max_allele_bases:
        raise at_line("vcf_allele", line, f"each allele of ALT has 1 to {limits.max_allele_bases} characters.")
    if text.translate(None, BASES):
        for alternate in alternates:
            _check_alternate(alternate, line)
    return alternates


def _check_alternate(alternate: bytes, line: int) -> None:
    if not alternate.translate(None, BASES) or alternate == b"*" or _is_symbolic(alternate) or _is_breakend(alternate):
        return
    raise at_line("vcf_allele", line, "each allele of ALT is bases, *, a symbol such as <DEL>, or a breakend.")


def _is_symbolic(alternate: bytes) -> bool:
    name = alternate[1:-1]
    visible = not name.translate(None, VISIBLE)
    return alternate[:1] + alternate[-1:] == b"<>" and bool(name) and visible and not set(b"<>[]") & set(name)


def _is_breakend(alternate: bytes) -> bool:
    if alternate.translate(None, VISIBLE) or len(alternate) < 2:
        return False
    if alternate.count(b"[") + alternate.count(b"]") == 2:
        return alternate.count(b"[") != 1
    single = alternate.removeprefix(NOTHING) if alternate.startswith(NOTHING) else alternate.removesuffix(NOTHING)
    return len(single) < len(alternate) and not single.translate(None, BASES)


def _end(info: bytes, position: int, alternates: tuple[bytes, ...], line: int) -> int:
    """Where a symbolic allele or a block of the reference ends: INFO/END, else by a deletion's SVLEN, else here."""
    fields = dict(field.partition(b"=")[::2] for field in info.split(b";"))
    if (end := fields.get(b"END", NOTHING)) != NOTHING:
        return _position(end, line, "INFO/END")
    lengths = fields.get(b"SVLEN", NOTHING).split(b",", len(alternates))
    deleted = [
        _position(length.removeprefix(b"-"), line, "INFO/SVLEN without its sign")
        for allele, length in zip(alternates, lengths, strict=False)
        if allele.startswith(DELETION) and length != NOTHING
    ]
    return min(position + max(deleted, default=0), MAX_POSITION)
