"""One connection to Redis: several commands in one write, replies in order, closed when anything is unsure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from app.queue.redis.connection import Connector
from app.queue.redis.link import Link

Argument = str | bytes | int | float
Command = Sequence[Argument]

EXCHANGE_SECONDS = 2.0


class Channel:
    """Owns one connection, opened when it is first needed and again after each failure; used by one task.

    Args:
        connector: where it leads to.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._connection: AbstractConnection | None = None
        self._link: Link | None = None

    @property
    def is_open(self) -> bool:
        return self._link is not None

    async def exchange(
        self, commands: Sequence[Command], receive: Callable[[Any], None], seconds: float = EXCHANGE_SECONDS
    ) -> None:
        """Write commands, and hand out each reply as it comes; that of a command that Redis refused is its error.

        Raises:
            redis.exceptions.RedisError, OSError: not all replies came, in time; the connection is closed then.
        """
        packed = b"".join([pack_command(tuple(command)) for command in commands])  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(seconds):
                link = self._link or await self._connect()
                await link.exchange(packed, len(commands), receive)
        except BaseException:  # a cancelled read too: its reply would be taken for the next command's
            await self.close()
            raise

    async def ask(self, commands: Sequence[Command], seconds: float = EXCHANGE_SECONDS) -> list[Any]:
        """Write commands and wait for all replies.

        Raises:
            redis.exceptions.RedisError, OSError: one was refused, or not all replies came, in time.
        """
        replies: list[Any] = []
        await self.exchange(commands, replies.append, seconds)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def close(self) -> None:
        """Drop the connection with whatever is on its way."""
        connection, self._connection, self._link = self._connection, None, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await asyncio.sleep(0)  # the transport closes in the loop's next turn

    async def _connect(self) -> Link:
        self._connection = self._connector.connection()
        await self._connection.connect()  # type: ignore[no-untyped-call]
        self._link = Link(self._connection)
        return self._link
