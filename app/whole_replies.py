"""A reply that is there as a whole leaves in one call and one write.

By ASGI it takes two messages, each a coroutine that looks at every header field with regular expressions, because it
may be anybody's; ours is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

SCOPE_KEY = "basecast.whole_reply"

Fields = Sequence[tuple[bytes, bytes]]
# Status, header fields and body; False where the reply has to take ASGI's way.
WholeReply = Callable[[int, Fields, bytes], bool]


class ReplyHead:
    """The beginnings of replies; the fields that all of them have are joined again only when they change."""

    def __init__(self) -> None:
        self._usual: list[tuple[bytes, bytes]] = []
        self._joined = b""

    def written(self, status: int, usual: list[tuple[bytes, bytes]], fields: Fields) -> bytes:
        """Status line and header fields.

        Args:
            usual: of every reply; the server makes a new list whenever they change.
        """
        if usual is not self._usual:
            self._usual, self._joined = usual, _lines(usual)
        return b"%b%b%b" % (STATUS_LINE[status], self._joined, _lines(fields))


def write_whole(cycle: RequestResponseCycle, head: ReplyHead, status: int, fields: Fields, body: bytes) -> bool:
    """Write a reply and end the exchange, as uvicorn does at the last of its messages.

    Args:
        cycle: the exchange, which is no HEAD.
        fields: among them the length of the body.

    Returns:
        False if nothing was written: the reply has begun, its caller has gone, or takes nothing at present.
    """
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
        return False
    begun = head.written(status, cycle.default_headers, fields)
    end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"%b%b%b" % (begun, end, body))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def _lines(fields: Fields) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])
