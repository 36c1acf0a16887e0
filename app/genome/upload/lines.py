"""Pieces of text to lines, none longer than a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.errors import VcfRefused
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.refusals import at_line


def lines_of(pieces: Iterable[bytes], limits: VcfLimits) -> Iterator[bytes]:
    r"""The lines without their ends, which are `\n` or `\r\n`; the last one may lack it.

    Args:
        pieces: of the text, each shorter than the longest line.

    Raises:
        VcfRefused: a line is longer than the limit, or has a NUL byte.
    """
    complete = 0
    begun: list[bytes] = []
    begun_bytes = 0
    for piece in pieces:
        begun.append(piece)
        begun_bytes += len(piece)
        if b"\n" in piece:
            *lines, rest = b"".join(begun).split(b"\n")
            for line in lines:
                complete += 1
                yield _checked(line, complete, limits)
            begun, begun_bytes = [rest], len(rest)
        if begun_bytes > limits.max_vcf_line_bytes:
            raise _too_long(complete + 1, limits)
    if begun_bytes:
        yield _checked(b"".join(begun), complete + 1, limits)


def _checked(line: bytes, number: int, limits: VcfLimits) -> bytes:
    if len(line) > limits.max_vcf_line_bytes:
        raise _too_long(number, limits)
    if b"\0" in line:
        raise at_line("vcf_encoding", number, "a VCF is text, and text has no NUL byte.")
    return line.removesuffix(b"\r")


def _too_long(line: int, limits: VcfLimits) -> VcfRefused:
    return at_line("vcf_too_long", line, f"a line has at most {limits.max_vcf_line_bytes} bytes.")
