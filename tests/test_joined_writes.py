"""What is written in one turn of the event loop leaves in one write, and nothing is ever lost."""

from __future__ import annotations

import asyncio

from app.joined_writes import JoinedWrites


class Wire(asyncio.Transport):
    """A transport that remembers what happened to it."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[bytes | str] = []

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.log.append(data)

    def write_eof(self) -> None:
        self.log.append("eof")

    def close(self) -> None:
        self.log.append("close")

    def abort(self) -> None:
        self.log.append("abort")

    def get_write_buffer_size(self) -> int:
        return 7


def _joined() -> tuple[JoinedWrites, Wire]:
    wire = Wire()
    return JoinedWrites(wire, asyncio.get_running_loop()), wire


async def test_head_and_body_leave_together() -> None:
    joined, wire = _joined()
    joined.write(b"head ")
    joined.write(b"body")
    assert wire.log == []
    await asyncio.sleep(0)
    assert wire.log == [b"head body"]


async def test_each_turn_has_its_own_write() -> None:
    joined, wire = _joined()
    joined.write(b"one")
    await asyncio.sleep(0)
    joined.write(b"two")
    await asyncio.sleep(0)
    assert wire.log == [b"one", b"two"]


async def test_what_is_urgent_leaves_at_once_behind_what_is_held() -> None:
    joined, wire = _joined()
    joined.write(b"one ")
    joined.write_now(b"two")
    assert wire.log == [b"one two"]
    await asyncio.sleep(0)
    assert wire.log == [b"one two"]


async def test_closing_writes_what_is_held_first() -> None:
    joined, wire = _joined()
    joined.write(b"last words")
    joined.close()
    await asyncio.sleep(0)
    assert wire.log == [b"last words", "close"]


async def test_ending_one_direction_writes_what_is_held_first() -> None:
    joined, wire = _joined()
    joined.write(b"last words")
    joined.write_eof()
    assert wire.log == [b"last words", "eof"]


async def test_what_is_held_counts_as_not_yet_gone() -> None:
    joined, _ = _joined()
    joined.write(b"123")
    assert joined.get_write_buffer_size() == 10


async def test_the_rest_is_the_transport_s_own() -> None:
    joined, wire = _joined()
    joined.abort()
    assert wire.log == ["abort"]
