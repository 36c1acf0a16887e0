"""The bytes of one open connection: what is written leaves at once, and replies are read as they arrive.

Streams would wake a task for each piece that arrives, and the task would read it; a request through Redis takes four
exchanges, and that was most of their cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

NOT_YET = object()

Receive = Callable[[Any], None]


class Link(asyncio.Protocol):
    """Takes over a connection that redis-py has opened, and with it its transport.

    Args:
        connection: open, with nothing on its way.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        parser, writer = connection._parser, connection._writer  # noqa: SLF001 - there is no public way to either
        assert writer is not None  # noqa: S101 - it is open
        self._transport: Any = writer.transport
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=parser.parse_error, notEnoughData=NOT_YET
        )
        self._receive: Receive = _nobody
        self._missing = 0
        self._done: asyncio.Future[None] | None = None
        self._is_lost = False
        self._transport.set_protocol(self)

    async def exchange(self, commands: bytes, count: int, receive: Receive) -> None:
        """Write so many commands, and hand out each reply as it comes.

        Raises:
            ConnectionResetError: the other side has closed, or closes before every reply is there.
            redis.exceptions.InvalidResponse: it does not speak the protocol.
        redis.exceptions.ConnectionError: it refuses the connection as a whole.
        """
        if self._is_lost or self._transport.is_closing():
            raise _reset()
        self._receive, self._missing = receive, count
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(commands)
        await self._done

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not NOT_YET:
                self._received(reply)
        except Exception as error:  # noqa: BLE001 - whoever waits for replies is told, and gets none of another command
            self._is_lost = True
            self._transport.abort()
            self._end(error)

    def _received(self, reply: object) -> None:
        if not self._missing:
            raise InvalidResponse("a reply to no command")
        if isinstance(reply, RedisConnectionError):  # Redis loads, wants a password, or has no room for connections
            raise reply
        self._missing -= 1
        self._receive(reply)
        if not self._missing:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason changes nothing
        self._is_lost = True
        self._end(_reset())

    def _end(self, error: Exception | None) -> None:
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)


def _reset() -> ConnectionResetError:
    return ConnectionResetError("the connection was closed by the other side")


def _nobody(reply: object) -> None:
    """Takes replies before the first exchange: there are none."""
