"""The shards' tables as one, byte for byte as it would have been written at once."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from app.tables import WRITERS, Column, Row

PARQUET = ".parquet"


def table_bytes(ending: str, columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """A whole table in the form that an ending says."""
    stream = io.BytesIO()
    writer = WRITERS[ending](stream, columns)
    writer.write(rows)
    writer.close()
    return stream.getvalue()


def join(tables: Iterable[Path], ending: str, columns: Sequence[Column], stream: IO[bytes]) -> None:
    """Write tables of one form and the same columns one after the other, with one header."""
    if ending == PARQUET:
        _join_parquet(tables, columns, stream)
        return
    header = table_bytes(ending, columns, [])
    stream.write(header)
    for table in tables:
        with table.open("rb") as file:
            file.seek(len(header))
            shutil.copyfileobj(file, stream)


def _join_parquet(tables: Iterable[Path], columns: Sequence[Column], stream: IO[bytes]) -> None:
    writer = WRITERS[PARQUET](stream, columns)
    for table in tables:
        writer.write(list(_parquet_rows(table)))
    writer.close()


def _parquet_rows(table: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - an optional extra

    read = pq.read_table(table)
    return zip(*(column.to_pylist() for column in read.columns), strict=True)
