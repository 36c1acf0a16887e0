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
    name = "standard input" if source == STANDARD_STREAM else source
    with _open(source, name) as raw, _text(raw) as lines:
        records = _explained(_records(lines), name)
        # The first is read at once: what is no table at all is told before anybody loads a model for it.
        yield chain([next(records)], records)


def count_records(source: str) -> int | None:
    """How many records a file holds, for a progress bar; None where it can be read only once."""
    if not Path(source).is_file():
        return None
    with open_records(source) as records:
        return sum(1 for _ in records)


def _open(source: str, name: str) -> BinaryIO:
    if source == STANDARD_STREAM:
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise TableError(f"{name}: {error.strerror}") from None


def _text(raw: BinaryIO) -> TextIOWrapper:
    zipped = cast("BufferedReader", raw).peek(2)[:2] == GZIP_MAGIC
    plain = cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb")) if zipped else raw
    return TextIOWrapper(plain, encoding="utf-8-sig", newline="")


def _explained(records: Iterator[Record], name: str) -> Iterator[Record]:
    """The same records, with whatever ends them early told as one clear line."""
    try:
        yield from records
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


def _records(lines: TextIOWrapper) -> Iterator[Record]:
    first = next((line for line in lines if line.strip()), "")
    rest = chain([first], lines)
    records = _fasta(rest) if first.startswith(">") else _table(rest, "\t" if "\t" in first else ",")
    record = next(records, None) if first else None
    if record is None:
        raise TableError("holds no sequences")
    yield record
    yield from records


def _fasta(lines: Iterator[str]) -> Iterator[Record]:
    header, number = next(lines), 1
    parts: list[str] = []
    for line in lines:
        if line.startswith(">"):
            yield _fasta_record(number, header, parts)
            header, number, parts = line, number + 1, []
        else:
            parts.append("".join(line.split()))
    yield _fasta_record(number, header, parts)


def _fasta_record(number: int, header: str, parts: Sequence[str]) -> Record:
    words = header[1:].split(maxsplit=1)
    return Record(number, words[0] if words else str(number - 1), "".join(parts))


def _table(lines: Iterator[str], delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # a sequence may be longer than the 131,072 characters of the default
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    columns = [column.strip().lower() for column in next(rows)]
    if "sequence" not in columns:
        raise TableError("neither FASTA nor a table with a column `sequence`; the first line must name the columns")
    sequence, name = columns.index("sequence"), columns.index("id") if "id" in columns else None
    for number, row in enumerate((row for row in rows if row), start=1):
        if len(row) != len(columns):
            raise TableError(f"line {rows.line_num} has {len(row)} columns, the first line {len(columns)}")
        given = row[name].strip() if name is not None else ""
        yield Record(number, given or str(number - 1), row[sequence].strip())
