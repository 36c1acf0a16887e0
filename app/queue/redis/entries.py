"""Stream entries become jobs again, and outcomes become what settles them: pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.batching import Job, Priority
from app.queue.redis.channel import Argument
from app.queue.redis.keys import Keys
from app.queue.redis.wire import Request

PRIORITIES: tuple[Priority, Priority] = ("interactive", "bulk")
MOST_INBOX_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a model's streams.

    Attributes:
        stream: 1 interactive, 2 bulk.
        packed: the job's bytes; empty if the entry has none.
    """

    stream: int
    id: bytes
    packed: bytes

    @property
    def place(self) -> tuple[int, bytes]:
        """Where it is: an id is one stream's only."""
        return self.stream, self.id

    @property
    def added_ms(self) -> int:
        """When it was added, in the server's time."""
        return int(self.id.partition(b"-")[0])


class Held(NamedTuple):
    """What is needed to settle a job that this worker holds."""

    entry: Entry
    request_id: bytes
    api_process: str


def entry_of(stream: int, entry_id: bytes, fields: Sequence[bytes]) -> Entry:
    """An entry from its fields, names and values in turn."""
    packed = dict(zip(fields[::2], fields[1::2], strict=False)).get(b"j", b"")
    return Entry(stream, entry_id, packed)


def entries_read(streams: Sequence[str], reply: Sequence[Any] | None) -> list[Entry]:
    """The entries in the reply to XREADGROUP."""
    index = {name.encode(): place for place, name in enumerate(streams, start=1)}
    return [entry_of(index[name], *entry) for name, entries in reply or () for entry in entries]


def job_of(entry: Entry, request: Request, server_ms: int, now: float) -> Job:
    """The job of an entry, its times turned into those of this process.

    Args:
        server_ms: the server's time.
        now: this process's, at the same moment.
    """
    submitted_at = now - (server_ms - entry.added_ms) / 1000
    deadline = submitted_at + request.ttl_ms / 1000
    return Job(request.ids, submitted_at, deadline, PRIORITIES[entry.stream - 1], request.traceparent)


def settlement(
    keys: Keys, streams: Sequence[str], settled: Iterable[tuple[Held, bytes]], pace: bytes = b""
) -> tuple[list[str], list[Argument]]:
    """Keys and arguments of settle.lua.

    Args:
        streams: the model's two.
        settled: each with its reply; an empty one where nobody is to be told.
        pace: goes along.
    """
    processes: dict[str, int] = {}
    arguments: list[Argument] = [MOST_INBOX_ENTRIES, pace]
    for held, reply in settled:
        process = processes.setdefault(held.api_process, len(processes) + 1)
        arguments += (held.entry.stream, held.entry.id, process, held.request_id, reply)
    of_processes = [key(process) for process in processes for key in (keys.inbox, keys.cancelled)]
    return [*streams, *of_processes], arguments


def places(entries: Iterable[Entry]) -> list[Argument]:
    """Stream and id of each entry, in turn."""
    return [part for entry in entries for part in (entry.stream, entry.id)]
