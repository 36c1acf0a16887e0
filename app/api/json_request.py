"""A JSON body of a route that reads nothing else, as a document."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request

from app.api.bodies import JSON, BodyLimits, media_type, parse_json, read_body
from app.api.exchange import Exchange

# From here on a body made for it could keep the event loop from everybody else for long.
LARGE_BODY_BYTES = 262_144


async def read_json(request: Request, exchange: Exchange, limits: BodyLimits) -> object:
    """The body, parsed; the phases of the exchange begin here.

    Raises:
        ServiceError: it is not JSON, too large, or does not arrive.
    """
    media_type(exchange.fields, (JSON,))
    body = await read_body(exchange, request.receive, limits)
    began = exchange.phases_began = time.monotonic()
    document = parse_json(body) if len(body) < LARGE_BODY_BYTES else await asyncio.to_thread(parse_json, body)
    exchange.seconds["parse"] = time.monotonic() - began
    return document
