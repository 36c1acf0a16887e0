"""A TCP proxy in front of a unix socket that can be slow, silent, or rude."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: nothing is waited for, so that the other side gets a reset


class Proxy:
    """Hands bytes on in both directions, in a thread of its own; what it does to them can be changed at any time.

    Attributes:
        delay_seconds: how long it keeps what it is given.
        piece_bytes: how much it hands on at once.
        accepted: when each connection was opened, in monotonic seconds.
    """

    def __init__(self, target: Path) -> None:
        self.target, self.port = target, 0
        self.delay_seconds, self.piece_bytes = 0.0, 65_536
        self.accepted: list[float] = []
        self._reset_after: int | None = None
        self._open: set[Link] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """The proxy at work."""
        self._ready, self._ended = threading.Event(), asyncio.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        thread.start()
        self._ready.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join()

    def strand(self) -> None:
        """The connections that are open now carry nothing any more, and nobody is told; new ones work."""
        for link in list(self._open):
            link.is_stranded = True

    def reset(self) -> None:
        """Reset all connections."""
        self._loop.call_soon_threadsafe(lambda: [link.reset() for link in list(self._open)])

    def reset_in_a_reply(self, after_bytes: int) -> None:
        """Reset the next connection on which a longer reply comes, when so much of it has been handed on."""
        self._reset_after = after_bytes

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ended.wait()
        server.close()
        for link in list(self._open):
            link.reset()
        await asyncio.sleep(0.01)  # their tasks end

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(time.monotonic())
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            writer.close()
            return
        link = Link(writer, far_writer)
        self._open.add(link)
        try:
            await asyncio.gather(
                self._hand_on(link, reader, far_writer), self._hand_on(link, far_reader, writer, is_reply=True)
            )
        finally:
            self._open.discard(link)
            link.close()

    async def _hand_on(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool = False
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay_seconds)
                if is_reply and self._reset_after is not None and len(data) > self._reset_after:
                    data, self._reset_after = data[: self._reset_after], None
                    writer.write(data)
                    link.reset()
                    return
                for start in range(0, len(data), self.piece_bytes):
                    if not link.is_stranded:
                        writer.write(data[start : start + self.piece_bytes])
                        await writer.drain()
        if not link.is_stranded:
            link.close()


class Link:
    """One connection through the proxy: its two ends."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._near, self._far = near, far
        self.is_stranded = False

    def close(self) -> None:
        self._near.close()
        self._far.close()

    def reset(self) -> None:
        with suppress(OSError):
            self._near.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._near.transport.abort()
        self._far.transport.abort()
