"""Reading a FASTA file: plain, gzip or xz."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, cast

from training.errors import DataError

IUPAC = b"ACGTURYSWKMBDHVN"
_TO_DNA = bytes.maketrans(b"uU", b"TT")


def read_fasta(path: Path) -> dict[str, str]:
    """Read all contigs.

    Args:
        path: `.gz` and `.xz` are unpacked.

    Returns:
        Contig, which is the first word of its heading, to upper-case IUPAC letters with T for U, in the file's order.

    Raises:
        DataError: the file is missing, empty, damaged or no FASTA of nucleotides; the message names the line.
    """
    contigs: dict[str, list[bytes]] = {}
    lines: list[bytes] | None = None
    for number, line in _numbered_lines(path):
        if line.startswith(b">"):
            lines = contigs.setdefault(_new_name(line, contigs, f"{path}, line {number}"), [])
        elif lines is None:
            raise DataError(f"{path}, line {number}: bases before the first heading; a heading starts with >")
        else:
            lines.append(_checked(line, f"{path}, line {number}"))
    if not contigs:
        raise DataError(f"{path}: the file holds no sequence")
    if empty := [name for name, lines in contigs.items() if not lines]:
        raise DataError(f"{path}: contig {empty[0]} has no bases")
    return {name: b"".join(lines).decode("ascii") for name, lines in contigs.items()}


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, counted from 1."""
    try:
        with closing(_opened(path)) as file:
            for number, line in enumerate(file, start=1):
                if stripped := line.strip():
                    yield number, stripped
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; name the folder that holds it with --data") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read to its end: {error}") from None


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path))
    return cast("BinaryIO", lzma.open(path)) if path.suffix == ".xz" else path.open("rb")


def _new_name(heading: bytes, known: dict[str, list[bytes]], where: str) -> str:
    words = heading[1:].decode("utf-8", errors="replace").split()
    if not words:
        raise DataError(f"{where}: a heading without a name")
    if words[0] in known:
        raise DataError(f"{where}: contig {words[0]} stands in the file twice")
    return words[0]


def _checked(line: bytes, where: str) -> bytes:
    bases = line.upper().translate(_TO_DNA)
    if bases.translate(None, IUPAC):
        column = next(place for place, letter in enumerate(bases, start=1) if letter not in IUPAC)
        raise DataError(f"{where}: the letter in column {column} is no IUPAC code of a nucleotide")
    return bases
