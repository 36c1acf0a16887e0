"""One connection to Redis: several commands in one write, replies in order, closed when anything is unsure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from app.queue.redis.connection import REPLY_SECONDS, Connector

Argument = str | bytes | int | float
Command = Sequence[Argument]


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

    async def send(self, commands: Sequence[Command]) -> None:
        """Write commands; a reply for each has to be received.

        Raises:
            redis.exceptions.RedisError, OSError: the connection is closed then.
        """
        try:
            if self._connection is None:
                connection = self._connector.connection()
                await connection.connect()  # type: ignore[no-untyped-call]
                self._connection = connection
            packed = self._connection.pack_commands(commands)
            await self._connection.send_packed_command(packed, check_health=False)
        except BaseException:
            await self.close()
            raise

    async def receive(self, seconds: float = REPLY_SECONDS) -> Any:  # noqa: ANN401 - whatever the command answers
        """The next reply; a command that Redis refused has its error as reply.

        Raises:
            redis.exceptions.RedisError, OSError: the connection is closed then.
        """
        assert self._connection is not None, "nothing was sent"  # noqa: S101
        try:
            return await self._connection.read_response(timeout=seconds)
        except ResponseError as refused:
            return refused
        except BaseException:  # a cancelled read too: its reply would be taken for the next command's
            await self.close()
            raise

    async def exchange(self, commands: Sequence[Command], seconds: float = REPLY_SECONDS) -> list[Any]:
        """Write commands and wait for all replies, up to `seconds` for each.

        Raises:
            redis.exceptions.RedisError, OSError: the connection is closed then.
        """
        await self.send(commands)
        return [await self.receive(seconds) for _ in commands]

    async def close(self) -> None:
        """Drop the connection with whatever is on its way."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.shield(connection.disconnect(nowait=True))
