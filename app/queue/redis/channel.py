"""One connection to Redis: several commands in one write, replies in order, closed when anything is unsure."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from app.queue.redis.connection import Connector

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

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def exchange(
        self, commands: Sequence[Command], receive: Callable[[Any], None], seconds: float = EXCHANGE_SECONDS
    ) -> None:
        """Write commands, and hand out each reply as it comes; that of a command that Redis refused is its error.

        Raises:
            redis.exceptions.RedisError, OSError: not all replies came, in time; the connection is closed then.
        """
        try:
            async with asyncio.timeout(seconds):
                connection = self._connection or await self._connect()
                packed = [pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]
                await _send(connection, packed)
                for _ in commands:
                    receive(await _reply(connection))
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
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await asyncio.sleep(0)  # the transport closes in the loop's next turn

    async def _connect(self) -> AbstractConnection:
        self._connection = self._connector.connection()
        await self._connection.connect()  # type: ignore[no-untyped-call]
        return self._connection


async def _send(connection: AbstractConnection, packed: list[Any]) -> None:
    try:
        await connection.send_packed_command(packed, check_health=False)
    except RuntimeError as closed:  # so uvloop calls a connection that was reset while nobody used it
        raise ConnectionResetError("the connection was closed by the other side") from closed


async def _reply(connection: AbstractConnection) -> Any:  # noqa: ANN401 - whatever the command answers
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as refused:
        return refused
