"""A mutagenesis as JSON, CSV or NDJSON; the command line makes its tables of the same document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.responses import Response

from app.api.replies import CSV, JSON, model_info
from app.api.rows import csv_response, json_response, ndjson_response
from app.mutagenesis import ALPHABET, Mutagenesis, centred
from app.scales import shortest
from app.served_models import ServedModel
from app.tables import Column

Document = Mapping[str, Any]


def mutagenesis_document(
    model: ServedModel, found: Mutagenesis, window: Mapping[str, Any] | None, *, centre: bool
) -> dict[str, Any]:
    """What is answered.

    Args:
        window: what was read of the reference, if that was asked for.
        centre: take the mean of a position's substitutions from each of them.
    """
    sweep, names = found.sweep, model.manifest.target_names
    values = centred(found.values, sweep.substituted) if centre else found.values
    return {
        "model": model_info(model),
        **({} if window is None else {"window": window}),
        "positions": list(sweep.positions),
        "remaining": sweep.remaining,
        "reference": sweep.reference,
        "alphabet": ALPHABET,
        "centred": centre,
        "reference_values": dict(zip(names, map(shortest, found.reference_values), strict=True)),
        "values": {
            name: [[shortest(value) for value in row] for row in values[:, :, target].tolist()]
            for target, name in enumerate(names)
        },
    }


def mutagenesis_response(document: Document, media_type: str) -> Response:
    """The reply, in the form that the caller accepts."""
    if media_type == JSON:
        return json_response(document)
    if media_type == CSV:
        return csv_response(mutagenesis_columns(document), mutagenesis_rows(document))
    return ndjson_response(_positions(document))


def mutagenesis_columns(document: Document) -> list[Column]:
    """The columns of a table of it."""
    targets = ((target, float) for target in document["values"])
    return [("position", int), ("reference", str), ("base", str), *targets]


def mutagenesis_rows(document: Document) -> Iterator[list[object]]:
    """A row for each base at each position."""
    for row, (position, letter) in enumerate(zip(document["positions"], document["reference"], strict=True)):
        for column, base in enumerate(document["alphabet"]):
            yield [position, letter, base, *(matrix[row][column] for matrix in document["values"].values())]


def _positions(document: Document) -> Iterator[dict[str, Any]]:
    for row, (position, letter) in enumerate(zip(document["positions"], document["reference"], strict=True)):
        values = {name: matrix[row] for name, matrix in document["values"].items()}
        yield {"position": position, "reference": letter, "values": values}
