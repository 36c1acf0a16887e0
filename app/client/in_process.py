"""A request to the application inside this process: the routes as they are, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Scope

FIELDS = [(b"content-type", b"application/json"), (b"accept", b"application/json")]


async def post(app: ASGIApp, path: str, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and document of the answer."""
    body = [json.dumps(request).encode()]
    answered: list[Message] = []

    async def receive() -> Message:
        if not body:
            await asyncio.Event().wait()  # the caller never hangs up
        return {"type": "http.request", "body": body.pop(), "more_body": False}

    async def send(message: Message) -> None:
        answered.append(message)

    await app(_scope(path), receive, send)
    start, *rest = answered
    return start["status"], json.loads(b"".join(message.get("body", b"") for message in rest))


def _scope(path: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": FIELDS,
        "client": None,
        "server": None,
    }
