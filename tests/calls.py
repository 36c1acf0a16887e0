"""One exchange of uvicorn's, without a network: what comes in is said by the test, what leaves is remembered."""

from __future__ import annotations

import asyncio
import logging

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.joined_writes import JoinedWrites
from app.line import Line, ReplyHead

USUAL = [(b"date", b"today"), (b"x-content-type-options", b"nosniff")]
FIELDS = [(b"content-length", b"2"), (b"content-type", b"application/json")]


class Wire(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self):
        super().__init__()
        self.written, self.closed = [], False

    def write(self, data):
        self.written.append(bytes(data))

    def close(self):
        self.closed = True


class Call:
    """An exchange of uvicorn's whose head has come, and the line of it."""

    def __init__(self, *, keep_alive=True, method="POST"):
        self.wire, self.ended = Wire(), 0
        log = logging.getLogger("test")
        self.cycle = RequestResponseCycle(
            scope={"method": method},
            transport=self.wire,
            flow=FlowControl(self.wire),
            logger=log,
            access_logger=log,
            access_log=False,
            default_headers=USUAL,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=self._end,
        )
        self.line = Line(self.cycle, JoinedWrites(self.wire, loop=None), ReplyHead())

    def _end(self):
        self.ended += 1

    def arrives(self, body, *, more=False):
        self.cycle.body += body
        self.cycle.more_body = more
        self.cycle.message_event.set()

    def reply(self, status=200):
        return self.line.reply(status, FIELDS, b"{}")
