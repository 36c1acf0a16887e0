"""The line to one caller, past ASGI's messages: a body that is here, a whole reply, and the moment he hangs up.

By ASGI a request costs a coroutine for its body, one for each of the two messages of a reply, with regular expressions
for every header field because it may be anybody's, and a task that waits for a disconnect. What serves HTTP here knows
all of that at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.joined_writes import JoinedWrites

SCOPE_KEY = "basecast.line"

Fields = Sequence[tuple[bytes, bytes]]


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


class Line:
    """One request's, from its head to the end of its reply.

    Args:
        cycle: uvicorn's state of the exchange.
        wire: its transport.
        head: writes the beginning of the reply.

    Attributes:
        on_hang_up: called when the caller leaves before he has his reply.
    """

    __slots__ = ("_cycle", "_head", "_wire", "on_hang_up")

    def __init__(self, cycle: RequestResponseCycle, wire: JoinedWrites, head: ReplyHead) -> None:
        self._cycle, self._wire, self._head = cycle, wire, head
        self.on_hang_up: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the reply is still to come, or to end."""
        return not self._cycle.response_complete

    @property
    def body_is_here(self) -> bool:
        """Whether the caller has sent everything, read or not."""
        return not self._cycle.more_body

    def take_body(self) -> bytes | None:
        """The whole body; None where it has to be received, because some of it is on its way or the caller has gone.

        To be called before any of it is received.
        """
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()  # the next that can be received is that the caller has gone
        return body

    def reply(self, status: int, fields: Fields, body: bytes) -> bool:
        """Write a whole reply and end the exchange, as uvicorn does at the last of its messages.

        It leaves at once, before its request is counted and logged.

        Args:
            fields: among them the length of the body.

        Returns:
            False if nothing was written: the reply has begun, is to be without its body, or its caller has gone or
            takes nothing at present.
        """
        cycle = self._cycle
        if cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        begun = self._head.written(status, cycle.default_headers, fields)
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self._wire.write_now(b"%b%b%b" % (begun, end, body))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    def hang_up(self) -> None:
        """The connection has ended."""
        if self.on_hang_up is not None and self.is_open:
            self.on_hang_up()


def _lines(fields: Fields) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])
