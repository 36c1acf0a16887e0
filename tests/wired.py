"""A caller of the service whose connection is no socket: what he sends is cut as the test wants it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uvicorn.server import ServerState

from app.connection import Connection
from app.main import Service
from app.server import DrainingServer
from tests.calls import Wire

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n")
# What is another's each time.
OWN = re.compile(rb'(x-request-id: |date: |"instance":"urn:uuid:)[^\r"]*|(?<=;dur=)[0-9.]+')
SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """A reply: its bytes, without what no two replies have in common."""

    text: bytes

    @property
    def status(self) -> int:
        return int(self.text.split(b" ", 2)[1])


class Socketless(Wire):
    """A transport as a connection needs it."""

    def is_closing(self) -> bool:
        return bool(self.closed)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Whoever sends looks to it himself."""

    def resume_reading(self) -> None:
        """The same."""

    def write_eof(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class WiredCaller:
    """One connection to a running service.

    Args:
        service: answers.
        express: whether by the short way, where that is possible.
    """

    def __init__(self, service: Service, *, express: bool = True) -> None:
        server = DrainingServer(service)
        server.config.load()
        kind: Any = server.config.http_protocol_class
        self.connection: Connection = kind(config=server.config, server_state=ServerState(), app_state={})
        if not express:
            self.connection.express = None
        self.wire = Socketless()
        self.connection.connection_made(self.wire)
        self._read = 0

    @property
    def went_express(self) -> bool:
        """Whether the last request did."""
        track = self.connection._track
        return track is not None and self.connection.cycle is track.cycle

    async def send(self, *parts: bytes) -> None:
        """Send bytes in so many parts, each in a turn of its own."""
        for part in parts:
            if part:
                self.connection.data_received(part)
                await asyncio.sleep(0)

    async def answers(self, count: int) -> list[Answer]:
        """The next replies."""
        async with asyncio.timeout(SECONDS):
            while len(found := _answers(self._unread())) < count:  # noqa: ASYNC110 - the service writes them
                await asyncio.sleep(0.001)
        self._read += sum(len(text) for text in found[:count])
        return [Answer(OWN.sub(rb"\1", text)) for text in found[:count]]

    async def ask(self, *parts: bytes) -> Answer:
        """The reply to a request."""
        await self.send(*parts)
        (answer,) = await self.answers(1)
        return answer

    def hang_up(self) -> None:
        """Leave."""
        self.connection.connection_lost(None)

    def _unread(self) -> bytes:
        return b"".join(self.wire.written)[self._read :]


def _answers(text: bytes) -> Sequence[bytes]:
    """The whole replies that bytes begin with."""
    found = []
    while HEAD_END in text:
        head_bytes = text.index(HEAD_END) + len(HEAD_END)
        length = LENGTH.search(text[:head_bytes])
        end = head_bytes + (int(length[1]) if length else 0)
        if len(text) < end:
            break
        found.append(text[:end])
        text = text[end:]
    return found
