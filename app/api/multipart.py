"""multipart/form-data as a stream: parts in the order that was agreed, nothing kept that is not asked for.

Strict on purpose: what browsers and HTTP clients send is read, everything else is 400.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator

from app.errors import MalformedRequest, UnsupportedMediaType

MULTIPART = "multipart/form-data"
MAX_HEAD_BYTES = 4096
_BOUNDARY = re.compile(r'boundary=(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))(?=[\s;]|$)')
_NAME = re.compile(rb'(?:^|;)[ \t]*name="([^"\\]{1,64})"')
_END = "The multipart body ends early, or is not of the boundary that Content-Type names."


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names.

    Raises:
        UnsupportedMediaType: none, or one that cannot be.
    """
    found = _BOUNDARY.search(content_type)
    boundary = "" if found is None else found[1] or found[2]
    if not (boundary and boundary.isascii() and boundary.isprintable()):
        raise UnsupportedMediaType("Content-Type multipart/form-data names a boundary of 1 to 70 characters.")
    return boundary.encode()


class MultipartReader:
    """Reads parts one after the other, each once and to its end.

    Args:
        chunks: the body as it arrives.
        boundary: what stands between its parts.
    """

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._chunks, self._delimiter = chunks, b"\r\n--" + boundary
        self._held = bytearray(b"\r\n")  # so that the first delimiter is like the others

    async def expect(self, name: str) -> None:
        """Go to the next part, which is to have this name; the one before it has been read.

        Raises:
            MalformedRequest: it has another, or there is none.
        """
        if not await self._begins_part():
            raise MalformedRequest(f"The multipart body has no part {name}, or not in its place.")
        found = _NAME.search(_disposition(await self._head()))
        if found is None or found[1] != name.encode():
            raise MalformedRequest(f"The next part of the multipart body is to have the name {name}.")

    async def expect_end(self) -> None:
        """Make sure that nothing follows.

        Raises:
            MalformedRequest: something does.
        """
        if await self._begins_part():
            raise MalformedRequest("The multipart body has a part too many.")
        async for chunk in self._chunks:
            self._held += chunk
            if len(self._held) > len(b"\r\n"):
                break
        if bytes(self._held) not in (b"", b"\r\n"):
            raise MalformedRequest("Something follows the end of the multipart body.")

    async def content(self) -> AsyncGenerator[bytes, None]:
        """What the part holds, as it arrives."""
        while (end := self._held.find(self._delimiter)) < 0:
            safe = len(self._held) - len(self._delimiter) + 1
            if safe > 0:
                yield bytes(self._held[:safe])
                del self._held[:safe]
            await self._more()
        if end:
            yield bytes(self._held[:end])
        del self._held[:end]

    async def _begins_part(self) -> bool:
        """Read a delimiter; whether a part follows it."""
        await self._hold(len(self._delimiter) + 2)
        line = bytes(self._held[: len(self._delimiter) + 2])
        if not line.startswith(self._delimiter) or line[-2:] not in (b"\r\n", b"--"):
            raise MalformedRequest(_END)
        del self._held[: len(line)]
        return line.endswith(b"\r\n")

    async def _head(self) -> bytes:
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > MAX_HEAD_BYTES:
                break
            await self._more()
        if not 0 <= end <= MAX_HEAD_BYTES:
            raise MalformedRequest(f"The head of a part has at most {MAX_HEAD_BYTES} bytes.")
        head = bytes(self._held[:end])
        del self._held[: end + 4]
        return head

    async def _hold(self, size: int) -> None:
        while len(self._held) < size:
            await self._more()

    async def _more(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            raise MalformedRequest(_END)
        self._held += chunk


def _disposition(head: bytes) -> bytes:
    """The parameters of a part's Content-Disposition; nothing where it is not form data."""
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        kind, _, parameters = value.strip().partition(b";")
        if field.lower() == b"content-disposition" and kind.strip().lower() == b"form-data":
            return parameters
    return b""
