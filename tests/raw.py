"""HTTP as bytes, for requests that no well-mannered client would send."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    fields: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def get(path: str = "/livez", *fields: str, method: str = "GET") -> bytes:
    """A request without a body; each field is a whole line."""
    return _head(f"{method} {path}", fields) + b"\r\n"


def post(body: bytes | str, *fields: str, path: str = "/predict", kind: str = "application/json") -> bytes:
    """A request with a body of this media type and a true Content-Length."""
    content = body.encode() if isinstance(body, str) else body
    typed = (f"Content-Type: {kind}",) if kind else ()
    return _head(f"POST {path}", (*typed, f"Content-Length: {len(content)}", *fields)) + b"\r\n" + content


def chunked(*parts: bytes, path: str = "/predict") -> bytes:
    """A JSON request whose body comes in parts, written as given."""
    fields = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    return _head(f"POST {path}", fields) + b"\r\n" + b"".join(parts)


def chunk(content: bytes) -> bytes:
    """A chunk as RFC 9112 wants it; an empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def _head(request: str, fields: tuple[str, ...]) -> bytes:
    lines = (f"{request} HTTP/1.1", "Host: x", *fields)
    return b"".join(line.encode("latin-1") + b"\r\n" for line in lines)


def ask(port: int, request: bytes, seconds: float = 10) -> Reply:
    """Send it whatever happens meanwhile, and read one reply."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as caller:
        with suppress(BrokenPipeError, ConnectionResetError):
            caller.sendall(request)
        reply = http.client.HTTPResponse(caller, method=request.partition(b" ")[0].decode("latin-1"))
        reply.begin()
        return Reply(reply.status, reply.headers, reply.read())
