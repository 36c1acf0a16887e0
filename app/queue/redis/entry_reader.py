"""Reads what waits for a worker in one model's streams, and what of it nobody wants any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.queue.redis.channel import Channel, Command
from app.queue.redis.entries import Entry, Held, entries_read
from app.queue.redis.keys import GROUP, Keys

BLOCK_MS = 1000
READ_SECONDS = BLOCK_MS / 1000 + 2  # a read may block longer than it was told to
MOST_API_PROCESSES = 64  # whose marks are looked for with each read


class NewEntries(NamedTuple):
    """What one read brought.

    Attributes:
        server_ms: the server's time when it ended.
        quiet: API processes that want everything they asked for.
    """

    entries: list[Entry]
    server_ms: int
    quiet: set[str]


class EntryReader:
    """Owns the connection on which one worker reads one model's streams.

    Args:
        streams: the model's two.
        worker: its name in Redis.
        keys: the names in Redis.
        channel: its own, since its reads block.
    """

    def __init__(self, streams: Sequence[str], worker: str, keys: Keys, channel: Channel) -> None:
        self._streams, self._worker, self._keys, self._channel = streams, worker, keys, channel
        self._api_processes: set[str] = set()

    async def wait(self, count: int) -> NewEntries:
        """Wait for entries of either stream, up to `count` of each, for at most `BLOCK_MS`.

        Raises:
            redis.exceptions.RedisError, OSError: Redis does not answer, or refuses.
        """
        return await self._read([self._command(count, "BLOCK", BLOCK_MS, "STREAMS", *self._streams, ">", ">")])

    async def look(self, counts: Sequence[int]) -> NewEntries:
        """Take what is there, up to so many entries of each stream.

        Raises:
            redis.exceptions.RedisError, OSError: Redis does not answer, or refuses.
        """
        of_streams = zip(self._streams, counts, strict=True)
        return await self._read([self._command(it, "STREAMS", stream, ">") for stream, it in of_streams if it > 0])

    def _command(self, count: int, *where: str | int) -> Command:
        return ("XREADGROUP", "GROUP", GROUP, self._worker, "COUNT", count, *where)

    async def _read(self, reads: Sequence[Command]) -> NewEntries:
        # The commands after a read run when it ends, so they tell of that very moment.
        known = sorted(self._api_processes)
        marks: list[Command] = [("EXISTS", self._keys.cancelled(process)) for process in known]
        replies = await self._channel.ask([*reads, ("TIME",), *marks], READ_SECONDS)
        read, (seconds, microseconds), exist = replies[: len(reads)], replies[len(reads)], replies[len(reads) + 1 :]
        entries = [entry for reply in read for entry in entries_read(self._streams, reply)]
        quiet = {process for process, exists in zip(known, exist, strict=True) if not exists}
        return NewEntries(entries, int(seconds) * 1000 + int(microseconds) // 1000, quiet)

    async def cancelled(self, held: Sequence[Held], quiet: set[str]) -> set[bytes]:
        """The ids of those requests that nobody wants any more.

        Raises:
            redis.exceptions.RedisError, OSError: Redis does not answer, or refuses.
        """
        by_process: dict[str, list[bytes]] = {}
        for it in held:
            by_process.setdefault(it.api_process, []).append(it.request_id)
        self._note(set(by_process))
        asked = {process: ids for process, ids in by_process.items() if process not in quiet}
        if not asked:
            return set()
        commands: list[Command] = [
            ("SMISMEMBER", self._keys.cancelled(process), *ids) for process, ids in asked.items()
        ]
        replies = await self._channel.ask(commands)
        pairs = [
            pair for ids, marks in zip(asked.values(), replies, strict=True) for pair in zip(ids, marks, strict=True)
        ]
        return {request_id for request_id, is_marked in pairs if is_marked}

    def _note(self, processes: set[str]) -> None:
        known = self._api_processes | processes
        self._api_processes = known if len(known) <= MOST_API_PROCESSES else processes

    async def close(self) -> None:
        """Drop the connection with whatever is on its way."""
        await self._channel.close()
