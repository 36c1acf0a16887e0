"""Sequences in: FASTA, CSV or TSV, plain or gzip, told apart by their content and read as a stream."""

from __future__ import annotations

import csv
import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from app.errors import TableError

GZIP_MAGIC = b"\x1f\x8b"
STANDARD_STREAM = "-"
FASTA_MARK = ">"


@dataclass(frozen=True, slots=True)
class Record:
    """One sequence of the input.

    Attributes:
        number: its place in the input, counted from 1.
        id: the caller's name for it; the 0-based index where it has none, as in the service.
    """

    number: int
    id: str
    sequence: str


@contextmanager
def open_records(source: str) -> Iterator[Iterator[Record]]:
    """The records of a FASTA, CSV or TSV file, or of standard input for `-`.

    Raises:
        TableError: it cannot be read, or is neither FASTA nor a table with a column `sequence`.
    """
    with open_source(source) as raw, text_of(raw) as lines:
        records = _explained(parse(lines), name_of(source))
        # The first is read at once: what is no table at all is told before anybody loads a model for it.
        yield chain([next(records)], records)


def count_records(source: str) -> int | None:
    """How many records a file holds, for a progress bar; None where it can be read only once."""
    if not Path(source).is_file():
        return None
    with open_records(source) as records:
        return sum(1 for _ in records)


def name_of(source: str) -> str:
    """What messages call it."""
    return "standard input" if source == STANDARD_STREAM else source


def open_source(source: str) -> BinaryIO:
    """A file's bytes as they are, or those of standard input for `-`.

    Raises:
        TableError: it cannot be opened.
    """
    if source == STANDARD_STREAM:
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise TableError(f"{source}: {error.strerror}") from None


def is_zipped(raw: BinaryIO) -> bool:
    """Whether what comes next is gzip."""
    return cast("BufferedReader", raw).peek(2)[:2] == GZIP_MAGIC


def text_of(raw: BinaryIO) -> TextIOWrapper:
    """The text in plain or gzip bytes, its line ends as they are, without a byte order mark."""
    plain = cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb")) if is_zipped(raw) else raw
    return TextIOWrapper(plain, encoding="utf-8-sig", newline="")


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Whatever ends the reading of an input early, told as one clear line.

    Raises:
        TableError: with the input's name before it.
    """
    try:
        yield
    except UnicodeDecodeError:
        raise TableError(f"{name}: not text in UTF-8") from None
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise TableError(f"{name}: the gzip data is damaged or ends early") from None
    except csv.Error as error:
        raise TableError(f"{name}: {error}") from None
    except OSError as error:
        raise TableError(f"{name}: {error.strerror or error}") from None
    except TableError as error:
        raise TableError(f"{name}: {error}") from None


def _explained(records: Iterator[Record], name: str) -> Iterator[Record]:
    with explained(name):
        yield from records


def parse(lines: Iterator[str], first_number: int = 1) -> Iterator[Record]:
    """The records in the lines of a FASTA or a table.

    Args:
        lines: as they are, line ends included.
        first_number: the first record's place in the input, where these lines are a part of it.

    Raises:
        TableError: there is none, or they are neither FASTA nor a table with a column `sequence`.
        csv.Error: a table's quotes do not match.
    """
    first = next((line for line in lines if line.strip()), "")
    rest = chain([first], lines)
    is_fasta = first.startswith(FASTA_MARK)
    records = _fasta(rest, first_number) if is_fasta else _table(rest, delimiter_of(first), first_number)
    record = next(records, None) if first else None
    if record is None:
        raise TableError("holds no sequences")
    yield record
    yield from records


def delimiter_of(first_line: str) -> str:
    """What stands between the columns of a table."""
    return "\t" if "\t" in first_line else ","


def _fasta(lines: Iterator[str], first_number: int) -> Iterator[Record]:
    header, number = next(lines), first_number
    parts: list[str] = []
    for line in lines:
        if line.startswith(FASTA_MARK):
            yield _fasta_record(number, header, parts)
            header, number, parts = line, number + 1, []
        else:
            parts.append("".join(line.split()))
    yield _fasta_record(number, header, parts)


def _fasta_record(number: int, header: str, parts: Sequence[str]) -> Record:
    words = header[1:].split(maxsplit=1)
    return Record(number, words[0] if words else str(number - 1), "".join(parts))


def _table(lines: Iterator[str], delimiter: str, first_number: int) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # a sequence may be longer than the 131,072 characters of the default
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    columns = [column.strip().lower() for column in next(rows)]
    if "sequence" not in columns:
        raise TableError("neither FASTA nor a table with a column `sequence`; the first line must name the columns")
    sequence, name = columns.index("sequence"), columns.index("id") if "id" in columns else None
    for number, row in enumerate((row for row in rows if row), start=first_number):
        if len(row) != len(columns):
            raise TableError(f"line {rows.line_num} has {len(row)} columns, the first line {len(columns)}")
        given = row[name].strip() if name is not None else ""
        yield Record(number, given or str(number - 1), row[sequence].strip())
