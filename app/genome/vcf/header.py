"""The header of a VCF: its version, its contigs and its samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.errors import VcfRefused
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.refusals import at_line

FIRST_LINE = b"##fileformat=VCF"
CONTIG_LINE = b"##contig=<"
FIXED_COLUMNS = (b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO")
MAX_NAME_BYTES = 1024
CONTROL_CHARACTERS = bytes(range(32)) + b"\x7f"


@dataclass(frozen=True, slots=True)
class VcfHeader:
    """What the header says.

    Attributes:
        samples: in the order of their columns.
        has_format: whether records carry a FORMAT column, with or without samples.
        contigs: the length of each contig of a `##contig` line, None where the line gives none.
        lines: how many lines the header has.
    """

    samples: tuple[str, ...]
    has_format: bool
    contigs: dict[str, int | None]
    lines: int

    @property
    def columns(self) -> int:
        """Columns of every record."""
        return len(FIXED_COLUMNS) + self.has_format + len(self.samples)


def read_header(lines: Iterator[bytes], limits: VcfLimits) -> VcfHeader:
    """Read up to and including the `#CHROM` line.

    Args:
        lines: without line ends; what follows the header is left in it.

    Raises:
        VcfRefused: it is not the header of a VCF, or is larger than the limits.
    """
    contigs: dict[str, int | None] = {}
    for number, line in enumerate(lines, start=1):
        if number == 1 and not line.startswith(FIRST_LINE):
            raise at_line("vcf_header", 1, "a VCF begins with ##fileformat=VCF.")
        if number > limits.max_header_lines:
            raise at_line("vcf_too_many", number, f"a header has at most {limits.max_header_lines} lines.")
        if line.startswith(CONTIG_LINE):
            _add_contig(contigs, line, number)
        elif not line.startswith(b"##"):
            samples = _sample_names(line, number, limits)
            return VcfHeader(samples, line.count(b"\t") >= len(FIXED_COLUMNS), contigs, number)
    raise VcfRefused("vcf_header", "The text ends before the #CHROM line that ends a VCF's header.")


def _sample_names(line: bytes, number: int, limits: VcfLimits) -> tuple[str, ...]:
    columns = line.split(b"\t", len(FIXED_COLUMNS) + 1 + limits.max_samples)
    if tuple(columns[: len(FIXED_COLUMNS)]) != FIXED_COLUMNS:
        raise at_line("vcf_header", number, "expected ## or the #CHROM line, with its eight names separated by tabs.")
    format_and_samples = columns[len(FIXED_COLUMNS) :]
    if format_and_samples and format_and_samples[0] != b"FORMAT":
        raise at_line("vcf_header", number, "the ninth column of the #CHROM line is FORMAT.")
    names = format_and_samples[1:]
    if len(names) > limits.max_samples:
        raise at_line("vcf_too_many", number, f"a VCF has at most {limits.max_samples} samples here; send fewer.")
    samples = tuple(_name(name, number, "sample") for name in names)
    if len(set(samples)) < len(samples):
        raise at_line("vcf_samples", number, "the names of the samples are not unique.")
    return samples


def _add_contig(contigs: dict[str, int | None], line: bytes, number: int) -> None:
    fields = dict(_fields(line.removeprefix(CONTIG_LINE).removesuffix(b">")))
    if b"ID" not in fields:
        raise at_line("vcf_header", number, "a ##contig line has an ID.")
    contig = _name(fields[b"ID"], number, "contig")
    bases = _bases(fields.get(b"length"), number)
    if contigs.setdefault(contig, bases) != bases:
        raise at_line("vcf_header", number, "this contig was declared before with another length.")


def _fields(text: bytes) -> Iterable[tuple[bytes, bytes]]:
    """The `key=value` pairs of a structured header line; commas inside quotation marks separate nothing."""
    outside_quotes = text.split(b'"')[::2]
    for field in b"".join(outside_quotes).split(b","):
        key, _, value = field.partition(b"=")
        yield key.strip(), value.strip()


def _bases(text: bytes | None, number: int) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise at_line("vcf_header", number, "a contig's length is a whole number.")
    return int(text)


def _name(name: bytes, number: int, of: str) -> str:
    if not name or len(name) > MAX_NAME_BYTES or name.translate(None, CONTROL_CHARACTERS) != name:
        expected = f"the name of a {of} has 1 to {MAX_NAME_BYTES} bytes and no control characters."
        raise at_line("vcf_header", number, expected)
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise at_line("vcf_header", number, f"the name of a {of} is not UTF-8.") from None
