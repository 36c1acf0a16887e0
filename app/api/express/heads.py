"""A head that a connection sends again: read once, and from then on compared.

What the parser has found in a head is true of every head of the same bytes. Only the digits of Content-Length may be
others, because they say nothing but where the body ends.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import MutableMapping
from typing import Any, NamedTuple

from app.api.bodies import JSON, media_type
from app.api.boundary import check_head
from app.api.deadlines import DeadlineLimits
from app.api.fields import Fields, header_fields
from app.api.replies import JSON as JSON_REPLY
from app.api.replies import negotiate
from app.errors import ServiceError

Scope = MutableMapping[str, Any]

METHOD, PATH = "POST", "/predict"
LONGEST_HEAD_BYTES = 4096
MOST_DIGITS = 7  # of the length of a body
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,7})(?=\r\n[^ \t])", re.IGNORECASE)
# Who sends one of these wants something of the long way, or says something else each time.
UNUSUAL_FIELDS = frozenset({"expect", "traceparent", "transfer-encoding", "upgrade", "x-request-id"})


# A head of nothing else says nothing of its caller: what one connection has sent is known to all of them.
ORDINARY_FIELDS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent", "x-deadline-ms"}
)
MOST_SHARED = 8


class KnownHead(NamedTuple):
    """A head of a usual request.

    Attributes:
        before, after: what stands before and after the digits of Content-Length.
        deadline_ms: that it asks for.
        is_ordinary: nothing in it could be its caller's own.
    """

    before: bytes
    after: bytes
    deadline_ms: int
    is_ordinary: bool = False

    def begins(self, request: bytes) -> bool:
        """Whether a request begins with this head, whatever its length."""
        end = request.find(b"\r", len(self.before), len(self.before) + MOST_DIGITS + 1)
        return end >= 0 and request.startswith(self.before) and request.startswith(self.after, end)

    def body_of(self, request: bytes) -> bytes | None:
        """The body of a request with this head; None if that is not what the bytes are, all of them."""
        if not request.startswith(self.before):
            return None
        start = len(self.before)
        end = request.find(b"\r", start, start + MOST_DIGITS + 1)
        digits = request[start:end]
        if end < 0 or not digits.isdigit() or not request.startswith(self.after, end):
            return None
        body = request[end + len(self.after) :]
        return body if len(body) == int(digits) else None

    def is_all_of(self, request: bytes) -> bool:
        """Whether the bytes are such a head, and a body is still to come."""
        digits = len(request) - len(self.before) - len(self.after)
        if not 0 < digits <= MOST_DIGITS or not (request.startswith(self.before) and request.endswith(self.after)):
            return False
        length = request[len(self.before) : len(self.before) + digits]
        return length.isdigit() and int(length) > 0


class SharedHeads:
    """The ordinary heads that were known last, whatever connection they came by."""

    def __init__(self) -> None:
        self._heads: deque[KnownHead] = deque(maxlen=MOST_SHARED)

    def share(self, head: KnownHead) -> None:
        """Let a head be known to all, if it is an ordinary one."""
        if head.is_ordinary and head not in self._heads:
            self._heads.append(head)

    def of(self, request: bytes) -> KnownHead | None:
        """The head that a request begins with, but for its length, if it is known."""
        return next((head for head in self._heads if head.begins(request)), None)


def know_head(head: bytes, body_bytes: int, scope: Scope, deadlines: DeadlineLimits) -> KnownHead | None:
    """The head of a request that is here as a whole; None if it is not a usual one.

    Args:
        head: as it came, to the end of its empty line.
        body_bytes: that came after it, to the end of the request.
        scope: what the server has made of it.
    """
    if (scope["method"], scope["path"], scope["query_string"], scope["http_version"]) != (METHOD, PATH, b"", "1.1"):
        return None
    lengths = [*LENGTH.finditer(head)]
    fields = header_fields(scope["headers"])
    if len(lengths) != 1 or int(lengths[0][1]) != body_bytes or len(head) > LONGEST_HEAD_BYTES:
        return None
    if not _is_usual(fields):
        return None
    try:
        check_head(scope)
        deadline_ms = deadlines.chosen_ms(None, fields)
    except ServiceError:
        return None  # the long way says why
    start, end = lengths[0].span(1)
    return KnownHead(head[:start], head[end:], deadline_ms, ORDINARY_FIELDS.issuperset(fields))


def _is_usual(fields: Fields) -> bool:
    if not UNUSUAL_FIELDS.isdisjoint(fields) or fields.get("connection", "keep-alive").lower() != "keep-alive":
        return False
    try:
        return negotiate(fields.get("accept", "*/*")) == JSON_REPLY and media_type(fields, (JSON,)) == JSON
    except ServiceError:
        return False
