"""Documents and rows as replies: one JSON document, CSV, or a JSON object a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from app.api.replies import CSV, JSON, NDJSON
from app.tables import Column


def json_response(document: Mapping[str, Any]) -> Response:
    """One document."""
    return Response(to_json(document), media_type=JSON)


def csv_response(columns: Iterable[Column], rows: Iterable[Sequence[object]]) -> Response:
    """A table with a line of column names."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    writer.writerows(rows)
    return Response(table.getvalue().encode(), media_type=CSV)


def ndjson_response(rows: Iterable[Mapping[str, Any]]) -> Response:
    """A JSON object a line."""
    return Response(b"".join(to_json(row) + b"\n" for row in rows), media_type=NDJSON)
