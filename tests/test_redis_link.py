"""A connection whose other side does not keep to the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.exceptions import AuthenticationError, BusyLoadingError, InvalidResponse, ResponseError

from app.queue.redis.channel import Channel
from app.queue.redis.connection import Connector

GREETINGS = 2  # CLIENT SETINFO, twice


@asynccontextmanager
async def server(folder: Path, replies: Callable[[int], bytes]) -> AsyncIterator[Channel]:
    """A channel to something that answers the n-th command with whatever it is told to."""

    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        answered = 0
        while data := await reader.read(65_536):
            for _ in range(data.count(b"*")):
                answered += 1
                writer.write(replies(answered))
        writer.close()

    path = folder / "redis.sock"
    listening = await asyncio.start_unix_server(serve, path)
    channel = Channel(Connector(f"unix://{path}"))
    try:
        yield channel
    finally:
        await channel.close()
        listening.close()
        await asyncio.gather(*filter(None, serving), return_exceptions=True)


def _then(reply: bytes) -> Callable[[int], bytes]:
    return lambda number: b"+OK\r\n" if number <= GREETINGS else reply


async def test_a_reply_in_pieces_is_read_when_it_is_whole(tmp_path: Path) -> None:
    async with server(tmp_path, _then(b"$5\r\nhello\r\n")) as channel:
        assert await channel.ask([("ONE",), ("TWO",)]) == [b"hello", b"hello"]


async def test_a_connection_that_speaks_another_protocol_is_given_up(tmp_path: Path) -> None:
    async with server(tmp_path, _then(b"?what\r\n")) as channel:
        with pytest.raises(InvalidResponse):
            await channel.ask([("ONE",)])
        assert not channel.is_open


async def test_a_reply_to_no_command_is_never_taken_for_the_next_one_s(tmp_path: Path) -> None:
    async with server(tmp_path, _then(b"+OK\r\n+OK\r\n")) as channel:
        assert await channel.ask([("ONE",)]) == [b"OK"]
        with pytest.raises((ConnectionResetError, InvalidResponse)):
            await channel.ask([("TWO",)])
        assert not channel.is_open


@pytest.mark.parametrize(
    ("reply", "error"),
    [(b"-NOAUTH Authentication required.\r\n", AuthenticationError), (b"-LOADING wait\r\n", BusyLoadingError)],
)
async def test_a_connection_that_is_refused_as_a_whole_is_given_up(
    tmp_path: Path, reply: bytes, error: type[Exception]
) -> None:
    async with server(tmp_path, _then(reply)) as channel:
        with pytest.raises(error):
            await channel.ask([("ONE",), ("TWO",)])
        assert not channel.is_open


async def test_a_command_that_is_refused_fails_alone(tmp_path: Path) -> None:
    async with server(tmp_path, _then(b"-ERR no\r\n")) as channel:
        with pytest.raises(ResponseError):
            await channel.ask([("ONE",)])
        assert channel.is_open
