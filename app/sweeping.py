"""A mutagenesis of any length through a client: some positions a request, joined in the end.

A request that is too much at once is halved, and when the service is busy it is asked again later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.bulk import Patience
from app.client import Client
from app.errors import DeadlineExceeded, ServiceError, Unprocessable

ROUTE = "/predict/mutagenesis"
REQUEST_POSITIONS = 85  # three substitutions each, and the sequence itself: a chunk
SIZES = {"too_many", "too_long"}

Document = Mapping[str, Any]


def sweep_all(
    client: Client, request: Document, patience: Patience, most: int = REQUEST_POSITIONS
) -> Iterator[dict[str, Any]]:
    """The answers for one piece of positions after the other.

    Args:
        request: the fields of POST /predict/mutagenesis beside the model.
        most: positions of one request.

    Raises:
        BasecastError: the client cannot go on.
    """
    asked, remaining = dict(request), 1
    while remaining:
        try:
            told = _ask(client, asked | {"most_positions": most}, patience)
        except (DeadlineExceeded, Unprocessable) as error:
            if most == 1 or not _is_size(error):
                raise
            most = most // 2
            continue
        yield told
        remaining = told["remaining"]
        asked["start"] = told["positions"][-1] + 1


def joined(pieces: Sequence[Document]) -> dict[str, Any]:
    """The answer that one request for everything would have had."""
    first = dict(pieces[0])
    return first | {
        "positions": [position for piece in pieces for position in piece["positions"]],
        "remaining": pieces[-1]["remaining"],
        "reference": "".join(piece["reference"] for piece in pieces),
        "values": {name: [row for piece in pieces for row in piece["values"][name]] for name in first["values"]},
    }


def _ask(client: Client, asked: Document, patience: Patience) -> dict[str, Any]:
    return patience.ask(lambda: client.ask(ROUTE, asked))


def _is_size(error: ServiceError) -> bool:
    return isinstance(error, DeadlineExceeded) or any(item.code in SIZES for item in error.items)
