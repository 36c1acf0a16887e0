"""Predictions out: a table in the form that the file name's ending says, written as a stream."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Protocol

from app.errors import TableError

Column = tuple[str, type]
Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class PredictedRow:
    """One line of the output; `values` in the order of the targets."""

    id: str
    bases: int
    tokens: int
    values: Sequence[float]

    def as_row(self) -> Row:
        """The row under `prediction_columns`."""
        return [self.id, self.bases, self.tokens, *self.values]


def prediction_columns(targets: Sequence[str]) -> list[Column]:
    """The columns of predictions."""
    return [("id", str), ("bases", int), ("tokens", int), *((target, float) for target in targets)]


class Writer(Protocol):
    """Takes the rows of one output, in order, each with a value or None for each column."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write what is still held back; the stream itself stays open."""


class DelimitedWriter:
    """CSV or TSV with a header line, byte for byte as the service answers it."""

    def __init__(self, stream: IO[bytes], columns: Sequence[Column], delimiter: str) -> None:
        self._text = TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text, delimiter=delimiter, lineterminator="\n")
        self._writer.writerow([name for name, _ in columns])

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows(rows)
        self._text.flush()

    def close(self) -> None:
        self._text.detach()


class NdjsonWriter:
    """One flat JSON object a line, with the columns of the other forms as its keys."""

    def __init__(self, stream: IO[bytes], columns: Sequence[Column]) -> None:
        self._stream, self._names = stream, [name for name, _ in columns]

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            document = dict(zip(self._names, row, strict=True))
            text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
            self._stream.write(text.encode() + b"\n")

    def close(self) -> None:
        self._stream.flush()


class ParquetWriter:
    """A Parquet file; rows are held back until they fill a row group worth reading.

    Its bytes depend on the rows alone, not on how many are written at once.
    """

    GROUP_ROWS = 16_384

    def __init__(self, stream: IO[bytes], columns: Sequence[Column]) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an optional extra
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError:
            raise TableError("writing Parquet needs pyarrow: pip install 'basecast[parquet]'") from None
        types = {str: pa.string(), int: pa.int64(), float: pa.float32(), bool: pa.bool_()}
        schema = pa.schema([(name, types[kind]) for name, kind in columns])
        self._new_table = partial(pa.Table.from_arrays, schema=schema)
        self._writer = pq.ParquetWriter(stream, schema)
        self._columns: list[list[Any]] = [[] for _ in schema]

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)
            if len(self._columns[0]) == self.GROUP_ROWS:
                self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._new_table(self._columns))
        self._columns = [[] for _ in self._columns]


NewWriter = Callable[[IO[bytes], Sequence[Column]], Writer]

WRITERS: dict[str, NewWriter] = {
    ".tsv": partial(DelimitedWriter, delimiter="\t"),
    ".csv": partial(DelimitedWriter, delimiter=","),
    ".ndjson": NdjsonWriter,
    ".parquet": ParquetWriter,
}


@contextmanager
def open_writer(path: Path | None, columns: Sequence[Column]) -> Iterator[Writer]:
    """A writer by the path's ending, or TSV on standard output.

    The file appears under its name only when everything is in it.

    Raises:
        TableError: the ending is unknown, or the file cannot be written.
    """
    if path is None:
        with _closing(DelimitedWriter(sys.stdout.buffer, columns, "\t")) as writer:
            yield writer
        return
    new_writer = WRITERS.get(path.suffix.lower())
    if new_writer is None:
        raise TableError(f"{path.name}: the ending must be one of {', '.join(WRITERS)}")
    with written_beside(path) as stream, _closing(new_writer(stream, columns)) as writer:
        yield writer


@contextmanager
def _closing(writer: Writer) -> Iterator[Writer]:
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def written_beside(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when everything is in it.

    Raises:
        TableError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(path)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
