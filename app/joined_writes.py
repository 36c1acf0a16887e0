"""Fewer system calls: the head and the body of a reply leave in one write."""

from __future__ import annotations

import asyncio
from typing import Any


class JoinedWrites:
    """A transport that holds what is written until the event loop's next turn, or until somebody is in a hurry.

    uvicorn writes the head of a reply and its body apart, each at the price of a system call, which for a small reply
    is a tenth of the whole request.

    Args:
        transport: does the rest.
        loop: whose turns count.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Hold data until the next turn."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def write_now(self, data: bytes) -> None:
        """Write what is held, and this at once: nothing follows that it could leave together with."""
        if not self._held:
            self._transport.write(data)
            return
        self._held.append(data)
        self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, []
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Write what is held, then close."""
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Write what is held, then close this direction."""
        self.flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        """Bytes that have not left, held ones included."""
        return self._transport.get_write_buffer_size() + sum(map(len, self._held))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)
