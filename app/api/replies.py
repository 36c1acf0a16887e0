"""Predictions as JSON, CSV or NDJSON, whichever the caller accepts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from app.errors import NotAcceptable
from app.predictor import Predictions
from app.scales import shortest
from app.served_models import ServedModel

JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"
TABLES = (JSON, CSV, NDJSON)
JSON_TYPE = JSON.encode()
OK = 200


def predictions_response(predictions: Predictions, ids: Sequence[str], media_type: str) -> Response:
    """The reply to a prediction request."""
    write = _WRITERS[media_type]
    return Document(write(predictions, ids), _content_type(media_type))


def numbered_response(predictions: Predictions) -> Response:
    """The same in JSON, where each sequence's id is its place."""
    whole, row = _templates(predictions.model)
    found = zip(count(), predictions.bases, predictions.tokens, predictions.values)
    rows = [row % (place, bases, tokens, *map(_number, values)) for place, bases, tokens, values in found]
    return Document(whole % b",".join(rows), JSON_TYPE)


class Document(Response):
    """A reply that is there as a whole; its fields are known, so none is looked for or encoded anew."""

    def __init__(self, body: bytes, content_type: bytes) -> None:
        self.status_code, self.background, self.body = OK, None, body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", content_type)]


@lru_cache(maxsize=8)
def _content_type(media_type: str) -> bytes:
    return dict(Response(media_type=media_type).raw_headers)[b"content-type"]


@lru_cache(maxsize=256)
def negotiate(accept: str, offered: tuple[str, ...] = TABLES) -> str:
    """The media type to answer with; the first offered where the caller has no preference.

    Args:
        accept: the Accept header.
        offered: at least two.

    Raises:
        NotAcceptable: nothing in it can be produced.
    """
    wanted = dict(_preferences(accept))
    qualities = {kind: _quality(kind, wanted) for kind in offered}
    best = max(qualities, key=qualities.__getitem__)  # of equals the first
    if qualities[best] <= 0:
        raise NotAcceptable(f"This route answers {', '.join(offered[:-1])} or {offered[-1]}.")
    return best


def _quality(kind: str, wanted: Mapping[str, float]) -> float:
    """How much a media type is wanted; the most specific range decides (RFC 9110, section 12.5.1)."""
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((wanted[range_] for range_ in ranges if range_ in wanted), 0.0)


def _preferences(accept: str) -> Iterator[tuple[str, float]]:
    for offer in (accept or "*/*").split(","):
        kind, *parameters = (part.strip().lower() for part in offer.split(";"))
        weights = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
        yield kind, _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    """A weight from 0 to 1; anything else weighs nothing."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def model_info(model: ServedModel) -> dict[str, Any]:
    """Which model answers, as in every reply."""
    manifest = model.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "sha256": model.sha256,
        "licence": manifest.licence,
        "targets": [
            {"name": it.name, "unit": it.unit, "scale": it.scale, "higher_means": it.higher_means}
            for it in manifest.targets
        ],
    }


def _rows(predictions: Predictions, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    names = _target_names(predictions.model)
    rows = zip(ids, predictions.bases, predictions.tokens, predictions.values, strict=True)
    for name, bases, tokens, values in rows:
        yield {
            "id": name,
            "bases": bases,
            "tokens": tokens,
            "values": dict(zip(names, map(shortest, values), strict=True)),
        }


def _as_json(predictions: Predictions, ids: Sequence[str]) -> bytes:
    rows = to_json(list(_rows(predictions, ids)))
    return b'{"model":%b,"predictions":%b}' % (_model_json(predictions.model), rows)


@lru_cache(maxsize=64)
def _templates(model: ServedModel) -> tuple[bytes, bytes]:
    """Of the document, and of one of its rows: what `_as_json` writes, but for what differs."""
    whole = b'{"model":%b,"predictions":[' % _model_json(model).replace(b"%", b"%%")
    names = [to_json(name).replace(b"%", b"%%") for name in _target_names(model)]
    row = b'{"id":"%d","bases":%d,"tokens":%d,"values":{' + b",".join(name + b":%b" for name in names)
    return whole + b"%b]}", row + b"}}"


def _number(value: float) -> bytes:
    """As JSON has it; Python writes exponents otherwise."""
    digits = repr(shortest(value))
    return to_json(float(digits)) if "e" in digits else digits.encode()


@lru_cache(maxsize=64)
def _target_names(model: ServedModel) -> tuple[str, ...]:
    return model.manifest.target_names


@lru_cache(maxsize=64)
def _model_json(model: ServedModel) -> bytes:
    return to_json(model_info(model))


def _as_ndjson(predictions: Predictions, ids: Sequence[str]) -> bytes:
    return b"".join(to_json(row) + b"\n" for row in _rows(predictions, ids))


def _as_csv(predictions: Predictions, ids: Sequence[str]) -> bytes:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "bases", "tokens", *predictions.model.manifest.target_names])
    for row in _rows(predictions, ids):
        writer.writerow([row["id"], row["bases"], row["tokens"], *row["values"].values()])
    return table.getvalue().encode()


_WRITERS: dict[str, Callable[[Predictions, Sequence[str]], bytes]] = {
    JSON: _as_json,
    CSV: _as_csv,
    NDJSON: _as_ndjson,
}
